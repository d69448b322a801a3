"""Sheets of large images: a card for each image, below each other, between title and caption."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from stages.drawing.board import Board
from stages.drawing.layout import MARGIN, SIDE_NOTE_TOP, TITLE_TOP
from stages.drawing.text import QUIET, TITLE, line_height, wrap
from stages.figures import captions
from stages.figures.run import Run

PHOTOS_ON_SHEETS = 24
BETWEEN = 16  # thumbnails, and parts of a card
BETWEEN_CARDS = 24
FIRST_CARD_TOP = 52
HEAD = 34  # two lines of a name above a map


class CardLayout(Protocol):
    """Sizes of cards and of their sheet, in pixels."""

    @property
    def card_height(self) -> int:
        """Height of a card."""
        ...

    @property
    def n_rows(self) -> int:
        """Cards on a sheet."""
        ...

    @property
    def width(self) -> int:
        """Width of the sheet."""
        ...


def n_cards(card_height: int, page_height: int) -> int:
    """Cards of this height on a sheet, at least one."""
    return max(1, (page_height - FIRST_CARD_TOP) // (card_height + BETWEEN_CARDS))


def draw_cards(
    run: Run,
    start: int,
    layout: CardLayout,
    words: tuple[str, str],
    draw_card: Callable[[Board, int, tuple[int, int]], None],
) -> Board:
    """A sheet.

    Args:
        run: The run.
        start: Index of the explained image on the first card.
        layout: Sizes of the cards.
        words: Title and caption.
        draw_card: Draws the card of the image with this index; the corner is its top left.
    """
    (title, caption), width = words, layout.width
    image_indices = range(start, min(start + layout.n_rows, len(run.explanation.labels)))
    step = layout.card_height + BETWEEN_CARDS
    top = FIRST_CARD_TOP + len(image_indices) * step
    n_lines = len(wrap(caption, width - 2 * MARGIN, QUIET))
    board = Board(width, top + n_lines * line_height(QUIET) + MARGIN)
    board.write(MARGIN, TITLE_TOP, title, TITLE)
    note = captions.which_images(run, image_indices, PHOTOS_ON_SHEETS)
    board.write(width - MARGIN, SIDE_NOTE_TOP, note, replace(QUIET, align="right"))
    for row, image_index in enumerate(image_indices):
        draw_card(board, image_index, (MARGIN, FIRST_CARD_TOP + row * step))
    board.paragraph(MARGIN, top, caption, width - 2 * MARGIN)
    return board
