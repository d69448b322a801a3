"""The footer of a picture: colour bar and caption."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.drawing.board import BAR_WIDTH, Board
from stages.drawing.layout import MARGIN
from stages.drawing.scale import Scale
from stages.drawing.text import QUIET, line_height, wrap
from stages.figures import captions

ABOVE = 8  # pixels between the picture and its footer
BAR_HEIGHT = 60
BETWEEN = 28  # between the colour bar and the caption
CAPTION_LEFT = MARGIN + BAR_WIDTH + BETWEEN


@dataclass(frozen=True)
class Footer:
    """A colour bar with the caption on its right, across the whole width of a picture.

    Attributes:
        caption: Text of the caption.
        width: Width of the picture in pixels.
    """

    caption: str
    width: int

    @property
    def height(self) -> int:
        """Height in pixels, margins included."""
        n_lines = len(wrap(self.caption, self._caption_width, QUIET))
        return ABOVE + max(BAR_HEIGHT, n_lines * line_height(QUIET)) + MARGIN

    @property
    def _caption_width(self) -> int:
        return self.width - CAPTION_LEFT - MARGIN

    def draw(
        self, board: Board, scale: Scale, about: Mapping[str, Any], covering: bool = False
    ) -> None:
        """Draw both at the bottom of the board; `covering`: as in `Board.color_bar`."""
        y = board.height - self.height + ABOVE
        board.color_bar(MARGIN, y, scale, captions.bar_label(about, scale), covering)
        board.paragraph(CAPTION_LEFT, y, self.caption, self._caption_width)
