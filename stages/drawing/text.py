"""Lines of text, measured in pixels: cut, broken and made printable."""

import itertools
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import matplotlib
from matplotlib.ft2font import FT2Font
from PIL import ImageDraw, ImageFont

FONT = "DejaVu Sans"
MISSING = "□"
INK, MUTED, WRONG = "#1a1a1a", "#595959", "#a4161a"  # each at least 7:1 on white
ASCENT = 0.93  # of the font: top of a line to its baseline, as a share of the size
_ANCHORS = {"left": "ls", "center": "ms", "right": "rs"}  # Pillow's names of points on the baseline


@dataclass(frozen=True)
class TextStyle:
    """How a line is written.

    Attributes:
        size: Font size in pixels.
        color: As in CSS.
        align: Which end of the line stands at the given place.
        bold: Whether its strokes are thick.
    """

    size: int = 12
    color: str = INK
    align: Literal["left", "center", "right"] = "left"
    bold: bool = False


TITLE = TextStyle(17, bold=True)
BODY = TextStyle()
BOLD = TextStyle(bold=True)
CENTERED = TextStyle(align="center")
QUIET = TextStyle(color=MUTED)
SMALL = TextStyle(11, MUTED)
UNDER_TILE = TextStyle(11, MUTED, "center")
UNDER_TILE_BOLD = TextStyle(11, INK, "center", bold=True)
TICK = TextStyle(11, INK, "center")


class Line(NamedTuple):
    """A line of text with its top at y and its left end, centre or right end at x."""

    x: float
    y: float
    text: str
    style: TextStyle

    @property
    def place(self) -> tuple[int, int]:
        """Where its baseline starts, is halved or ends: whole pixels, so that letters are crisp."""
        return round(self.x), round(self.y + ASCENT * self.style.size)

    def draw(self, pen: ImageDraw.ImageDraw) -> None:
        """Write it."""
        font = _font_for(self.text, self.style.size, self.style.bold)
        anchor = _ANCHORS[self.style.align]
        pen.text(self.place, self.text, self.style.color, font, anchor)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom edge of what it inks."""
        font = _font_for(self.text, self.style.size, self.style.bold)
        left, top, right, bottom = font.getbbox(self.text, anchor=_ANCHORS[self.style.align])
        x, y = self.place
        return x + left, y + top, x + right, y + bottom


@cache
def _glyphs() -> frozenset[int]:
    return frozenset(FT2Font(str(_font_file(bold=False))).get_charmap())


def _font_file(bold: bool) -> Path:
    """Ships with matplotlib, so letters are the same on every machine."""
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return folder / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")


@cache
def _font(size: int, bold: bool, shaped: bool) -> ImageFont.FreeTypeFont:
    layout = None if shaped else ImageFont.Layout.BASIC
    return ImageFont.truetype(_font_file(bold), size, layout_engine=layout)


def _font_for(text: str, size: int, bold: bool) -> ImageFont.FreeTypeFont:
    """The font: with the full layout for text from the right and combining marks alone.

    The basic layout keeps letters on whole pixels, and so crisp.
    """
    shaped = any(unicodedata.bidirectional(letter) in ("R", "AL", "NSM") for letter in text)
    return _font(size, bold, shaped)


@cache
def _text_width(text: str, size: int, bold: bool) -> float:
    return _font_for(text, size, bold).getlength(text)


def text_width(text: str, style: TextStyle = BODY) -> float:
    """Width of a line in pixels."""
    return _text_width(text, style.size, style.bold)


def line_height(style: TextStyle) -> int:
    """Distance in pixels between the lines of a paragraph."""
    return round(1.4 * style.size)


def with_minus(number: str) -> str:
    """A formatted number with a true minus sign in place of the hyphen."""
    return number.replace("-", "\N{MINUS SIGN}")


def printable(names: Sequence[str], numbers: Iterable[int] | None = None) -> list[str]:
    """Names of classes or images as the font can draw them.

    A character the font lacks becomes □. Such a name, and an empty one, starts with its number, so
    that no two names look the same.

    Args:
        names: To draw.
        numbers: One for each, all different; by default 0, 1, …
    """
    printables = []
    for number, name in zip(itertools.count() if numbers is None else numbers, names, strict=False):
        shown = "".join(
            (letter if ord(letter) in _glyphs() else MISSING)
            for letter in " ".join(name.split())
            if letter.isprintable() or ord(letter) not in _glyphs()
        )
        plain = shown and MISSING not in shown
        printables.append(shown if plain else f"#{number} {shown}".strip())
    return printables


def shorten(text: str, width: float, style: TextStyle = BODY) -> str:
    """The line, cut to at most `width` pixels; … replaces its middle, as ends tell names apart."""
    if text_width(text, style) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shorter = f"{text[: kept - kept // 2].rstrip()}…{text[-(kept // 2) :].lstrip()}"
        if text_width(shorter, style) <= width:
            return shorter
    return "…"


def wrap(text: str, width: float, style: TextStyle = BODY) -> list[str]:
    """Lines of at most `width` pixels, broken at spaces; a word longer than that is cut."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(longer, style) <= width:
            lines[-1] = longer
        elif lines[-1]:
            lines.append(shorten(word, width, style))
        else:
            lines[-1] = shorten(word, width, style)
    return lines


def fold(text: str, width: float) -> list[str]:
    """A name in one or two lines of at most `width` pixels, the second cut if need be."""
    first, *rest = wrap(text, width)
    return [first, shorten(text[len(first) :].strip(), width)] if rest else [first]
