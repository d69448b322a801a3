"""The maps that are measured: stored by the run, computed by another method, or a baseline."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.base.files.arrays import concatenate_on_disk
from stages.base.run.bars import ProgressBar
from stages.explainers.base.contract import build_explainer
from stages.explainers.base.slices import attributions
from stages.measures.explanations.base.saved import resumed, subfolder
from stages.measures.explanations.base.subject import Subject

TIMED_IMAGES = 8


@dataclass(frozen=True, kw_only=True)
class Maps:
    """Attributions by one method, channels summed. n images, h height, w width.

    The arrays may be larger than memory.

    Attributes:
        predicted: Attributions to the predicted class (n, h, w); NaN for an image without its map.
        contrast: `predicted` minus attributions to the runner-up; NaN where either is missing.
        errors: Standard errors over the background of `predicted`; None if unknown.
        game: Attributions to the predicted class of the first images (t, h, w), against the
            background of the tile game.
    """

    predicted: NDArray[np.float64]
    contrast: NDArray[np.float64]
    errors: NDArray[np.float64] | None = None
    game: NDArray[np.float64]


def maps_of_run(explanation: Explanation, subject: Subject, game: Subject) -> Maps:
    """The run's stored maps, NaN where it has none; the maps of the tile game are computed."""
    map_indices, runner_up_indices = map(
        explanation.map_indices, (subject.predicted, subject.runner_up)
    )
    values, errors = explanation.values, explanation.errors
    predicted = concatenate_on_disk(_stored(values, map_indices))
    runner_up = _stored(values, runner_up_indices)
    return Maps(
        predicted=predicted,
        contrast=concatenate_on_disk(
            own[None] - other for own, other in zip(predicted, runner_up, strict=True)
        ),
        errors=None
        if errors is None
        else concatenate_on_disk(_stored(errors[:, None], map_indices)),
        game=_game_maps(explanation.about["method"], game),
    )


def _stored(
    values: NDArray[np.floating], map_indices: NDArray[np.int64]
) -> Iterator[NDArray[np.float64]]:
    """One map (1, h, w) of each image in (n, c, h, w, m), NaN where its map index is negative."""
    for image, map_index in zip(values, map_indices, strict=True):
        if map_index < 0:
            yield np.full((1, *image.shape[1:3]), np.nan)
        else:
            yield image[..., map_index].sum(axis=0, dtype=np.float64)[None]


def maps_of_method(name: str, subject: Subject, game: Subject) -> Maps:
    """Maps by a file in `stages/explainers/`, against the run's background."""
    pairs = concatenate_on_disk(
        np.stack([maps[..., 0], maps[..., 0] - maps[..., 1]])[None]
        for maps in _explain(name, subject, _two_classes(subject))
    )
    return Maps(predicted=pairs[:, 0], contrast=pairs[:, 1], game=_game_maps(name, game))


def _two_classes(subject: Subject) -> NDArray[np.int64]:
    return np.stack([subject.predicted, subject.runner_up], axis=1)


def _game_maps(name: str, game: Subject) -> NDArray[np.float64]:
    if len(game.images) == 0:
        return np.empty((0, *game.images.shape[2:]))
    return np.stack(list(_explain(name, game, game.predicted[:, None])))[..., 0]


def _explain(
    name: str, subject: Subject, classes: NDArray[np.int64]
) -> Iterator[NDArray[np.float64]]:
    """Attributions to classes (n, m), channels summed, an image (h, w, m) at a time."""

    def from_image(number: int) -> Iterator[NDArray[np.float64]]:
        images = subject.images[number:]
        if len(images) == 0:
            return  # without building the explainer, which may take long
        attribute = build_explainer(name, subject.explained, subject.background, subject.seed)
        with ProgressBar[None](
            desc=name, unit="image", total=len(classes), initial=number
        ) as progress:
            for piece in attributions(attribute, images, classes[number:], progress):
                yield piece.values.sum(axis=1, dtype=np.float64)

    folder = subfolder(subject.saved, name, classes, subject.background)
    return chain.from_iterable(resumed(from_image, folder))


def maps_of_baseline(maps: NDArray[np.float64], changes: NDArray[np.float64]) -> Maps:
    """Maps that ignore the network (n, h, w), the same for all classes; see `scaled_to`."""
    return Maps(predicted=maps, contrast=maps, game=scaled_to(maps[: len(changes)], changes))


def scaled_to(maps: NDArray[np.float64], changes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Maps (t, h, w) that do not add up, scaled so that their |map| sums to `changes` (t,).

    Where a change is negative, so is the factor: maps without a sign, such as edges, then add up.
    Maps whose signs mean something need the size of the change.
    """
    totals = np.abs(maps).sum(axis=(1, 2))
    scales = np.divide(changes, totals, out=np.zeros_like(changes), where=totals > 0)
    return np.asarray(maps * scales[:, None, None])


def missing_maps(n_images: int, size: tuple[int, int]) -> Maps:
    """Maps of n images of height and width `size`, NaN throughout."""
    missing = np.full((n_images, *size), np.nan)
    return Maps(predicted=missing, contrast=missing, game=missing)


def seconds_an_image(name: str, subject: Subject) -> float:
    """Time that a method needs for two classes of an image, without its one-off preparation.

    Measured over at most eight images.
    """
    timed = subject.subset(TIMED_IMAGES, len(subject.background))
    attribute = build_explainer(name, timed.explained, timed.background, timed.seed)
    classes = torch.from_numpy(_two_classes(timed))
    attribute(timed.images[:1], classes[:1])  # the first call may prepare more
    start = time.perf_counter()
    attribute(timed.images, classes)
    return (time.perf_counter() - start) / len(classes)
