"""Reading what a picture shows."""

from stages.figures.board import Board


def texts(board: Board) -> list[str]:
    return [text.get_text() for text in board.figure.texts]


def caption(board: Board) -> str:
    return " ".join(texts(board))


def frames(board: Board, label: str) -> int:
    return sum(artist.get_label() == label for artist in board.figure.artists)
