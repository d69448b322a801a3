"""The loops of `in_order.py` as functions of tensors, with the checks that they need.

As in `dispatch.py`, a function returns None where PyTorch has to compute instead.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepshap.kernels import loops
from deepshap.kernels.dispatch import addend, is_suitable
from deepshap.kernels.layout import LANES, Factors, Weight, require, sum_vectors, where
from deepshap.multiplier import Multiplier

_MOST_OUTPUTS = 8
"""Outputs of a depthwise convolution that are computed together, at most."""

_NO_OTHERS = np.empty(0, np.float32), (0, 0, 0, 0), np.empty(0, np.float32), 1
"""The `others` argument of a call that adds nothing."""


def pointwise(
    multiplier: Multiplier,
    weight: Weight,
    stride: tuple[int, int],
    size: tuple[int, int],
    waiting: Multiplier | None = None,
    needed: Tensor | None = None,
) -> Tensor | None:
    """The multiplier of a 1×1 convolution's input, (p or 1, k, c, *size), from its output's.

    The arguments are those of `dispatch.transposed`; there is no padding.
    """
    if not _is_in_order(multiplier, weight.shape[0]):
        return None
    factors = Factors(multiplier)
    panels, *tuples = weight.overlapping_panels(loops.n_registers())
    require(weight.shape[2:] == (1, 1), "the kernel is larger than 1×1")
    require(panels.shape[1] == factors.ratio.shape[3], "the weight reads the wrong channels")
    require(min(stride) >= 1, "a stride is below 1")
    channels = max(weight.shape[1], panels.shape[2])
    planes = _run(
        "pointwise", tuples, factors, (panels, stride), (*size, channels), waiting, needed
    )
    return None if planes is None else planes[:, :, : weight.shape[1]]


def depthwise(
    multiplier: Multiplier,
    weight: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
    size: tuple[int, int],
    waiting: Multiplier | None = None,
    needed: Tensor | None = None,
) -> Tensor | None:
    """The multiplier of a depthwise convolution's input, (p or 1, k, c, *size), from its output's.

    Args:
        multiplier: The multiplier of the convolution's output.
        weight: (height, width, channels) of the kernel, contiguous.
        stride, padding, size, waiting, needed: As for `dispatch.transposed`.
    """
    channels = weight.shape[2]
    if not _is_in_order(multiplier, channels):
        return None
    factors = Factors(multiplier)
    require(weight.dtype == torch.float32 and weight.is_contiguous(), "the weight does not fit")
    require(channels == factors.ratio.shape[3], "the weight reads the wrong channels")
    require(min(stride) >= 1 and min(padding) >= 0, "a stride is below 1 or a padding below 0")
    n_slices = -(-factors.k // min(sum_vectors(loops.n_registers()), _MOST_OUTPUTS))
    outputs = ((0,) * -(-factors.k // n_slices),)
    convolution = weight.numpy(), stride, padding
    return _run("depthwise", outputs, factors, convolution, (*size, channels), waiting, needed)


def _is_in_order(multiplier: Multiplier, channels: int) -> bool:
    """Whether the loops accept a multiplier: no pool behind it, and channels that fill a vector."""
    return is_suitable(multiplier) and multiplier.positions is None and channels >= LANES


def _run(
    name: str,
    sizes: Sequence[tuple[int, ...]],
    factors: Factors,
    convolution: tuple[Any, ...],
    plane: tuple[int, ...],
    waiting: Multiplier | None,
    needed: Tensor | None,
) -> Tensor | None:
    """Run a loop: (p or 1, k, c, h, w) for a plane of height, width and channels."""
    height, width, channels = plane
    needed = needed if factors.n_pairs > 1 else None
    out = np.empty((factors.n_pairs, height, width, factors.k, channels), np.float32)
    others: tuple[Any, ...] = _NO_OTHERS
    if waiting is not None:
        added = addend(waiting, needed, out)
        if added is None:
            return None
        rows, steps, _, *ratios = added
        others = rows, steps, *ratios
    multiplier = factors.rows, factors.steps, factors.ratio, factors.needed
    wanted = where(needed, factors.n_pairs, height, width)
    ending = () if waiting is None else (0, 0)
    if not loops.run(name, (*sizes, ending), *multiplier, *convolution, others, wanted, out):
        return None
    return torch.from_numpy(out).permute(0, 3, 4, 1, 2)
