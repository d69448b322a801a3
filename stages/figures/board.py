"""A picture measured in pixels from its top left corner: tiles, frames, words, a colour bar."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

FONT = "DejaVu Sans"  # ships with matplotlib: the same letters on every machine
MISSING = "□"
INK, MUTED, WRONG = "#1a1a1a", "#595959", "#a4161a"  # each at least 7:1 on white
PIXELS_PER_POINT = 1  # the figure has 72 dots an inch, so a font size is in pixels
PRINT_DPI = 160  # what the PNG claims, so that 1,200 px print 7.5 inches wide


class Board:
    """An empty white picture to put things on; x grows to the right, y downwards, both in pixels.

    Attributes:
        figure: The matplotlib figure drawn on; each tile is one entry of `figure.images`.
        width, height: Size in pixels.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        dpi = 72 * PIXELS_PER_POINT
        self.figure = Figure(figsize=(width / dpi, height / dpi), dpi=dpi, facecolor="white")
        FigureCanvasAgg(self.figure)

    def tile(self, x: int, y: int, colors: NDArray[np.uint8]) -> None:
        """Put a picture (height, width, 3) with its top left corner at (x, y), pixel for pixel."""
        self.figure.figimage(colors, xo=x, yo=self.height - y - colors.shape[0], origin="upper")

    def frame(self, x: int, y: int, width: int, height: int, label: str) -> None:
        """Draw a frame around a tile: solid for `predicted`, dashed for `true`, hairline else."""
        style, line = {"predicted": ("solid", 2.0), "true": ((0, (3, 2)), 2.0)}.get(
            label, ("solid", 0.5)
        )
        around = line / 2
        patch = Rectangle(
            (
                (x - around) / self.width,
                1 - (y + height + around) / self.height,
            ),
            (width + line) / self.width,
            (height + line) / self.height,
            transform=self.figure.transFigure,
            fill=False,
            linewidth=line,
            linestyle=style,
            edgecolor=INK if line > 1 else "#bbbbbb",
            label=label,
        )
        self.figure.add_artist(patch)

    def words(
        self,
        x: float,
        y: float,
        text: str,
        size: int = 12,
        color: str = INK,
        align: str = "left",
        bold: bool = False,
    ) -> None:
        """Write one line with its top at y and its left end, centre or right end at x."""
        self.figure.text(
            x / self.width,
            1 - (y + 0.93 * size) / self.height,
            text,
            fontsize=size,
            fontfamily=FONT,
            fontweight="bold" if bold else "normal",
            color=color,
            horizontalalignment=align,
            verticalalignment="baseline",
            parse_math=False,
        )

    def paragraph(
        self, x: int, y: int, width: int, text: str, size: int = 12, color: str = MUTED
    ) -> None:
        """Write text broken into lines of at most `width` pixels."""
        for number, line in enumerate(wrap(text, width, size)):
            self.words(x, y + number * line_height(size), line, size, color)

    def color_bar(
        self, x: int, y: int, width: int, colormap: Colormap, low: float, high: float, label: str
    ) -> None:
        """Draw the horizontal colour bar of values from `low` to `high`: 52 pixels high in all."""
        room = 20  # for the half of a tick's label that stands out at either end
        axes = self.figure.add_axes(
            (
                (x + room) / self.width,
                1 - (y + 32) / self.height,
                (width - 2 * room) / self.width,
                12 / self.height,
            )
        )
        bar = self.figure.colorbar(
            ScalarMappable(Normalize(low, high), colormap), cax=axes, orientation="horizontal"
        )
        ticks = [low, (low + high) / 2, high]
        signs = "+" if low < 0 else ""
        names = [f"{tick:{signs}.3g}" if tick else "0" for tick in ticks]
        bar.set_ticks(ticks, labels=[name.replace("-", "\N{MINUS SIGN}") for name in names])
        axes.tick_params(labelsize=11, labelcolor=INK, length=3, width=0.5)
        for text in axes.get_xticklabels():
            text.set_fontfamily(FONT)
        bar.outline.set_linewidth(0.5)
        self.words(x, y, label, size=12)

    def save(self, path: Path) -> None:
        """Write the PNG: the same bytes for the same picture, whenever it is drawn."""
        self.figure.savefig(
            path,
            format="png",
            dpi="figure",
            metadata={"Software": None},
            pil_kwargs={"dpi": (PRINT_DPI, PRINT_DPI)},
        )


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont(FONT)).get_charmap())


@cache
def _renderer() -> RendererAgg:
    return RendererAgg(1, 1, 72 * PIXELS_PER_POINT)  # type: ignore[no-untyped-call]


@cache
def text_width(text: str, size: int, bold: bool = False) -> float:
    """Width of a line in pixels."""
    font = FontProperties(family=FONT, size=size, weight="bold" if bold else "normal")
    renderer = _renderer()
    size_of = renderer.get_text_width_height_descent(text, font, False)  # type: ignore[no-untyped-call]
    return float(size_of[0])


def line_height(size: int) -> int:
    """Distance in pixels between the lines of a paragraph."""
    return round(1.4 * size)


def printable(names: Sequence[str]) -> list[str]:
    """Make class names that the font can draw, told apart by their number where it cannot.

    A character the font lacks becomes □ and the name then starts with the class's number, so that
    two names in a script the font lacks stay different.
    """
    printables = []
    for number, name in enumerate(names):
        shown = "".join(
            (letter if ord(letter) in _glyphs() else MISSING)
            for letter in " ".join(name.split())
            if letter.isprintable() or ord(letter) not in _glyphs()
        )
        plain = shown and MISSING not in shown
        printables.append(shown if plain else f"#{number} {shown}".strip())
    return printables


def shorten(text: str, width: float, size: int, bold: bool = False) -> str:
    """Cut a line to at most `width` pixels; … stands for its middle, as ends tell names apart."""
    if text_width(text, size, bold) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shorter = f"{text[: kept - kept // 2].rstrip()}…{text[-(kept // 2) :].lstrip()}"
        if text_width(shorter, size, bold) <= width:
            return shorter
    return "…"


def wrap(text: str, width: float, size: int) -> list[str]:
    """Break text at spaces into lines of at most `width` pixels; one longer word is cut."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, size) <= width:
            lines[-1] = longer
        elif lines[-1]:
            lines.append(shorten(word, width, size))
        else:
            lines[-1] = shorten(word, width, size)
    return lines


def fold(text: str, width: float, size: int) -> list[str]:
    """Break a name into one or two lines of at most `width` pixels, the second cut if need be."""
    first, *rest = wrap(text, width, size)
    return [first, shorten(text[len(first) :].strip(), width, size)] if rest else [first]
