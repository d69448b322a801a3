"""A picture measured in pixels from its top left corner: tiles, frames, text, a colour bar."""

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

PRINT_DPI = 160  # what the PNG claims, so that 1,200 px print 7.5 inches wide

Role = Literal["predicted", "true", "other"]
"""What a framed map's class is to its image."""


class Frame(NamedTuple):
    """A line around a tile: its thickness in pixels, its colour, and whether it is dashed."""

    thickness: int
    color: str
    dashed: bool = False


FRAMES: dict[Role, Frame] = {
    "predicted": Frame(2, INK),
    "true": Frame(2, INK, dashed=True),
    "other": Frame(1, "#dddddd"),
}
DASH, BETWEEN_DASHES = 6, 4

BAR_WIDTH = 320  # of the colour bar with its tick labels
BAR_END = 20  # for the half of a tick's label that stands out at either end
BAR_TOP, BAR_THICKNESS = 20, 12  # below the bar's own label
RULE, RULE_LENGTH = "#7f7f7f", 3  # the bar's outline and ticks
TICK_LABEL_TOP = 5  # below the bar


class Tile(NamedTuple):
    """A picture (height, width, 3) and the frame around it, its top left corner at (x, y)."""

    x: int
    y: int
    colors: NDArray[np.uint8]
    frame: Role | None


class Bar(NamedTuple):
    """The colours of a scale, their top left corner at (x, y)."""

    x: int
    y: int
    scale: Scale


@dataclass
class Board:
    """An empty white picture to put things on; x grows to the right, y downwards, both in pixels.

    Attributes:
        width, height: Size in pixels.
        tiles, bars, lines: What was put on it, in order.
    """

    width: int
    height: int
    tiles: list[Tile] = field(default_factory=list)
    bars: list[Bar] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)

    def tile(self, x: int, y: int, colors: NDArray[np.uint8], frame: Role | None = None) -> None:
        """Put a picture (height, width, 3) with its top left corner at (x, y), pixel for pixel.

        Args:
            x: Left edge.
            y: Top edge.
            colors: 0 to 255.
            frame: Draw a line around it: solid for the predicted class, dashed for the true one,
                a hairline for others.
        """
        self.tiles.append(Tile(x, y, colors, frame))

    def write(self, x: float, y: float, text: str, style: TextStyle = BODY) -> None:
        """Write one line with its top at y and its left end, centre or right end at x."""
        self.lines.append(Line(x, y, text, style))

    def paragraph(self, x: int, y: int, text: str, width: int) -> None:
        """Write quiet text in lines of at most `width` pixels."""
        for number, line in enumerate(wrap(text, width, QUIET)):
            self.write(x, y + number * line_height(QUIET), line, QUIET)

    def color_bar(self, x: int, y: int, scale: Scale, label: str) -> None:
        """Put the scale's horizontal colour bar: 320 pixels wide and 52 high with its labels."""
        self.write(x, y, label)
        bar = Bar(x + BAR_END, y + BAR_TOP, scale)
        self.bars.append(bar)
        low, high = (with_minus(f"{end:+.3g}") for end in (-scale.limit, scale.limit))
        for tick, text in zip(_ticks(bar), (low, "0", high), strict=True):
            self.write(tick, bar.y + BAR_THICKNESS + TICK_LABEL_TOP, text, TICK)

    def image(self) -> Image.Image:
        """Draw what was put on it."""
        image = Image.new("RGB", (self.width, self.height), "white")
        pen = ImageDraw.Draw(image)
        for tile in self.tiles:
            if tile.frame is not None:
                _draw_frame(pen, tile, FRAMES[tile.frame])
            image.paste(Image.fromarray(tile.colors), (tile.x, tile.y))
        for bar in self.bars:
            _draw_bar(image, pen, bar)
        for line in self.lines:
            line.draw(pen)
        return image

    def save(self, path: Path) -> None:
        """Write the PNG: the same bytes for the same picture, whenever it is drawn."""
        self.image().save(path, "PNG", dpi=(PRINT_DPI, PRINT_DPI))


def _draw_frame(pen: ImageDraw.ImageDraw, tile: Tile, frame: Frame) -> None:
    """Draw a rectangle that the tile, which comes next, covers up to the frame."""
    height, width = tile.colors.shape[:2]
    left, top = tile.x - frame.thickness, tile.y - frame.thickness
    right, bottom = tile.x + width + frame.thickness - 1, tile.y + height + frame.thickness - 1
    pen.rectangle((left, top, right, bottom), frame.color)
    if frame.dashed:
        for x in range(left + DASH, right - DASH, DASH + BETWEEN_DASHES):
            pen.rectangle((x, top, x + BETWEEN_DASHES - 1, bottom), "white")
        for y in range(top + DASH, bottom - DASH, DASH + BETWEEN_DASHES):
            pen.rectangle((left, y, right, y + BETWEEN_DASHES - 1), "white")


def _draw_bar(image: Image.Image, pen: ImageDraw.ImageDraw, bar: Bar) -> None:
    left, *_, right = _ticks(bar)
    bottom = bar.y + BAR_THICKNESS - 1
    width = right - left + 1
    row = bar.scale.table[np.arange(width) * STEPS // width]
    image.paste(Image.fromarray(np.tile(row, (BAR_THICKNESS, 1, 1))), (bar.x, bar.y))
    pen.rectangle((left, bar.y, right, bottom), outline=RULE)
    for x in _ticks(bar):
        pen.line((x, bottom, x, bottom + RULE_LENGTH), RULE)


def _ticks(bar: Bar) -> tuple[int, int, int]:
    """Where the lowest value, 0 and the highest one are."""
    width = BAR_WIDTH - 2 * BAR_END
    return bar.x, bar.x + width // 2, bar.x + width - 1
