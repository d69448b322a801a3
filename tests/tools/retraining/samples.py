"""Trainings with known differences: one network's maps plus drawn noise."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from stages.figures.run import Run
from tests.runs import digits_run
from tools.retraining.sample import Sample


def sample_of(
    run: Run, maps: NDArray[np.floating], metrics: Mapping[str, NDArray[np.floating]] | None = None
) -> Sample:
    """Trainings with these maps (t, n, h, w) of the run's first n images."""
    t, n = maps.shape[:2]
    explanation = run.explanation
    errors = explanation.errors
    chosen = explanation.predicted[:n]
    squared = None if errors is None else errors[np.arange(n), ..., chosen].astype(float) ** 2
    values = metrics or {}
    return Sample(
        ["this run", *(f"seed {number}" for number in range(1, t))],
        explanation,
        np.arange(n),
        maps.astype(np.float32),
        squared,
        np.tile(explanation.is_predicted[:n], (t, 1, 1)),
        [{name: float(row[k]) for name, row in values.items()} for k in range(t)],
    )


@cache
def digits_sample(t: int = 8, n: int = 60, noise: float = 0.3) -> Sample:
    """Digits: maps of the predicted class plus noise, as large as `noise` of each map.

    Image 3 has two readings: half of the trainings read it upside down.
    """
    run, draw = digits_run(), np.random.default_rng(1)
    explanation = run.explanation
    rows = np.arange(n)
    maps = explanation.values[rows].sum(axis=1)[rows, ..., explanation.predicted[:n]]
    sizes = maps.std(axis=(1, 2), keepdims=True)
    drawn = maps + noise * sizes * draw.normal(size=(t, *maps.shape))
    drawn[t // 2 :, 3] = drawn[t // 2 :, 3][:, ::-1]
    drawn[0] = maps
    metrics = {"accuracy": draw.normal(0.9, 0.01, t), "removal_gain": draw.normal(0.5, 0.1, t)}
    return sample_of(run, drawn, metrics)


def equal_sample(t: int = 4) -> Sample:
    """Trainings that ignore their seed."""
    sample = digits_sample(t)
    maps = np.tile(sample.maps[0], (t, 1, 1, 1))
    return replace(sample, maps=maps, metrics=[sample.metrics[0]] * t)
