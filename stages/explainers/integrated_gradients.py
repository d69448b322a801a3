"""Integrated gradients averaged over the background: expected gradients without sampling.

A path leads from each background image to the explained one, so base values and sums equal those
of the other methods. With a single black background image it is the published method.

Source: Sundararajan et al. 2017, arXiv:1703.01365; the mean over the background, Erion et al.
2021, arXiv:1906.10670.
"""

from functools import partial

import torch
from torch import Tensor, nn

from stages.explainers.base.contract import Attribute, Attributions
from stages.networks.parallel import one_core_each

STEPS = 20  # points of a path: the midpoints of equal segments
BATCH_SIZE = 100  # paths at once; affects only memory

VALUES = (
    "share of the output's change from its base value: output units per pixel; they sum to "
    "output minus base value up to the error of 20 steps"
)
ADDS_UP = True


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; `seed` is unused, since nothing is sampled."""

    def attribute(images: Tensor, classes: Tensor) -> Attributions:
        with one_core_each(images.device) as run:
            values = list(run(partial(_attribute_image, network, background), images, classes))
        return Attributions(torch.stack(values).cpu().numpy())

    return attribute


def _attribute_image(
    network: nn.Module, background: Tensor, image: Tensor, classes: Tensor
) -> Tensor:
    """Attributions (c, h, w, m) of an image (c, h, w) to classes (m,)."""
    totals = torch.zeros((len(classes), *image.shape), dtype=image.dtype, device=image.device)
    for start in background.split(BATCH_SIZE):
        change = image - start
        for step in range(STEPS):
            points = (start + (step + 0.5) / STEPS * change).requires_grad_()
            outputs = network(points)[:, classes].sum(dim=0)
            for total, output in zip(totals, outputs, strict=True):
                (gradients,) = torch.autograd.grad(output, points, retain_graph=True)
                total += (change * gradients).sum(dim=0)
    means = totals / (STEPS * len(background))
    return means.movedim(0, -1)
