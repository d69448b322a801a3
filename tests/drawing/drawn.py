"""Reads the contents of a board."""

from stages.drawing.board import Board


def texts(board: Board) -> list[str]:
    return [line.text for line in board.lines]


def caption(board: Board) -> str:
    return " ".join(texts(board))


def frames(board: Board, role: str) -> int:
    return sum(thumbnail.frame == role for thumbnail in board.thumbnails)
