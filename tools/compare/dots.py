"""Draws every image as a dot by the similarity of its maps, as SVG.

Not with Vega-Lite, which draws the other plots: its static SVG has no tooltips, and it turns links
within the page into links to another host.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from stages.drawing.text import FONT, INK, MUTED, with_minus
from tools.compare.templates import TEMPLATES

WIDTH, MARGIN = 860, 24  # pixels, as all lengths here
RADIUS, STEP = 3.5, 8  # of a dot; between the centres of neighbouring dots
ANCHOR_LINE, ROW_HEAD, AXIS = 20, 26, 44  # heights of an anchor's label, a row's name, the axis
MOST_STACKED = 24  # dots above each other before they overlap
ACCENT = "#0b57a4"


class Dot(NamedTuple):
    """An image.

    Attributes:
        value: The similarity of its maps.
        title: The tooltip.
        link: Address within the page that a click opens; empty for none.
    """

    value: float
    title: str
    link: str = ""


def draw_dots(rows: Mapping[str, Sequence[Dot]], anchors: Mapping[str, float]) -> str:
    """The drawing as an SVG element.

    Args:
        rows: Dots by the name of their row.
        anchors: Similarities to mark in all rows, by name.
    """
    low = _lowest([dot.value for dots in rows.values() for dot in dots], anchors)
    y = ANCHOR_LINE * len(anchors) + 8.0
    drawn = []
    for name, dots in rows.items():
        height, placed = _stacked(dots, low, y + ROW_HEAD)
        drawn.append({"name": name, "y": y + 18, "dots": placed})
        y += ROW_HEAD + height
    return TEMPLATES.get_template("dots.svg.jinja").render(
        width=WIDTH,
        height=round(y + AXIS),
        left=MARGIN,
        radius=RADIUS,
        axis_y=round(y, 1),
        anchors=[_anchor(*item, low, line) for line, item in enumerate(anchors.items())],
        rows=drawn,
        ticks=_ticks(low),
        FONT=FONT,
        INK=INK,
        MUTED=MUTED,
        ACCENT=ACCENT,
    )


def _lowest(values: Sequence[float], anchors: Mapping[str, float]) -> float:
    """The axis' left end: the lowest value; anchors of 0.5 or less may be beyond it."""
    lowest = min([*values, *(anchor for anchor in anchors.values() if anchor > 0.5)])
    return min(0.9, float(np.floor(lowest * 20)) / 20)


def _x(value: float, low: float) -> float:
    """Where a similarity lies on the axis from `low` to 1."""
    share = (max(value, low) - low) / (1 - low)
    return round(MARGIN + share * (WIDTH - 2 * MARGIN), 1)


def _ticks(low: float) -> list[tuple[float, str]]:
    """At most eleven ticks: x and label."""
    steps = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
    step = float(steps[np.argmax((1 - low) / steps <= 10.01)])
    ticks = np.arange(np.ceil(low / step - 1e-9), round(1 / step) + 1) * step
    return [(_x(tick, low), with_minus(f"{tick:.2f}")) for tick in ticks]


def _stacked(
    dots: Sequence[Dot], low: float, top: float
) -> tuple[float, list[tuple[Dot, float, float]]]:
    """A row's height and its dots with x and y; dots of similar value are stacked."""
    columns = np.array([round(_x(dot.value, low) / STEP) for dot in dots], dtype=int)
    highest = int(np.bincount(columns).max()) if len(columns) else 1
    step = STEP * min(1.0, MOST_STACKED / highest)
    height = highest * step + 12
    placed = []
    for column in np.unique(columns):
        stack = np.flatnonzero(columns == column)
        for level, number in enumerate(stack):
            dot = dots[int(number)]
            y = top + height / 2 + (level - (len(stack) - 1) / 2) * step
            placed.append((dot, _x(dot.value, low), round(y, 1)))
    return height, placed


def _anchor(name: str, value: float, low: float, line: int) -> dict[str, Any]:
    """An anchor's line and label; only the label, with an arrow, if it lies left of the axis."""
    x, label = _x(value, low), with_minus(f"{name} {value:.3f}")
    y = ANCHOR_LINE * line + 16
    if value < low:
        return {"x": None, "y": y, "text": f"◂ {label}", "text_x": x, "align": "start"}
    if x > WIDTH / 2:
        return {"x": x, "y": y, "text": label, "text_x": x - 6, "align": "end"}
    return {"x": x, "y": y, "text": label, "text_x": x + 6, "align": "start"}
