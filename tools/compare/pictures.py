"""The comparison as pictures, for reports where a page cannot be opened."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vl_convert

from stages.drawing.board import Board
from stages.drawing.layout import GAP, MARGIN, SMALLEST_TILE, TITLE_TOP
from stages.drawing.text import BOLD, SMALL, TITLE, UNDER_TILE, shorten
from stages.figures.footer import Footer
from tools.compare.strips import HEADS, Painter, Strip

COLUMNS = 2
FIRST_STRIP_TOP, STRIP_HEAD, UNDER_STRIP = (
    46,
    52,
    14,
)  # pixels, as below; a strip's head: title, note, heads
NOTE_TOP, HEADS_TOP = 17, 35  # in a strip's head
BETWEEN = 24  # between columns of strips


def save_drawing(path: Path, drawing: str) -> None:
    """Save an SVG element as PNG at twice its size."""
    path.write_bytes(vl_convert.svg_to_png(drawing, scale=2))


def draw_strips(
    title: str, caption: str, painter: Painter, strips: Sequence[Strip], about: Mapping[str, Any]
) -> Board:
    """Draw strips in two columns, above the colour bar of their scale.

    Args:
        title: First line.
        caption: Text next to the colour bar.
        painter: The painter of the strips.
        strips: At least one.
        about: The explanation's description, which has the unit.
    """
    height, width = strips[0].thumbnails[0].shape[:2]
    zoom = -(-SMALLEST_TILE // max(height, width))
    strip_width = len(HEADS) * (width * zoom + GAP)
    step = STRIP_HEAD + height * zoom + UNDER_STRIP
    page_width = 2 * MARGIN + COLUMNS * strip_width + BETWEEN
    footer = Footer(caption, page_width)
    bottom = FIRST_STRIP_TOP + -(-len(strips) // COLUMNS) * step
    board = Board(page_width, bottom + footer.height)
    board.write(MARGIN, TITLE_TOP, shorten(title, page_width - 2 * MARGIN, TITLE), TITLE)
    for number, strip in enumerate(strips):
        row, column = divmod(number, COLUMNS)
        x, y = MARGIN + column * (strip_width + BETWEEN), FIRST_STRIP_TOP + row * step
        board.write(x, y, shorten(strip.title, strip_width, BOLD), BOLD)
        board.write(x, y + NOTE_TOP, shorten(strip.note, strip_width, SMALL), SMALL)
        for head, colors in strip.named_thumbnails:
            board.write(x + width * zoom / 2, y + HEADS_TOP, head, UNDER_TILE)
            enlarged = colors.repeat(zoom, axis=0).repeat(zoom, axis=1)
            board.tile(x, y + STRIP_HEAD, enlarged, "other")
            x += width * zoom + GAP
    footer.draw(board, painter.scale, about)
    return board
