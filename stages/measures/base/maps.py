"""The maps that are measured: those of the run, of another method, or of no method at all."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.base.files.arrays import concatenate_on_disk
from stages.explainers.base.contract import build_explainer
from stages.explainers.base.slices import attributions, progress_bar
from stages.measures.base.subject import Subject

TIMED_IMAGES = 8


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Attributions by one method, channels summed. n images, h height, w width.

    Those of all images may be larger than memory.

    Attributes:
        predicted: To the predicted class (n, h, w); NaN for an image without a map of it.
        contrast: The same minus those to the runner-up; NaN where either is missing.
        errors: Standard errors over the background of `predicted`; None if they are not known.
        game: Those to the predicted class of the first images (t, h, w), against the background of
            the game of tiles.
    """

    predicted: NDArray[np.float64]
    contrast: NDArray[np.float64]
    errors: NDArray[np.float64] | None = None
    game: NDArray[np.float64]


def maps_of_run(explanation: Explanation, subject: Subject, game: Subject) -> Maps:
    """The maps that were explained, as far as there are any; those of the game are new."""
    places, places_of_runner_up = map(
        explanation.map_indices, (subject.predicted, subject.runner_up)
    )
    values, errors = explanation.values, explanation.errors
    predicted = concatenate_on_disk(_stored(values, places))
    runner_up = _stored(values, places_of_runner_up)
    return Maps(
        predicted=predicted,
        contrast=concatenate_on_disk(
            own[None] - other for own, other in zip(predicted, runner_up, strict=True)
        ),
        errors=None if errors is None else concatenate_on_disk(_stored(errors[:, None], places)),
        game=_of_game(explanation.about["method"], game),
    )


def _stored(
    values: NDArray[np.floating], places: NDArray[np.int64]
) -> Iterator[NDArray[np.float64]]:
    """The map (1, h, w) of each image at its place among the m of (n, c, h, w, m); else NaN."""
    for image, place in zip(values, places, strict=True):
        if place < 0:
            yield np.full((1, *image.shape[1:3]), np.nan)
        else:
            yield image[..., place].sum(axis=0, dtype=np.float64)[None]


def maps_of_method(name: str, subject: Subject, game: Subject) -> Maps:
    """Those of a file in `stages/explainers/`, against the run's background."""
    pairs = concatenate_on_disk(
        np.stack([predicted, predicted - runner_up], axis=1)
        for predicted, runner_up in (
            np.moveaxis(part, -1, 0) for part in _explain(name, subject, _two_classes(subject))
        )
    )
    return Maps(predicted=pairs[:, 0], contrast=pairs[:, 1], game=_of_game(name, game))


def _two_classes(subject: Subject) -> NDArray[np.int64]:
    return np.stack([subject.predicted, subject.runner_up], axis=1)


def _of_game(name: str, game: Subject) -> NDArray[np.float64]:
    return np.concatenate(list(_explain(name, game, game.predicted[:, None])))[..., 0]


def _explain(
    name: str, subject: Subject, classes: NDArray[np.int64]
) -> Iterator[NDArray[np.float64]]:
    """Attributions to classes (n, m), channels summed, some images (some, h, w, m) at a time."""
    attribute = build_explainer(name, subject.explained, subject.background, subject.seed)
    with progress_bar(name, len(classes)) as progress:
        for part in attributions(attribute, subject.images, classes, progress):
            yield part.values.sum(axis=1, dtype=np.float64)


def maps_of_baseline(maps: NDArray[np.float64], changes: NDArray[np.float64]) -> Maps:
    """Maps that know nothing of the network (n, h, w), for all classes alike.

    They have no unit, so they are scaled for the game of tiles: their strengths |map| sum to the
    changes of the output (t,). Maps without signs then add up, as attributions do.
    """
    game = maps[: len(changes)]
    totals = np.abs(game).sum(axis=(1, 2))
    scales = np.divide(changes, totals, out=np.zeros_like(changes), where=totals > 0)
    return Maps(predicted=maps, contrast=maps, game=game * scales[:, None, None])


def seconds_an_image(name: str, subject: Subject) -> float:
    """Time that a method takes for two classes of an image, without what it prepares once.

    Measured over at most eight images.
    """
    some = subject.part(TIMED_IMAGES, len(subject.background))
    attribute = build_explainer(name, some.explained, some.background, some.seed)
    classes = torch.from_numpy(_two_classes(some))
    attribute(some.images[:1], classes[:1])  # what is done at the first call alone
    start = time.perf_counter()
    attribute(some.images, classes)
    return (time.perf_counter() - start) / len(classes)
