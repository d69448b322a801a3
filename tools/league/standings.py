"""Every method's measures and errors, from the run's network and the known answers."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.artifacts.explanation import Explanation
from stages.artifacts.splits import is_predicted
from stages.base.errors.user import UserError
from stages.base.run.bars import ProgressBar
from stages.measures.explanations.base.all_measures import load_measures, measure_all
from stages.measures.explanations.base.baselines import BASELINES
from stages.measures.explanations.base.contract import Measured
from stages.measures.explanations.base.maps import seconds_an_image
from stages.measures.explanations.base.methods import exact_values, methods_to_measure
from stages.measures.explanations.base.sampled_tiles import sample_tiles
from stages.measures.explanations.base.subject import Subject
from stages.measures.explanations.base.tiles import (
    TileGame,
    exact_game,
    game_of_tiles,
    play_tiles,
)
from stages.measures.methods.randomisation import Randomisation, randomisation
from stages.measures.methods.stability import stability_of
from stages.networks.predict import with_output
from tools.league.entrants import CEILING, SEED, Entrant, maps_by
from tools.league.known_answers import CLASS, FOUND, KnownAnswer, shapley_error

MEASURES = ("removal_gain", "contrast_shift", "coalition_error")
TILES = "tiles"  # the known answer on the run's own network
AGAIN_IMAGES, AGAIN_BACKGROUND = 5, 10  # for measures that explain many times


class Number(NamedTuple):
    """A mean over images with its standard error; NaN where unknown."""

    mean: float
    error: float

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Self:
        """The mean of the values that are not NaN."""
        known = values[~np.isnan(values)]
        n_known = len(known)
        error = known.std(ddof=1) / np.sqrt(n_known) if n_known > 1 else np.nan
        return cls(float(known.mean()) if n_known else np.nan, float(error))


UNKNOWN = Number(np.nan, np.nan)


@dataclass
class Standing:
    """How an entrant does.

    Attributes:
        entrant: The method.
        answers: Error by known answer.
        measures: By measure of the run's maps, as in `MEASURES`.
        randomisation: None where no layer can be re-drawn, or there is no map.
        stability: Change of the map over that of the output.
        seconds: Time for an image, two classes.
        known_maps: The map (h, w) of the first image of each known answer.
    """

    entrant: Entrant
    answers: dict[str, Number] = field(default_factory=dict)
    measures: Mapping[str, Number] = field(default_factory=dict)
    randomisation: Randomisation | None = None
    stability: Number = UNKNOWN
    seconds: float = np.nan
    known_maps: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def n_found(self) -> int:
        """How many answers it finds."""
        return sum(number.mean <= FOUND for number in self.answers.values())


def first_images(explanation: Explanation, n_images: int) -> Explanation:
    """The explanation of the first images only."""
    by_image = ("outputs", "probabilities", "classes", "images", "labels", "names", "indices")
    optional = ("values", "errors", "group_means")
    arrays = {name: getattr(explanation, name) for name in (*by_image, *optional)}
    return replace(
        explanation,
        **{name: array[:n_images] for name, array in arrays.items() if array is not None},
    )


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
    standings = [_ceiling(exact, cases)]
    with ProgressBar[None](desc="explain again", unit="method", total=len(entrants)) as progress:
        for entrant in entrants:
            standing = Standing(entrant)
            measured = methods[entrant.name]
            _answer(standing, measured, cases)
            _explain_again(standing, subject)
            standing.seconds = _seconds(entrant.name, subject)
            standings.append(standing)
            progress.update()
    for standing in standings:
        rows = table[table["method"] == standing.entrant.name]
        standing.measures = {name: Number.of(rows[name].to_numpy()) for name in MEASURES}
    return sorted(standings, key=_place)


def _place(standing: Standing) -> tuple[int, int, float]:
    name = standing.entrant.name
    group = 0 if name == CEILING else 2 + list(BASELINES).index(name) if name in BASELINES else 1
    return group, -standing.n_found, standing.seconds


def _ceiling(exact: Measured, cases: Sequence[KnownAnswer]) -> Standing:
    """The right answers themselves; of the run's network only the tiles' values are known."""
    entrant = Entrant(CEILING, "the right answer: exact Shapley values where they are known", True)
    standing = Standing(entrant, {TILES: _tiles_error(exact, add_up=True)})
    for case in cases:
        standing.answers[case.name] = Number.of(case.error(case.truth, True))
        standing.known_maps[case.name] = case.truth[0]
    few = exact.subject.subset(2, len(exact.subject.background))
    start = time.perf_counter()
    play(few)
    standing.seconds = (time.perf_counter() - start) / len(few.images)
    return standing


def play(subject: Subject) -> TileGame:
    """The tile game of the subject's images, as the measures play it."""
    game = game_of_tiles(subject)
    return sample_tiles(game) if subject.plan.sampled else exact_game(play_tiles(game))


def _tiles_error(measured: Measured, *, add_up: bool) -> Number:
    return Number.of(shapley_error(measured.tile_sums, measured.tile_game.shapley, add_up))


def _answer(standing: Standing, measured: Measured, cases: Sequence[KnownAnswer]) -> None:
    entrant = standing.entrant
    standing.answers[TILES] = _tiles_error(measured, add_up=entrant.add_up)
    for case in cases:
        classes = np.full(len(case.images), CLASS)
        try:
            maps = maps_by(entrant.name, case.network, case.background, case.images, classes)
        except UserError:
            standing.answers[case.name] = UNKNOWN
            continue
        standing.answers[case.name] = Number.of(case.error(maps, entrant.add_up))
        standing.known_maps[case.name] = maps[0]


def _explain_again(standing: Standing, subject: Subject) -> None:
    """Measures that explain re-drawn networks, and changed images."""
    name, some = standing.entrant.name, subject.subset(AGAIN_IMAGES, AGAIN_BACKGROUND)
    network, background, classes = some.explained, some.background, some.predicted
    images = some.images.to(background)

    def maps_of(changed: Tensor) -> NDArray[np.float64]:
        return maps_by(name, network, background, changed, classes)

    @torch.no_grad()
    def outputs_of(changed: Tensor) -> NDArray[np.float64]:
        return np.asarray(network(changed).double().cpu().numpy())

    probabilities = with_output(some.network, "probabilities", some.multiple)

    @torch.no_grad()
    def predicted_of(changed: Tensor) -> NDArray[np.bool_]:
        return is_predicted(probabilities(changed).cpu().numpy(), some.multiple)

    by_network = partial(maps_by, name, background=background, images=images, classes=classes)
    try:
        standing.randomisation = randomisation(by_network, network, SEED)
    except ValueError:  # no layer can be re-drawn
        standing.randomisation = None
    standing.stability = Number.of(stability_of(maps_of, outputs_of, predicted_of, images, SEED))


def _seconds(name: str, subject: Subject) -> float:
    if name not in BASELINES:
        return seconds_an_image(name, subject)
    images = subject.images.numpy()
    start = time.perf_counter()
    BASELINES[name](images)
    return (time.perf_counter() - start) / len(images)
