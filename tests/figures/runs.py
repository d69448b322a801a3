"""Runs that are small enough to check by hand."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.figures.scale import Scale
from stages.summary.totals import Summary, summarise


@dataclass(frozen=True)
class Run:
    """An explanation and the predictions of the whole test split it is of."""

    explanation: Explanation
    test_labels: NDArray[np.int64]
    test_probabilities: NDArray[np.float32]

    @cached_property
    def summary(self) -> Summary:
        return summarise(self.explanation)

    @cached_property
    def scale(self) -> Scale:
        return Scale(self.summary.limit, "red_blue")

    def of(self, images: NDArray[np.integer]) -> "Run":
        """Keep these explained images."""
        arrays = {
            name: getattr(self.explanation, name)[images]
            for name in ("values", "outputs", "probabilities", "images", "labels", "indices")
        }
        return replace(self, explanation=replace(self.explanation, **arrays))

    def named(self, names: list[str]) -> "Run":
        about = {**self.explanation.about, "class_names": names}
        return replace(self, explanation=replace(self.explanation, about=about))


def random_run(
    n_images: int, channels: int, height: int, width: int, n_classes: int, **about: Any
) -> Run:
    """Seeded noise of any shape, additive by construction."""
    draw = np.random.default_rng(0)
    shape = (n_images, channels, height, width)
    values = draw.normal(size=(*shape, n_classes)).astype(np.float32)
    base_values = draw.normal(size=n_classes)
    chances = draw.dirichlet(np.ones(n_classes), size=n_images).astype(np.float32)
    labels = draw.integers(0, n_classes, n_images)
    explanation = Explanation(
        values=values,
        base_values=base_values,
        outputs=values.sum(axis=(1, 2, 3), dtype=np.float64) + base_values,
        probabilities=chances,
        images=draw.integers(0, 256, shape).astype(np.uint8),
        labels=labels,
        indices=np.arange(n_images),
        about={
            "class_names": [f"class number {number}" for number in range(n_classes)],
            "output": "probabilities",
            "method": "noise",
            "n_background": 1000,
            "background": "stratified",
            "versions": {},
            **about,
        },
    )
    return Run(explanation, labels, chances)
