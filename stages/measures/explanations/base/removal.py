"""Removal curves: the predicted class's probability while pixels are removed.

Pixels are removed in steps, once from the highest attribution down and once from the lowest up;
pixels of the background replace them.

Source: symmetric relevance gain, Blücher et al. 2024, arXiv:2401.06654.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from stages.measures.explanations.base.subject import Subject, measurable
from stages.networks.parallel import Map

STEPS = 28
ORDERS = ("highest first", "lowest first")
REMOVED = np.arange(STEPS + 1) / STEPS  # share of the pixels after each step


def removal_curves(subject: Subject, maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """The predicted class's probability while pixels are removed.

    Args:
        subject: The explained network and images.
        maps: Signed attributions to the predicted class (n, h, w), NaN for an image without a map.

    Returns:
        (n, 2, 29): by order, as in `ORDERS`, and share of the pixels removed, as in `REMOVED`; mean
        over the background images that replace them; NaN for an image without a map or
        one that the plan leaves out.
    """
    curves = np.full((len(maps), len(ORDERS), STEPS + 1), np.nan)
    measured = measurable(maps[: subject.plan.n_images])

    def compute(run: Map, index: int) -> NDArray[np.float64]:
        keep = torch.from_numpy(_kept(maps[index])).flatten(0, 1)
        references = subject.references_of(index)
        outputs = subject.masked_outputs(run, "probabilities", index, keep, references)
        probabilities = outputs[:, subject.predicted[index]]
        return probabilities.view(len(ORDERS), -1).cpu().numpy()

    inputs = (maps[index] for index in measured)  # one by one: may be larger than memory
    rows = subject.rows("removal", measured.tolist(), compute, *inputs)
    for index, curve in zip(measured, rows, strict=True):
        curves[index] = curve
    return curves


def _kept(attributions: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Pixels not yet removed (2, 29, h, w), by order and step; of equals, the first go first."""
    n_pixels = attributions.size
    ranks = np.empty((len(ORDERS), n_pixels), np.int64)
    for rank, values in zip(ranks, (-attributions, attributions), strict=True):
        rank[np.argsort(values, axis=None, kind="stable")] = np.arange(n_pixels)
    n_removed = np.arange(STEPS + 1) * n_pixels // STEPS
    return (ranks[:, None] >= n_removed[:, None]).reshape(len(ORDERS), -1, *attributions.shape)
