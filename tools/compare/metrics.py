"""Metrics of two versions, paired by image where both have a value for each image."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.predictions import Predictions
from tools.compare.pairs import Pairs

SMALLEST = 1e-12  # smallest probability whose logarithm is taken


class Metric(NamedTuple):
    """A metric of both versions.

    Attributes:
        name: As in `metrics/*.json`.
        old, new: The values; NaN if a version lacks the metric.
        error: Standard error of new - old, paired by image; NaN if unknown.
        n_images: Number of paired images; 0 if the metric is not paired.
    """

    name: str
    old: float
    new: float
    error: float = np.nan
    n_images: int = 0


def compare_metrics(pairs: Pairs) -> list[Metric]:
    """All metrics of either version, those paired by image first."""
    paired = [metric for metric in _paired(pairs) if metric.n_images]
    known = {metric.name for metric in paired}
    old, new = pairs.old.metrics, pairs.new.metrics
    single = [
        Metric(name, old.get(name, np.nan), new.get(name, np.nan))
        for name in old | new
        if name.removesuffix("_se") not in known  # those have the difference's standard error
    ]
    return paired + single


def _paired(pairs: Pairs) -> Iterator[Metric]:
    old, new = pairs.old.predictions, pairs.new.predictions
    if old and new and np.array_equal(old.labels, new.labels):
        yield _metric("accuracy", *(_accuracies(p) for p in (old, new)))
        yield _metric("log_loss", *(_log_losses(p) for p in (old, new)))
    first, second = pairs.old.measures, pairs.new.measures
    indices = (
        pairs.old.explanation.indices[pairs.old_images],
        pairs.new.explanation.indices[pairs.new_images],
    )
    for name in first.columns.intersection(second.columns):
        yield _metric(
            name,
            first[name].reindex(indices[0]).to_numpy(np.float64),
            second[name].reindex(indices[1]).to_numpy(np.float64),
        )


def _metric(name: str, old: NDArray[np.float64], new: NDArray[np.float64]) -> Metric:
    """The metric over the images for which both versions have a value."""
    both = np.isfinite(old) & np.isfinite(new)
    old, new = old[both], new[both]
    if not len(old):
        return Metric(name, np.nan, np.nan)
    return Metric(name, old.mean(), new.mean(), standard_error_of_mean(new - old), len(old))


def _accuracies(predictions: Predictions) -> NDArray[np.float64]:
    """Whether each image is classified correctly (n,), or the share of its labels that are."""
    if predictions.multiple:
        right = predictions.is_predicted == predictions.is_true
        return np.asarray(right.mean(axis=1))
    return np.asarray(predictions.predicted == predictions.labels, np.float64)


def _log_losses(predictions: Predictions) -> NDArray[np.float64]:
    """Log loss of each image (n,), the mean over its labels if it may have several."""
    probabilities = predictions.probabilities
    if predictions.multiple:
        truth = np.where(predictions.is_true, probabilities, 1 - probabilities)
    else:
        truth = np.take_along_axis(probabilities, predictions.labels[:, None], axis=1)
    losses = -np.log(np.maximum(truth, SMALLEST, dtype=np.float64))
    return np.asarray(losses.mean(axis=1))


def standard_error_of_mean(values: NDArray[np.float64]) -> float:
    """Standard error of the mean of independent values; NaN for fewer than two."""
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.nan


def mean_with_error(values: NDArray[np.float64]) -> str:
    """The mean ± its standard error over the images."""
    error = standard_error_of_mean(values)
    return f"{values.mean():.3f}" + ("" if np.isnan(error) else f" ± {error:.3f}")
