"""The comparison as pictures, for reports where a page cannot be opened."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import vl_convert

from stages.artifacts.explanation import Explanation
from stages.drawing.board import Board
from stages.drawing.grain import is_fine
from stages.drawing.layout import (
    GAP,
    MARGIN,
    NARROWEST_COLUMN,
    NARROWEST_PAGE,
    SMALLEST_THUMBNAIL,
    TITLE_TOP,
)
from stages.drawing.photographs import is_tall, is_wide
from stages.drawing.text import BOLD, SMALL, TITLE, UNDER_THUMBNAIL, shorten
from stages.drawing.thumbnails import Painter
from stages.figures.footer import Footer
from tools.compare.strips import Strip

FIRST_STRIP_TOP, UNDER_STRIP = 46, 14  # pixels, as below
STRIP_HEAD, NOTE_TOP = 35, 17  # title and note of a strip
HEAD = 17  # above a thumbnail
BETWEEN = 24  # between columns of strips


def save_drawing(path: Path, drawing: str) -> None:
    """Save an SVG element as PNG at twice its size."""
    path.write_bytes(vl_convert.svg_to_png(drawing, scale=2))


@dataclass(frozen=True)
class StripLayout:
    """Positions and sizes of strips, in pixels.

    Attributes:
        zoom: Side of a pixel of the strips' thumbnails.
        height, width: Size of an enlarged thumbnail.
        thumbnails: Most thumbnails of a strip.
        columns: Strips in a row.
        down, right: From one thumbnail of a strip to the next: those of wide images are below each
            other.
    """

    zoom: int
    height: int
    width: int
    thumbnails: int
    columns: int
    down: int
    right: int

    @classmethod
    def of(cls, strips: Sequence[Strip], size: tuple[int, int]) -> Self:
        """The layout for strips of images of this height and width."""
        height, width = strips[0].thumbnails[0].shape[:2]
        if not is_fine(size):
            zoom = -(-SMALLEST_THUMBNAIL // max(height, width))
            height, width = height * zoom, width * zoom
            return cls(zoom, height, width, len(strips[0].heads), 2, 0, width + GAP)
        most = max(len(strip.thumbnails) for strip in strips)
        if is_wide(size):
            return cls(1, height, width, most, 1, HEAD + height + GAP, 0)
        columns = 2 if is_tall(size) else 1
        return cls(1, height, width, most, columns, 0, max(width, NARROWEST_COLUMN) + GAP)

    @property
    def strip(self) -> tuple[int, int]:
        """Height and width of a strip."""
        last = self.thumbnails - 1
        height = STRIP_HEAD + last * self.down + HEAD + self.height
        return height, last * self.right + max(self.width + GAP, self.right)


def draw_strips(
    title: str,
    caption: str,
    painter: Painter,
    strips: Sequence[Strip],
    explanation: Explanation,
) -> Board:
    """Draw strips above the colour bar of their scale.

    Args:
        title: First line.
        caption: Text next to the colour bar.
        painter: The painter of the strips.
        strips: At least one.
        explanation: Has the unit and the size of the images.
    """
    size = explanation.images.shape[2], explanation.images.shape[3]
    layout = StripLayout.of(strips, size)
    height, width = layout.strip
    page_width = 2 * MARGIN + layout.columns * (width + BETWEEN) - BETWEEN
    if is_fine(size):
        page_width = max(NARROWEST_PAGE, page_width)
    footer = Footer(caption, page_width)
    step = height + UNDER_STRIP
    bottom = FIRST_STRIP_TOP + -(-len(strips) // layout.columns) * step
    board = Board(page_width, bottom + footer.height)
    board.write(MARGIN, TITLE_TOP, shorten(title, page_width - 2 * MARGIN, TITLE), TITLE)
    for number, strip in enumerate(strips):
        row, column = divmod(number, layout.columns)
        corner = MARGIN + column * (width + BETWEEN), FIRST_STRIP_TOP + row * step
        _draw_strip(board, strip, layout, corner)
    footer.draw(board, painter.scale, explanation.about, covering=is_fine(size))
    return board


def _draw_strip(board: Board, strip: Strip, layout: StripLayout, corner: tuple[int, int]) -> None:
    """Draw the title, the note and the thumbnails; `corner` is the top left."""
    (x, y), width = corner, layout.strip[1]
    board.write(x, y, shorten(strip.title, width, BOLD), BOLD)
    board.write(x, y + NOTE_TOP, shorten(strip.note, width, SMALL), SMALL)
    y += STRIP_HEAD
    for head, colors in strip.named_thumbnails:
        left = x + max(0, layout.right - GAP - layout.width) // 2
        board.write(left + layout.width / 2, y, head, UNDER_THUMBNAIL)
        enlarged = colors.repeat(layout.zoom, axis=0).repeat(layout.zoom, axis=1)
        board.thumbnail(left, y + HEAD, enlarged, "other")
        x, y = x + layout.right, y + layout.down
