"""Maps of one image by all methods, side by side."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from stages.base.run.bars import ProgressBar
from stages.drawing.scale import is_dark
from stages.drawing.text import printable
from stages.measures.explanations.base.methods import play
from stages.measures.explanations.base.subject import Subject, subject_of
from stages.measures.explanations.base.tiles import game_of_tiles, tile_numbers
from tools.league.entrants import CEILING, maps_of
from tools.league.known_answers import KnownAnswer
from tools.league.standings import Standing


class Chosen(NamedTuple):
    """The image of the run.

    Attributes:
        position: Position of the image among the explained ones.
        grain: Side in pixels of the blocks in which its maps are drawn.
    """

    position: int
    grain: int


@dataclass(frozen=True)
class Gallery:
    """An image and its maps.

    Attributes:
        title: What is explained.
        note: What the right map is.
        image: (c, h, w), uint8.
        dark: Whether images like it are mostly dark.
        grain: Side in pixels of the blocks whose values are summed.
        maps: By method (h, w), each with its own unit; the right map first.
    """

    title: str
    note: str
    image: NDArray[np.uint8]
    dark: bool
    grain: int
    maps: Mapping[str, NDArray[np.float64]]


def galleries_of(
    explanation: Explanation,
    subject: Subject,
    which: Chosen,
    standings: Sequence[Standing],
    cases: Sequence[KnownAnswer],
) -> list[Gallery]:
    """An image of the run, then the first image of each known answer.

    Args:
        explanation: The run's explanation.
        subject: The run's network.
        which: The image.
        standings: The methods, in the order of the table.
        cases: The known answers.
    """
    return [
        _of_run(explanation, subject, which, [standing.entrant.name for standing in standings]),
        *(_of_case(case, standings) for case in cases),
    ]


def _of_case(case: KnownAnswer, standings: Sequence[Standing]) -> Gallery:
    maps = {
        standing.entrant.name: standing.known_maps[case.name]
        for standing in standings
        if case.name in standing.known_maps
    }
    image = case.images[0].numpy().astype(np.uint8)
    return Gallery(f"Known answer: {case.name}", case.sentence, image, False, 1, maps)


def _of_run(
    explanation: Explanation, subject: Subject, which: Chosen, names: Sequence[str]
) -> Gallery:
    """Maps of the class that measures are about; the right map is known for the tiles only."""
    index, grain = which
    chosen = explanation.of_images(slice(index, index + 1))
    one = subject_of(chosen, subject.network, subject.background.device, subject.plan)
    right = "estimated" if subject.plan.sampled else CEILING
    maps = {right: _spread_tiles(one)}
    methods = [name for name in names if name != CEILING]
    for name in ProgressBar(methods, desc="draw", unit="method"):
        with contextlib.suppress(UserError):  # it cannot explain this image
            (maps[name],) = maps_of(name, one)
    (title,) = printable(chosen.titles, chosen.indices)
    predicted = printable(explanation.class_names)[int(one.predicted[0])]
    return Gallery(
        f"{title}: maps of {predicted}",
        f"{right.capitalize()} values are those of nine tiles, each spread over its pixels.",
        np.asarray(chosen.images[0]),
        is_dark(explanation.images),
        grain,
        maps,
    )


def _spread_tiles(one: Subject) -> NDArray[np.float64]:
    """The Shapley values of an image's tiles, spread over their pixels (h, w)."""
    (shapley,) = play(game_of_tiles(one)).shapley
    numbers = tile_numbers(*one.images.shape[2:])
    return np.asarray((shapley / np.bincount(numbers.ravel()))[numbers])
