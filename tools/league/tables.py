"""The league as tables: rows of text, for the terminal and the page."""

from collections.abc import Sequence

import numpy as np

from stages.drawing.text import with_minus
from tools.league.known_answers import FOUND
from tools.league.standings import MEASURES, Number, Standing

BETTER = {"removal_gain": "higher", "contrast_shift": "higher", "coalition_error": "lower"}
MEASURE_HEADS = (
    "method",
    *(f"{name} ({BETTER[name]})" for name in MEASURES),
    "randomised (lower)",
    "all re-drawn",
    "stability (lower)",
)


def answer_rows(standings: Sequence[Standing]) -> list[tuple[str, ...]]:
    """Heads, then a row for each method: its errors in the known answers, and its time."""
    names = list(standings[0].answers)
    heads = ("method", "adds up", *names, "found", "ms per image")
    rows = [
        (
            standing.entrant.name,
            "yes" if standing.entrant.add_up else "no",
            *(_answer(standing.answers[name]) for name in names),
            f"{standing.n_found} of {len(names)}",
            _milliseconds(standing.seconds),
        )
        for standing in standings
    ]
    return [heads, *rows]


def measure_rows(standings: Sequence[Standing]) -> list[tuple[str, ...]]:
    """Heads, then a row for each method: measures of its maps of the run's images."""
    rows = []
    for standing in standings:
        again = standing.randomisation
        cells = [*(_number(standing.measures[name]) for name in MEASURES)]
        if again is None:
            cells += ["–", "–"]
        else:
            last = Number.of(again.last)
            verdict = "" if np.isnan(last.mean) else " passes" if again.passes else " fails"
            cells += [_number(Number.of(again.similarity)), _number(last) + verdict]
        rows.append((standing.entrant.name, *cells, _number(standing.stability)))
    return [MEASURE_HEADS, *rows]


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown with aligned columns, the first row as its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    head, *others = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "| " + " | ".join("-" * width for width in widths) + " |"
    return "\n".join([head, rule, *others])


def _answer(number: Number) -> str:
    if np.isnan(number.mean):
        return "–"
    return f"{number.mean:.2f}{' ✓' if number.mean <= FOUND else ''}"


def _number(number: Number) -> str:
    if np.isnan(number.mean):
        return "–"
    error = "" if np.isnan(number.error) else f" ± {number.error:.2f}"
    return with_minus(f"{number.mean:.2f}{error}").replace(with_minus("-0.00"), "0.00")


def _milliseconds(seconds: float) -> str:
    milliseconds = 1000 * seconds
    return f"{milliseconds:,.0f}" if milliseconds >= 10 else f"{milliseconds:.2g}"
