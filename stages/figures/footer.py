"""The foot of a picture: its colour bar and its caption."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.drawing.board import BAR_WIDTH, Board
from stages.drawing.layout import MARGIN
from stages.drawing.scale import Scale
from stages.drawing.text import QUIET, line_height, wrap
from stages.figures import captions

ABOVE = 8  # pixels between the picture and its foot
BAR_HEIGHT = 60
BETWEEN = 28  # the colour bar and the caption
CAPTION_LEFT = MARGIN + BAR_WIDTH + BETWEEN


@dataclass(frozen=True)
class Footer:
    """A colour bar and the caption right of it, across the whole width of a picture.

    Attributes:
        caption: What the picture shows.
        width: Width of the picture in pixels.
    """

    caption: str
    width: int

    @property
    def height(self) -> int:
        """Pixels to leave below the rest of the picture."""
        n_lines = len(wrap(self.caption, self._caption_width, QUIET))
        return ABOVE + max(BAR_HEIGHT, n_lines * line_height(QUIET)) + MARGIN

    @property
    def _caption_width(self) -> int:
        return self.width - CAPTION_LEFT - MARGIN

    def draw(self, board: Board, scale: Scale, about: Mapping[str, Any]) -> None:
        """Draw both at the foot of the board."""
        y = board.height - self.height + ABOVE
        board.color_bar(MARGIN, y, scale, captions.bar_label(about, scale))
        board.paragraph(CAPTION_LEFT, y, self.caption, self._caption_width)
