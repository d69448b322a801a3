"""Reads what t trainings say about the same n images; the first one is the workspace's run."""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from tools.compare.versions import ResultsGoneError, Version, read_version
from tools.retraining.bands import Bands
from tools.retraining.queue import name_of

THIS_RUN = "this run"


@dataclass(frozen=True)
class Sample:
    """The same images explained by t trainings.

    Each image's map is that of the class `measured` of this run, mostly the most probable one.

    Attributes:
        names: Names of the trainings (t,): `this run`, `seed 1`, ….
        explanation: This run's explanation.
        images: Indices among its images of those that have such a map (n,).
        maps: Attributions, channels summed (t, n, h, w), float32; NaN where a training has no map
            of the class.
        squared_errors: Squared standard errors over the background, averaged over the trainings
            that have a map (n, h, w); None without error bars.
        is_predicted: Whether each training predicts each class of each image (t, n, k).
        metrics: The numbers in `metrics/evaluate.json` and `metrics/explain.json` of each training,
            and the means of further measures in `data/quality`.
    """

    names: Sequence[str]
    explanation: Explanation
    images: NDArray[np.int64]
    maps: NDArray[np.float32]
    squared_errors: NDArray[np.float64] | None
    is_predicted: NDArray[np.bool_]
    metrics: Sequence[Mapping[str, float]]

    @property
    def bands(self) -> Bands:
        """Statistics of each pixel."""
        return Bands(self.maps, self.squared_errors)

    @property
    def classes(self) -> NDArray[np.int64]:
        """The class of each image's maps (n,)."""
        return self.explanation.measured[self.images]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """The predicted class (t, n), or with several labels an image (t, n, k) of 0 and 1."""
        several = self.explanation.multiple
        return np.asarray(self.is_predicted if several else self.is_predicted.argmax(2), np.int64)

    @property
    def same_prediction(self) -> NDArray[np.bool_]:
        """Whether each training predicts the same class or labels as this run (t, n)."""
        return np.asarray((self.is_predicted == self.is_predicted[0]).all(axis=2))

    @property
    def titles(self) -> list[str]:
        """Titles of the images (n,)."""
        return [self.explanation.titles[index] for index in self.images]


def read_sample(
    run: Version,
    others: Mapping[int, str],
    scratch: Path,
    visit: Callable[[Explanation], None],
) -> Sample:
    """Read the trainings one by one.

    Args:
        run: The workspace's run.
        others: Commits of the other trainings, by seed.
        scratch: An empty folder to copy results into; one training's at a time.
        visit: Called with each training's explanation, this run's first.

    Raises:
        UserError: A training's results are gone, it explained other images or against another
            background, or two trainings have no map to compare.
    """
    first = run.explanation
    images = np.flatnonzero(first.map_indices(first.measured) >= 0)
    if not images.size:
        raise UserError(
            "retrain: no explained image has a map of its most probable class; set explain.outputs "
            "to all, run dvc repro, then the command again"
        )
    names = [THIS_RUN, *(f"seed {seed}" for seed in others)]
    maps, errors, is_predicted, metrics = [], [], [], []
    versions = chain([run], _read(others, scratch / "training"))
    bar = tqdm(names, desc="read", unit="training", delay=1, leave=False, disable=None)
    for name, version in zip(bar, versions, strict=True):
        explanation = version.explanation
        _require_same(first, explanation, name)
        chosen = explanation.map_indices(first.measured)
        maps.append(_maps(explanation, images, chosen))
        errors.append(_squared_errors(explanation, images, chosen))
        is_predicted.append(explanation.is_predicted[images])
        metrics.append(_numbers(version))
        visit(explanation)
    _require_common(maps, names)
    return Sample(
        names,
        first,
        images,
        np.stack(maps),
        None if any(e is None for e in errors) else np.nanmean(np.array(errors), axis=0),
        np.stack(is_predicted),
        metrics,
    )


def _read(others: Mapping[int, str], folder: Path) -> Iterator[Version]:
    """The other trainings, copied into this folder one at a time."""
    for seed, commit in others.items():
        try:
            yield read_version(commit, folder)
        except ResultsGoneError as error:
            raise UserError(
                f"retrain: the results of the training with seed {seed} are gone: {error.reason}; "
                f"reach a remote that has them, or run dvc exp remove {name_of(seed)}, then this "
                "command, which trains it again"
            ) from error
        shutil.rmtree(folder, ignore_errors=True)


def _maps(
    explanation: Explanation, images: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.float32]:
    """The chosen map of each image (n, h, w); NaN for an index of -1."""
    found = np.full((len(images), *explanation.images.shape[2:]), np.nan, np.float32)
    for row, image in enumerate(images):
        if chosen[image] >= 0:
            found[row] = explanation.maps(int(image), [int(chosen[image])])[0]
    return found


def _squared_errors(
    explanation: Explanation, images: NDArray[np.int64], chosen: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    found = np.full((len(images), *explanation.images.shape[2:]), np.nan)
    for row, image in enumerate(images):
        if chosen[image] >= 0:
            errors = explanation.map_errors(int(image), [int(chosen[image])])
            if errors is None:
                return None
            found[row] = errors[0] ** 2
    return found


def _numbers(version: Version) -> dict[str, float]:
    """Metrics and measures by name."""
    means = version.measures.mean(numeric_only=True).dropna()
    return {
        **version.metrics,
        **{str(k): v for k, v in means.items() if k not in version.metrics},
    }


def _require_same(first: Explanation, other: Explanation, name: str) -> None:
    """Reject a training of other data: not possible through the queue, but costly to overlook."""
    for part, mine, theirs in (
        ("images", first.images, other.images),
        ("background", first.background, other.background),
    ):
        if not np.array_equal(mine, theirs):
            raise UserError(
                f"retrain: {name} has other {part} than this run; run dvc repro, then the command "
                "again"
            )


def _require_common(maps: Sequence[NDArray[np.float32]], names: Sequence[str]) -> None:
    """Reject trainings of which two have no image with a map of the same class."""
    known = np.isfinite([training[:, 0, 0] for training in maps]).astype(int)  # (t, n)
    apart = np.argwhere(known @ known.T == 0)
    if len(apart):
        first, second = (names[number] for number in apart[0])
        raise UserError(
            f"retrain: {first} and {second} have a map of the same class of no image, so their "
            "similarity is unknown; set explain.outputs to all, run dvc repro, then the command "
            "again"
        )
