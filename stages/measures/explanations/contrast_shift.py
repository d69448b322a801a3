"""Contrast shift: do two classes' maps show which pixels separate the classes?

The pixels with the highest attribution to the predicted class minus that to the runner-up are
replaced by background pixels; the shift is the resulting loss of margin between the two logits.

Source: the change of log-odds of Shrikumar et al. 2017, arXiv:1704.02685, section 4.1.
"""

import numpy as np
import torch
from numpy.typing import NDArray

from stages.measures.explanations.base.contract import Measured
from stages.measures.explanations.base.subject import Subject, measurable
from stages.networks.parallel import Map

DESCRIPTION = (
    "share of the margin to the runner-up that is lost when the pixels that favour the predicted "
    "class most are replaced; above 1 the runner-up wins"
)
BETTER = "higher"
HEADLINE = 2

REPLACED = 6, 28  # six in 28 pixels


def measure(measured: Measured) -> NDArray[np.float64]:
    """Contrast shift of each image (n,); NaN where no class can be contrasted with another."""
    if not measured.subject.contrasts:
        return np.full(len(measured.maps.contrast), np.nan)
    return contrast_shift(measured.subject, measured.maps.contrast)


def contrast_shift(subject: Subject, contrasts: NDArray[np.floating]) -> NDArray[np.float64]:
    """Loss of margin, as a share of the mean margin.

    Args:
        subject: The explained network and images.
        contrasts: Attributions to the predicted class minus those to the runner-up (n, h, w), NaN
            for an image without both maps.

    Returns:
        (n,): 0 if nothing is lost, 1 if the mean margin is, more if the runner-up wins; NaN where
        an image has no map or the plan leaves it out, and everywhere if the mean margin is 0.
    """
    margins, losses = np.full((2, len(contrasts)), np.nan)
    measured = measurable(contrasts[: subject.plan.n_images])

    def compute(run: Map, index: int) -> NDArray[np.float64]:
        contrast = contrasts[index]
        keep = np.stack([np.ones_like(contrast, bool), _kept(contrast)])
        references = subject.references_of(index)
        masks = torch.from_numpy(keep)
        logits = subject.masked_outputs(run, "logits", index, masks, references)
        margin = logits[:, subject.predicted[index]] - logits[:, subject.runner_up[index]]
        return margin.cpu().numpy()

    inputs = (contrasts[index] for index in measured)  # one by one: may be larger than memory
    rows = subject.rows("contrast", measured.tolist(), compute, *inputs)
    for index, (margin, remaining) in zip(measured, rows, strict=True):
        margins[index], losses[index] = margin, margin - remaining
    known = margins[~np.isnan(margins)]
    mean_margin = known.mean() if len(known) else 0.0
    return losses / mean_margin if mean_margin > 0 else np.full(len(contrasts), np.nan)


def _kept(contrast: NDArray[np.floating]) -> NDArray[np.bool_]:
    """The pixels (h, w) that are not replaced; of equal ones, the first are replaced."""
    keep = np.ones(contrast.size, bool)
    replaced, total = REPLACED
    n_replaced = contrast.size * replaced // total
    keep[np.argsort(-contrast, axis=None, kind="stable")[:n_replaced]] = False
    return keep.reshape(contrast.shape)
