"""The league as tables: rows of text, for the terminal and the page."""

from collections.abc import Mapping, Sequence

import numpy as np

from stages.artifacts.measurements import Description
from stages.drawing.text import with_minus
from stages.measures.explanations.base.plan import Plan
from stages.measures.explanations.base.subject import Subject
from stages.measures.methods import randomisation, stability
from tools.league.again import Again, few_images
from tools.league.known_answers import FOUND
from tools.league.standings import Number, Standing

AGAIN = {
    "randomised": Description(randomisation.DESCRIPTION, randomisation.BETTER, headline=False),
    "stability": Description(stability.DESCRIPTION, stability.BETTER, headline=False),
}
"""The measures that explain again."""


def images_of(plan: Plan) -> str:
    """How many images are measured, and how: `10 images, by sampling`."""
    return f"{_counted(plan.n_images, 'image')}{', by sampling' * plan.sampled}"


def again_sentence(subject: Subject) -> str:
    """What the columns of `AGAIN` are about."""
    few = few_images(subject)
    images = _counted(len(few.images), "image")
    background = _counted(len(few.background), "background image")
    first, *_ = AGAIN
    return f"The columns from {first} on explain {images} again, against {background}."


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


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


def measure_rows(
    standings: Sequence[Standing], measures: Mapping[str, Description]
) -> list[tuple[str, ...]]:
    """Heads, then a row for each method: measures of its maps of the run's images.

    Args:
        standings: The methods.
        measures: Measures of the run's maps, as in `MEASURES`.
    """
    heads = [f"{name} ({measure.better})" for name, measure in {**measures, **AGAIN}.items()]
    heads.insert(-1, "all re-drawn")  # belongs to the column before it
    rows = [
        (
            standing.entrant.name,
            *(_number(standing.measures[name]) for name in measures),
            *_again_cells(standing.again),
        )
        for standing in standings
    ]
    return [("method", *heads), *rows]


def _again_cells(again: Again | None) -> list[str]:
    """Mean similarity of re-drawn networks' maps, the last similarity with a verdict, stability."""
    if again is None:
        return ["–", "–", "–"]
    stable = _number(Number.of(again.stability))
    if again.randomisation is None:
        return ["–", "–", stable]
    last = Number.of(again.randomisation.last)
    verdict = "" if np.isnan(last.mean) else " passes" if again.randomisation.passes else " fails"
    return [_number(Number.of(again.randomisation.similarity)), _number(last) + verdict, stable]


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
