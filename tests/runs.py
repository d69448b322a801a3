"""Small runs with known values."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from stages.artifacts.explanation import Explanation
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import Split
from stages.figures.run import Run

N_TRAIN = 600
N_BACKGROUND = 100
ABOUT_DIGITS: dict[str, Any] = {
    "class_names": [str(number) for number in range(10)],
    "dataset": "digits",
    "network": "linear",
    "output": "logits",
    "method": "linear",
    "n_background": N_BACKGROUND,
    "background": "random",
    "n_train": N_TRAIN,
    "n_groups": 10,
    "parameters": {
        "seed": 7,
        "data": {"dataset": "image_folder", "options": {}},
        "train": {"learning_rate": 0.001, "note": "<b>bold</b>"},
    },
    "versions": {"numpy": "2"},
}


@cache
def digits_run() -> Run:
    """All mistakes of a least-squares classifier on digits, and eighty correct predictions.

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
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    probabilities = probabilities.astype(np.float32)
    test_labels = labels[N_TRAIN:]
    wrong = logits.argmax(axis=1) != test_labels
    indices = np.sort(np.append(np.flatnonzero(wrong), np.flatnonzero(~wrong)[:80]))
    background = train[:N_BACKGROUND].mean(axis=0)
    groups = train[:N_BACKGROUND].reshape(10, -1, 64).mean(axis=1)
    by_group = (test[indices][:, None] - groups)[..., None] * weights  # (n, g, 64, 10)
    share = 1 - N_BACKGROUND / N_TRAIN  # finite population factor
    errors = by_group.std(axis=1, ddof=1) * np.sqrt(share / 10)
    predicted_maps = by_group[np.arange(len(indices)), ..., logits[indices].argmax(axis=1)]
    values = (test[indices] - background)[:, :, None] * weights
    explanation = Explanation(
        values=values.reshape(-1, 1, 8, 8, 10).astype(np.float32),
        errors=errors.reshape(-1, 8, 8, 10).astype(np.float32),
        group_means=predicted_maps.reshape(-1, 10, 8, 8).astype(np.float32),
        base_values=background @ weights,
        outputs=logits[indices],
        probabilities=probabilities[indices],
        classes=np.tile(np.arange(10), (len(indices), 1)),
        images=images[N_TRAIN:][indices],
        labels=test_labels[indices],
        names=N_TRAIN + indices,  # in the published file
        indices=indices,
        background=images[:N_BACKGROUND],
        background_indices=np.arange(N_BACKGROUND),
        about=ABOUT_DIGITS,
    )
    numbers = np.arange(N_TRAIN, len(images))
    predictions = Predictions(
        probabilities,
        test_labels,
        numbers,
        tuple(ABOUT_DIGITS["class_names"]),
        {"accuracy": 0.9123456789},
    )
    training = Split(images[:N_TRAIN], labels[:N_TRAIN])
    return Run(explanation, predictions, training, "red_blue")


def random_run(
    n_images: int, channels: int, height: int, width: int, n_classes: int, **about: Any
) -> Run:
    """Seeded noise of any shape, additive by construction."""
    draw = np.random.default_rng(0)
    shape = (n_images, channels, height, width)
    values = draw.normal(size=(*shape, n_classes)).astype(np.float32)
    base_values = draw.normal(size=n_classes)
    probabilities = draw.dirichlet(np.ones(n_classes), size=n_images).astype(np.float32)
    labels = draw.integers(0, n_classes, n_images)
    images = draw.integers(0, 256, shape).astype(np.uint8)
    names = [f"class number {number}" for number in range(n_classes)]
    explanation = Explanation(
        values=values,
        base_values=base_values,
        outputs=values.sum(axis=(1, 2, 3), dtype=np.float64) + base_values,
        probabilities=probabilities,
        classes=np.tile(np.arange(n_classes), (n_images, 1)),
        images=images,
        labels=labels,
        names=np.arange(n_images),
        indices=np.arange(n_images),
        background=images[:1],
        background_indices=np.arange(1),
        about={
            "class_names": names,
            "dataset": "noise",
            "network": "none",
            "output": "probabilities",
            "method": "noise",
            "n_background": 1000,
            "background": "stratified",
            "n_train": 54_000,
            "n_groups": 0,
            "parameters": {},
            "versions": {},
            **about,
        },
    )
    predictions = Predictions(probabilities, labels, np.arange(n_images), tuple(names), {})
    return Run(explanation, predictions, Split(images, labels), "red_blue")


def with_images(run: Run, images: NDArray[np.integer]) -> Run:
    """The run with only these explained images."""
    arrays = {name: array[images] for name, array in arrays_by_image(run.explanation).items()}
    return replace(run, explanation=replace(run.explanation, **arrays))


def arrays_by_image(explanation: Explanation) -> dict[str, NDArray[Any]]:
    """The arrays whose first axis counts the explained images."""
    names = ("values", "errors", "group_means", "classes", "outputs", "probabilities")
    names += ("images", "labels", "names", "indices")
    arrays = {name: getattr(explanation, name) for name in names}
    return {name: array for name, array in arrays.items() if array is not None}


def with_maps(run: Run, classes: NDArray[np.integer]) -> Run:
    """The run with only the maps of these classes (n, m); `run` must have all maps."""
    explanation = run.explanation
    kept = {"values": explanation.values, "errors": explanation.errors}
    arrays = {
        name: np.take_along_axis(
            array, np.expand_dims(classes, tuple(range(1, array.ndim - 1))), -1
        )
        for name, array in kept.items()
        if array is not None
    }
    return replace(run, explanation=replace(explanation, **arrays, classes=classes))


def with_about(run: Run, **about: Any) -> Run:
    """The run with other values in `about`."""
    explanation = replace(run.explanation, about={**run.explanation.about, **about})
    return replace(run, explanation=explanation)


def with_files(run: Run, names: list[str]) -> Run:
    """The run with these names of the explained images."""
    return replace(run, explanation=replace(run.explanation, names=np.array(names)))


def with_names(run: Run, names: list[str]) -> Run:
    """The run with these class names."""
    predictions = replace(run.predictions, class_names=tuple(names))
    return replace(with_about(run, class_names=names), predictions=predictions)
