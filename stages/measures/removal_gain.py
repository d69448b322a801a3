"""Removal gain: does the prediction rest on the pixels that the map calls important?

Pixels are removed in steps, once from the highest attribution down and once from the lowest up. The
area between both curves of the predicted class's probability is the gain: 0 for a map that knows
nothing, since both orders are then alike, at most 1.

Source: symmetric relevance gain, Blücher et al. 2024, arXiv:2401.06654, with pixels of the
background in place of the removed ones.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from stages.measures.base.masking import masked_outputs
from stages.measures.base.subject import Subject, measurable
from stages.networks.parallel import one_core_each

STEPS = 28
N_REFERENCES = 5
ORDERS = ("highest first", "lowest first")
REMOVED = np.arange(STEPS + 1) / STEPS  # share of the pixels after each step


def removal_curves(subject: Subject, maps: NDArray[np.floating]) -> NDArray[np.float64]:
    """The predicted class's probability while pixels are removed.

    Args:
        subject: What was explained.
        maps: Signed attributions to the predicted class (n, h, w), NaN where there are none.

    Returns:
        (n, 2, 29): by order, as in `ORDERS`, and share of the pixels removed, as in `REMOVED`; mean
        over the background images that replace them; NaN where there is no map.
    """
    network = nn.Sequential(subject.network, nn.Softmax(dim=1))
    references = subject.references(N_REFERENCES)
    curves = np.full((len(maps), len(ORDERS), STEPS + 1), np.nan)
    progress = tqdm(
        measurable(maps), desc="removal", unit="image", leave=False, delay=1, disable=None
    )
    with one_core_each(references.device) as run:
        for i in progress:
            keep = torch.from_numpy(_kept(maps[i])).to(references.device).flatten(0, 1)
            outputs = masked_outputs(run, network, subject.image(i), keep, references)
            curves[i] = outputs[:, subject.predicted[i]].view(len(ORDERS), -1).cpu().numpy()
    return curves


def _kept(attributions: NDArray[np.floating]) -> NDArray[np.bool_]:
    """The pixels left (2, 29, h, w) by order and step; equal ones go by their position."""
    n_pixels = attributions.size
    ranks = np.empty((len(ORDERS), n_pixels), np.int64)
    for rank, values in zip(ranks, (-attributions, attributions), strict=True):
        rank[np.argsort(values, axis=None, kind="stable")] = np.arange(n_pixels)
    n_removed = np.arange(STEPS + 1) * n_pixels // STEPS
    return (ranks[:, None] >= n_removed[:, None]).reshape(len(ORDERS), -1, *attributions.shape)


def removal_gain(curves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Area between the curves (n, 2, 29) of the two orders (n,): -1 … 1, higher is better."""
    return np.asarray(np.trapezoid(curves[:, 1] - curves[:, 0], REMOVED, axis=1))
