"""Every method's measures and errors, from the run's network and the known answers."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from stages.base.run.bars import ProgressBar
from stages.measures.explanations.base.all_measures import load_measures, measure_all
from stages.measures.explanations.base.baselines import BASELINES
from stages.measures.explanations.base.contract import Measured
from stages.measures.explanations.base.maps import seconds_an_image
from stages.measures.explanations.base.methods import exact_values, methods_to_measure, play
from stages.measures.explanations.base.subject import Subject
from stages.measures.explanations.tiles_error import tiles_error
from tools.compare.metrics import standard_error_of_mean
from tools.league.again import Again, explain_again
from tools.league.entrants import CEILING, Entrant, maps_of
from tools.league.known_answers import FOUND, KnownAnswer, fitted

MEASURES = ("removal_gain", "contrast_shift", "coalition_error")
TILES = "tiles"  # the known answer on the run's own network


class Number(NamedTuple):
    """A mean over images with its standard error; NaN where unknown."""

    mean: float
    error: float

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Self:
        """The mean of the values that are not NaN."""
        known = values[~np.isnan(values)]
        return cls(float(known.mean()) if len(known) else np.nan, standard_error_of_mean(known))


UNKNOWN = Number(np.nan, np.nan)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How an entrant does.

    Attributes:
        entrant: The method.
        answers: Error by known answer.
        known_maps: The map (h, w) of the first image of each known answer that it can explain.
        measures: By measure of the run's maps, as in `MEASURES`.
        again: Measures for which it explains again; None for the right answers.
        seconds: Time for an image, two classes.
    """

    entrant: Entrant
    answers: Mapping[str, Number]
    known_maps: Mapping[str, NDArray[np.float64]]
    measures: Mapping[str, Number]
    again: Again | None
    seconds: float

    @property
    def n_found(self) -> int:
        """How many answers it finds."""
        return sum(number.mean <= FOUND for number in self.answers.values())


def standings_of(
    explanation: Explanation,
    subject: Subject,
    entrants: Sequence[Entrant],
    cases: Sequence[KnownAnswer],
) -> list[Standing]:
    """The ceiling, the methods with the most answers first, and the baselines.

    Args:
        explanation: The run's explanation of the subject's images.
        subject: The run's network and images.
        entrants: The run's method first, the baselines last.
        cases: The known answers.
    """
    methods = methods_to_measure(explanation, subject, [entrant.name for entrant in entrants])
    exact = exact_values(methods[explanation.about["method"]])
    all_measures = load_measures()
    chosen = {name: all_measures[name] for name in MEASURES}
    table = measure_all(chosen, {**methods, CEILING: exact})
    progress = ProgressBar(entrants, desc="explain again", unit="method")
    found = [_standing(entrant, methods[entrant.name], table, cases) for entrant in progress]
    return sorted([_ceiling(exact, table, cases), *found], key=_place)


def _place(standing: Standing) -> tuple[int, int, str]:
    name = standing.entrant.name
    group = 0 if name == CEILING else 2 + list(BASELINES).index(name) if name in BASELINES else 1
    return group, -standing.n_found, name


def _standing(
    entrant: Entrant, measured: Measured, table: pd.DataFrame, cases: Sequence[KnownAnswer]
) -> Standing:
    answers = {TILES: tiles_number(measured, entrant.add_up)}
    known_maps = {}
    for case in cases:
        try:
            maps = maps_of(entrant.name, case.subject)
        except UserError:  # it cannot explain this network
            answers[case.name] = UNKNOWN
            continue
        answers[case.name] = Number.of(case.error(maps, entrant.add_up))
        known_maps[case.name] = maps[0]
    return Standing(
        entrant=entrant,
        answers=answers,
        known_maps=known_maps,
        measures=_measures(table, entrant.name),
        again=explain_again(entrant.name, measured.subject),
        seconds=_seconds(entrant.name, measured.subject),
    )


def _ceiling(exact: Measured, table: pd.DataFrame, cases: Sequence[KnownAnswer]) -> Standing:
    """The right answers themselves; of the run's network only the tiles' values are known."""
    sampled = exact.subject.plan.sampled
    answers = {TILES: UNKNOWN if sampled else tiles_number(exact, True)}
    few = exact.subject.subset(2, len(exact.subject.background))
    start = time.perf_counter()
    play(few)
    seconds = (time.perf_counter() - start) / len(few.images)
    return Standing(
        entrant=Entrant(
            CEILING, "the right answer: exact Shapley values where they are known", True
        ),
        answers=answers | {case.name: Number.of(case.error(case.truth, True)) for case in cases},
        known_maps={case.name: case.truth[0] for case in cases},
        measures=_measures(table, CEILING),
        again=None,
        seconds=seconds,
    )


def tiles_number(measured: Measured, add_up: bool) -> Number:
    """The tiles error; attributions that do not add up are fitted first, as `fitted` does."""
    sums, game = measured.tile_sums, measured.tile_game
    return Number.of(tiles_error(sums if add_up else fitted(sums, game.shapley), game))


def _measures(table: pd.DataFrame, method: str) -> dict[str, Number]:
    rows = table[table["method"] == method]
    return {name: Number.of(rows[name].to_numpy()) for name in MEASURES}


def _seconds(name: str, subject: Subject) -> float:
    if name not in BASELINES:
        return seconds_an_image(name, subject)
    images = subject.images.numpy()
    start = time.perf_counter()
    BASELINES[name](images)
    return (time.perf_counter() - start) / len(images)
