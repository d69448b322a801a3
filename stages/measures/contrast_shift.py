"""Contrast shift: do two classes' maps say which pixels tell the classes apart?

The pixels that speak most for the predicted class against the runner-up are replaced by the
background's; the shift is what the margin between both logits loses.

Source: the change of log-odds of Shrikumar et al. 2017, arXiv:1704.02685, section 4.1.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from stages.measures.base.masking import masked_outputs
from stages.measures.base.subject import Subject, measurable
from stages.networks.parallel import one_core_each

N_REFERENCES = 5
REPLACED = 6, 28  # six of 28 parts of the pixels


def contrast_shift(subject: Subject, contrasts: NDArray[np.floating]) -> NDArray[np.float64]:
    """What the margin loses, as a share of the mean margin; higher is better.

    Args:
        subject: What was explained.
        contrasts: Attributions to the predicted class minus those to the runner-up (n, h, w), NaN
            where there are none.

    Returns:
        (n,): 0 if nothing is lost, 1 if the mean margin is, more if the runner-up wins; NaN where
        there is no map, and everywhere if the mean margin is 0.
    """
    references = subject.references(N_REFERENCES)
    margins, losses = np.full((2, len(contrasts)), np.nan)
    progress = tqdm(
        measurable(contrasts), desc="contrast", unit="image", leave=False, delay=1, disable=None
    )
    with one_core_each(references.device) as run:
        for i in progress:
            keep = np.stack([np.ones_like(contrasts[i], bool), _kept(contrasts[i])])
            masks = torch.from_numpy(keep).to(references.device)
            logits = masked_outputs(run, subject.network, subject.image(i), masks, references)
            margin = logits[:, subject.predicted[i]] - logits[:, subject.runner_up[i]]
            margins[i], losses[i] = margin[0].item(), (margin[0] - margin[1]).item()
    known = margins[~np.isnan(margins)]
    mean_margin = known.mean() if len(known) else 0.0
    return losses / mean_margin if mean_margin > 0 else np.full(len(contrasts), np.nan)


def _kept(contrast: NDArray[np.floating]) -> NDArray[np.bool_]:
    """All pixels (h, w) but the highest; equal ones go by their position."""
    keep = np.ones(contrast.size, bool)
    part, whole = REPLACED
    n_replaced = contrast.size * part // whole
    keep[np.argsort(-contrast, axis=None, kind="stable")[:n_replaced]] = False
    return keep.reshape(contrast.shape)
