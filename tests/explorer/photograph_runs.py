"""Runs with large images and many classes."""

from dataclasses import replace
from typing import Any

import numpy as np
from scipy import ndimage

from stages.drawing.grain import readable_grain
from stages.figures.run import Run
from tests.runs import random_run


def photographs(n_images: int, size: tuple[int, int], n_classes: int, n_maps: int) -> Run:
    """Smooth random photographs with maps of their most probable classes."""
    small = random_run(n_images, 3, *size, n_maps, output="logits")
    draw = np.random.default_rng(1)
    probabilities = draw.dirichlet(np.full(n_classes, 0.02), n_images).astype(np.float32)
    order = np.argsort(-probabilities, axis=1, kind="stable")
    images = ndimage.gaussian_filter(small.explanation.images.astype(float), (0, 0, 5, 5))
    images = np.clip(128 + 15 * (images - 128), 0, 255).astype(np.uint8)
    base_values, outputs = draw.normal(size=n_classes), draw.normal(size=(n_images, n_classes))
    names = [f"species {number}" for number in range(n_classes)]
    labels = order[:, 0].copy()
    labels[1::3] = order[1::3, 1]
    explanation = replace(
        small.explanation,
        images=images,
        background=images[:1],
        base_values=base_values,
        outputs=outputs,
        probabilities=probabilities,
        classes=order[:, :n_maps],
        labels=labels,
        about={**small.explanation.about, "class_names": names},
    )
    predictions = replace(
        small.predictions, probabilities=probabilities, labels=labels, class_names=tuple(names)
    )
    run = replace(small, explanation=explanation, predictions=predictions)
    return replace(run, grain=readable_grain(size))


def exact_maps(run: Run, image: int) -> np.ndarray[Any, Any]:
    """Maps (m, h, w) of an image."""
    values = run.explanation.values[image].sum(axis=0, dtype=np.float64)
    return values.transpose(2, 0, 1)
