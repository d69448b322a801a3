"""A blank picture that thumbnails, text and a colour bar are placed on, pixel by pixel."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from stages.drawing.scale import STEPS, Scale
from stages.drawing.text import (
    BODY,
    INK,
    QUIET,
    TICK,
    Line,
    TextStyle,
    line_height,
    with_minus,
    wrap,
)

PRINT_DPI = 160  # stored in the PNG, so that 1,200 px print 7.5 inches wide

Role = Literal["predicted", "true", "other"]
"""Role of a framed map's class: predicted, true, or neither."""


class Frame(NamedTuple):
    """A line around a thumbnail: thickness in pixels, CSS colour, dashed or solid."""

    thickness: int
    color: str
    dashed: bool = False


FRAMES: dict[Role, Frame] = {
    "predicted": Frame(2, INK),
    "true": Frame(2, INK, dashed=True),
    "other": Frame(1, "#dddddd"),
}
DASH, BETWEEN_DASHES = 6, 4

BAR_WIDTH = 320  # colour bar with its tick labels
BAR_END = 20  # at each end, for the half of a tick label that extends beyond the bar
BAR_TOP, BAR_THICKNESS = 20, 12  # below the bar's own label
RULE, RULE_LENGTH = "#7f7f7f", 3  # the bar's outline and ticks
TICK_LABEL_TOP = 5  # below the bar


class Thumbnail(NamedTuple):
    """Colours (height, width, 3) with their top left corner at (x, y), and their frame."""

    x: int
    y: int
    colors: NDArray[np.uint8]
    frame: Role | None


class Bar(NamedTuple):
    """The colours of a scale, as painted or as covering, with their top left corner at (x, y)."""

    x: int
    y: int
    scale: Scale
    covering: bool


@dataclass
class Board:
    """A white picture to draw on; x grows to the right, y downwards, both in pixels.

    Attributes:
        width, height: Size in pixels.
        thumbnails, bars, lines: Contents, in drawing order.
    """

    width: int
    height: int
    thumbnails: list[Thumbnail] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def thumbnail(
        self, x: int, y: int, colors: NDArray[np.uint8], frame: Role | None = None
    ) -> None:
        """Add a thumbnail with its top left corner at (x, y), without resizing it.

        Args:
            x: Left edge.
            y: Top edge.
            colors: (height, width, 3), uint8.
            frame: Line around it: solid for the predicted class, dashed for the true one, a
                hairline for others; None for no line.
        """
        self.thumbnails.append(Thumbnail(x, y, colors, frame))

    def write(self, x: float, y: float, text: str, style: TextStyle = BODY) -> None:
        """Write one line with its top at y and its left end, centre or right end at x."""
        self.lines.append(Line(x, y, text, style))

    def paragraph(self, x: int, y: int, text: str, width: int) -> None:
        """Write quiet text in lines of at most `width` pixels."""
        for number, line in enumerate(wrap(text, width, QUIET)):
            self.write(x, y + number * line_height(QUIET), line, QUIET)

    def color_bar(self, x: int, y: int, scale: Scale, label: str, covering: bool = False) -> None:
        """Add the scale's horizontal colour bar: 320 pixels wide, 52 high, labels included.

        Args:
            x: Left edge.
            y: Top edge.
            scale: The scale.
            label: Text above the bar.
            covering: Whether the maps are drawn by `Scale.cover`.
        """
        self.write(x, y, label)
        bar = Bar(x + BAR_END, y + BAR_TOP, scale, covering)
        self.bars.append(bar)
        low, high = (with_minus(f"{end:+.3g}") for end in (-scale.limit, scale.limit))
        for tick, text in zip(_ticks(bar), (low, "0", high), strict=True):
            self.write(tick, bar.y + BAR_THICKNESS + TICK_LABEL_TOP, text, TICK)

    def draw(self) -> Image.Image:
        """The finished picture."""
        picture = Image.new("RGB", (self.width, self.height), "white")
        pen = ImageDraw.Draw(picture)
        for thumbnail in self.thumbnails:
            if thumbnail.frame is not None:
                _draw_frame(pen, thumbnail, FRAMES[thumbnail.frame])
            picture.paste(Image.fromarray(thumbnail.colors), (thumbnail.x, thumbnail.y))
        for bar in self.bars:
            _draw_bar(picture, pen, bar)
        for line in self.lines:
            line.draw(pen)
        return picture

    def save(self, path: Path) -> None:
        """Write a PNG whose bytes depend on the picture alone, not on when it is drawn."""
        self.draw().save(path, "PNG", dpi=(PRINT_DPI, PRINT_DPI))


def _draw_frame(pen: ImageDraw.ImageDraw, thumbnail: Thumbnail, frame: Frame) -> None:
    """Draw a filled rectangle; the thumbnail, pasted next, leaves only its edge visible."""
    height, width = thumbnail.colors.shape[:2]
    left, top = thumbnail.x - frame.thickness, thumbnail.y - frame.thickness
    right, bottom = (
        thumbnail.x + width + frame.thickness - 1,
        thumbnail.y + height + frame.thickness - 1,
    )
    pen.rectangle((left, top, right, bottom), frame.color)
    if frame.dashed:
        for x in range(left + DASH, right - DASH, DASH + BETWEEN_DASHES):
            pen.rectangle((x, top, x + BETWEEN_DASHES - 1, bottom), "white")
        for y in range(top + DASH, bottom - DASH, DASH + BETWEEN_DASHES):
            pen.rectangle((left, y, right, y + BETWEEN_DASHES - 1), "white")


def _draw_bar(picture: Image.Image, pen: ImageDraw.ImageDraw, bar: Bar) -> None:
    left, *_, right = _ticks(bar)
    bottom = bar.y + BAR_THICKNESS - 1
    width = right - left + 1
    table = bar.scale.covering_table if bar.covering else bar.scale.table
    row = table[np.arange(width) * STEPS // width]
    picture.paste(Image.fromarray(np.tile(row, (BAR_THICKNESS, 1, 1))), (bar.x, bar.y))
    pen.rectangle((left, bar.y, right, bottom), outline=RULE)
    for x in _ticks(bar):
        pen.line((x, bottom, x, bottom + RULE_LENGTH), RULE)


def _ticks(bar: Bar) -> tuple[int, int, int]:
    """Horizontal positions of the lowest value, 0 and the highest value."""
    width = BAR_WIDTH - 2 * BAR_END
    return bar.x, bar.x + width // 2, bar.x + width - 1
