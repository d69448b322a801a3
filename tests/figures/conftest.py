"""A real explanation whose every number has a closed form: scikit-learn's digits, a linear model."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from stages.figures.scale import Scale
from stages.figures.summary import Summary, summarise
from stages.pipeline.explanation import Explanation

N_TRAIN = 600
N_BACKGROUND = 100


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


@pytest.fixture(scope="session")
def digits() -> Run:
    """Every mistake of a least-squares classifier on digits, and eighty images it gets right.

    For a linear output w·x + b the attribution of a pixel is w (x - mean of the background).
    """
    data = load_digits()
    images = (data.images * 15.9375).astype(np.uint8)[:, None]  # 0 to 255
    labels = data.target.astype(np.int64)
    inputs = images.reshape(len(images), -1).astype(np.float64)
    train, test = inputs[:N_TRAIN], inputs[N_TRAIN:]
    ridge = train.T @ train + 1e5 * np.eye(64)
    weights = 8 * np.linalg.solve(ridge, train.T @ np.eye(10)[labels[:N_TRAIN]])  # (64, 10)
    logits = test @ weights
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    test_labels = labels[N_TRAIN:]
    wrong = logits.argmax(axis=1) != test_labels
    indices = np.sort(np.append(np.flatnonzero(wrong), np.flatnonzero(~wrong)[:80]))
    background = train[:N_BACKGROUND].mean(axis=0)
    values = (test[indices] - background)[:, :, None] * weights
    about = {
        "class_names": [str(number) for number in range(10)],
        "output": "logits",
        "method": "linear",
        "n_background": N_BACKGROUND,
        "background": "random",
        "versions": {"numpy": "2"},
    }
    explanation = Explanation(
        values=values.reshape(-1, 1, 8, 8, 10).astype(np.float32),
        base_values=background @ weights,
        outputs=logits[indices],
        probabilities=chances[indices].astype(np.float32),
        images=images[N_TRAIN:][indices],
        labels=test_labels[indices],
        indices=indices,
        about=about,
    )
    return Run(explanation, test_labels, chances.astype(np.float32))


@pytest.fixture(scope="session")
def params() -> dict[str, Any]:
    return {
        "seed": 7,
        "data": {"dataset": "digits", "source": "data/embedded"},
        "model": {"architecture": "linear"},
        "train": {"learning_rate": 0.001, "note": "<b>bold</b>"},
    }


@pytest.fixture(scope="session")
def metrics() -> dict[str, Any]:
    return {"evaluate": {"accuracy": 0.9123456789}, "explain": {"diagonal": 0.75}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


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
