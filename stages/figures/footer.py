"""The foot of a picture: its colour bar and its caption."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.figures import captions
from stages.figures.board import Board, line_height, wrap
from stages.figures.scale import Scale

MARGIN = 16  # between the edge of a picture and what stands in it
NARROWEST = 860  # width of a picture, so that its caption stays short
BAR, BETWEEN, SIZE = 320, 28, 12


@dataclass(frozen=True)
class Footer:
    """A caption beside a colour bar, across the whole width of a picture.

    Attributes:
        caption: What the picture shows.
        width: Of the picture in pixels.
    """

    caption: str
    width: int

    @property
    def height(self) -> int:
        """Pixels to leave below the rest of the picture."""
        n_lines = len(wrap(self.caption, self._room, SIZE))
        return 8 + max(60, n_lines * line_height(SIZE)) + MARGIN

    @property
    def _room(self) -> int:
        return self.width - MARGIN - BAR - BETWEEN - MARGIN

    def draw(self, board: Board, scale: Scale, about: Mapping[str, Any]) -> None:
        """Draw both at the foot of the board."""
        y = board.height - self.height + 8
        label = captions.bar_label(about, scale)
        board.color_bar(MARGIN, y, BAR, scale.colors, -scale.limit, scale.limit, label)
        board.paragraph(MARGIN + BAR + BETWEEN, y, self._room, self.caption, SIZE)
