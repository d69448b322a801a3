"""Every image as a dot: how alike its maps are, beside what chance alone would give (SVG)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stages.drawing.text import FONT, INK, MUTED
from stages.webpage.offline import escape

WIDTH, LEFT, RIGHT = 860, 24, 24  # pixels
RADIUS, STEP = 3.5, 8  # of a dot; from dot to dot
ANCHOR_LINE, ROW_HEAD, AXIS = 20, 26, 44  # heights of a line above the rows, a row's name, the axis
MOST_STACKED = 24  # dots above each other, before they overlap
ACCENT = "#0b57a4"
NAME = "similarity (Pearson correlation of the maps)"


@dataclass(frozen=True)
class Dot:
    """An image.

    Attributes:
        value: Similarity of the image's maps.
        says: What pointing at it shows.
        link: Where pressing it leads to on the page; empty for nowhere.
    """

    value: float
    says: str
    link: str = ""


def draw_dots(rows: Mapping[str, Sequence[Dot]], anchors: Mapping[str, float]) -> str:
    """The drawing as an SVG element.

    Args:
        rows: Dots by the name of their row.
        anchors: Similarities to mark in all rows, by name.
    """
    axis = _Axis.of([dot.value for dots in rows.values() for dot in dots], anchors)
    y: float = ANCHOR_LINE * len(anchors) + 8
    parts = []
    for name, dots in rows.items():
        drawn, height = _row(dots, axis, y + ROW_HEAD)
        parts += [_text(LEFT, y + 18, name, kind="head"), *drawn]
        y += ROW_HEAD + height
    lines = [_anchor(*item, axis, line, y) for line, item in enumerate(anchors.items())]
    body = "\n".join([*lines, *parts, axis.drawn(y)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="dots" width="{WIDTH}" '
        f'height="{y + AXIS:.0f}" viewBox="0 0 {WIDTH} {y + AXIS:.0f}" font-family="{FONT}" '
        'font-size="12"><rect class="ground" width="100%" height="100%" fill="#fff"/>'
        f"\n{body}\n</svg>"
    )


@dataclass(frozen=True)
class _Axis:
    """From `low` at the left to 1 at the right."""

    low: float

    @classmethod
    def of(cls, values: Sequence[float], anchors: Mapping[str, float]) -> "_Axis":
        """Down to the lowest value; an anchor far below stands at the left edge."""
        lowest = min([*values, *(a for a in anchors.values() if a > 0.5)])
        return cls(min(0.9, np.floor(lowest * 20) / 20))

    def x(self, value: float) -> float:
        share = (max(value, self.low) - self.low) / (1 - self.low)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def drawn(self, y: float) -> str:
        steps = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
        step = float(steps[np.argmax((1 - self.low) / steps <= 10.01)])
        ticks = np.arange(np.ceil(self.low / step - 1e-9), round(1 / step) + 1) * step
        parts = [_line(LEFT, y, WIDTH - RIGHT, y, "axis")]
        for tick in ticks:
            parts.append(_line(self.x(tick), y, self.x(tick), y + 5, "axis"))
            parts.append(_text(self.x(tick), y + 18, _number(tick, 2), "middle"))
        parts.append(_text(WIDTH / 2, y + 36, NAME, "middle"))
        return "\n".join(parts)


def _row(dots: Sequence[Dot], axis: _Axis, y: float) -> tuple[list[str], float]:
    """Dots around a middle line, those of about the same value above each other; their height."""
    columns = np.array([round(axis.x(dot.value) / STEP) for dot in dots], dtype=int)
    highest = int(np.bincount(columns).max()) if len(columns) else 1
    step = STEP * min(1.0, MOST_STACKED / highest)
    height = highest * step + 12
    drawn = []
    for column in np.unique(columns):
        stack = np.flatnonzero(columns == column)
        for place, number in enumerate(stack):
            dot = dots[int(number)]
            middle = y + height / 2 + (place - (len(stack) - 1) / 2) * step
            circle = (
                f'<circle class="dot" cx="{axis.x(dot.value):.1f}" cy="{middle:.1f}" r="{RADIUS}" '
                f'fill="{ACCENT}" fill-opacity="0.7"><title>{escape(dot.says)}</title></circle>'
            )
            drawn.append(f'<a href="{dot.link}">{circle}</a>' if dot.link else circle)
    return drawn, height


def _anchor(name: str, value: float, axis: _Axis, line: int, bottom: float) -> str:
    x, y = axis.x(value), ANCHOR_LINE * line + 16
    if value < axis.low:
        return _text(x, y, f"◂ {name} {_number(value, 3)}", kind="muted")
    words = f"{name} {_number(value, 3)}"
    right = x > WIDTH / 2
    text = _text(x + (-6 if right else 6), y, words, "end" if right else "start", "muted")
    return _line(x, y - 12, x, bottom, "anchor") + text


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    dashes = ' stroke-dasharray="4 3"' if kind == "anchor" else ""
    color = MUTED if kind == "anchor" else INK
    return (
        f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
        f'stroke="{color}"{dashes}/>'
    )


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "ink") -> str:
    color = MUTED if kind == "muted" else INK
    weight = ' font-weight="bold"' if kind == "head" else ""
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{color}"'
        f"{weight}>{escape(text)}</text>"
    )
