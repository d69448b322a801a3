"""The loops as functions of tensors. Each checks its arguments before a loop forms an address.

The loops read and write without bounds checks, so every shape, step and dtype is checked here.
Shapes have p pairs of n images and b background images, and k outputs. A function returns None
where PyTorch has to compute instead.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deepshap.kernels import layout, loops
from deepshap.kernels.layout import Factors, Weight, channels_last, require
from deepshap.multiplier import Multiplier

_LEAST_WORK = 16
"""Multiply-adds of vectors below which listing an entry costs more than multiplying zeros."""

_FEW_OUTPUTS = 4
"""Outputs up to which listing a 1×1 convolution's multipliers costs more than it saves.

With four outputs, the loop without lists takes less time if six ratios in ten are not 0, and up
to a third more if a quarter are not. With ten outputs, it takes up to twice as long.
"""

_NO_OTHERS = np.empty(0, np.float32), (0, 0, 0, 0), 1, np.empty(0, np.float32), 1
"""The `others` argument of a call that writes its result as it is."""


def transposed(
    multiplier: Multiplier,
    weight: Weight,
    stride: tuple[int, int],
    padding: tuple[int, int],
    size: tuple[int, int],
    waiting: Multiplier | None = None,
    needed: Tensor | None = None,
) -> Tensor | None:
    """The multiplier of a convolution's input, (p or 1, k, c, *size), from its output's.

    Args:
        multiplier: The multiplier of the convolution's output.
        weight: The convolution's weight.
        stride: Vertical and horizontal stride.
        padding: Vertical and horizontal padding.
        size: Height and width of the input.
        waiting: A multiplier of the input to which the result is added.
        needed: Where to compute, (p or 1, *size); everywhere for None. The rest is undefined. It is
            ignored if all pairs share one result.
    """
    if not is_suitable(multiplier):
        return None
    factors = Factors(multiplier)
    needed = needed if factors.n_pairs > 1 else None
    panels, *tuples = weight.panels(factors.k, loops.n_registers())
    written = weight.shape[1]
    reach = stride[1] * factors.plane[1] + size[1] + padding[1]
    lines = panels[0].size // panels.shape[3] * reach
    if not factors.fits_32_bits or lines >= layout.OFFSET_LIMIT:
        return None
    if not _is_listed(multiplier, weight):
        return None
    channels_read = weight.groups * panels.shape[4]
    require(channels_read == factors.ratio.shape[3], "the weight reads the wrong channels")
    require(min(stride) >= 1 and min(padding) >= 0, "a stride is below 1 or a padding below 0")
    channels = len(panels) * panels.shape[5]
    if written < layout.LANES and waiting is None and factors.plane != (1, 1):
        channels = written  # each output replaces what the vector before it wrote beyond them
    out = layout.room((factors.n_pairs, *size, factors.k, channels))
    convolution = factors.window, factors.plane, panels, stride, padding
    others = _NO_OTHERS if waiting is None else addend(waiting, needed, out)
    if others is None:
        return None
    where = layout.where(needed, factors.n_pairs, *size)
    settings = *convolution, factors.k, (0, factors.n_pairs), others, where
    ending = () if waiting is None else (0, 0)
    if not loops.run(
        "transposed", (*tuples, factors.known_step, ending), *factors.arrays, *settings, out
    ):
        return None
    return torch.from_numpy(out)[..., : weight.groups * written].permute(0, 3, 4, 1, 2)


def _is_listed(multiplier: Multiplier, weight: Weight) -> bool:
    """Whether lists pay for a convolution, and its groups fill panels."""
    _, written, *kernel = weight.shape
    work = math.prod(kernel) * -(-written // layout.LANES) * multiplier.rows.shape[1]
    if multiplier.ratio is not None and work < _LEAST_WORK:
        return False
    return weight.groups == 1 or written % layout.LANES == 0


def is_worth_listing(multiplier: Multiplier, weight: Weight) -> bool:
    """Whether listing a 1×1 convolution's multipliers costs less than multiplying all in order.

    Without ratios, all pairs share one list.
    """
    if multiplier.positions is not None or multiplier.ratio is None:
        return True
    k = multiplier.rows.shape[1]
    return k > _FEW_OUTPUTS and -(-weight.shape[1] // layout.LANES) * k >= _LEAST_WORK


def contracted(
    multiplier: Multiplier,
    weight: Weight,
    images: Tensor,
    background: Tensor,
    pieces: Sequence[slice],
    step: tuple[int, int],
    plane: tuple[int, int],
) -> list[Tensor] | None:
    """Sums over pieces of the background of (x - b) times a first convolution's multiplier.

    Args:
        multiplier: The multiplier of the convolution's output.
        weight: The convolution's weight as seen from each position of a window, (c, channels *
            height * width of a patch, 1, positions of the window).
        images: The images under the patch of each position, (n, h, w, channels, height, width).
        background: The background images, likewise, (b, h, w, channels, height, width).
        pieces: Slices of the background.
        step: Vertical and horizontal distance from one patch to the next.
        plane: Height and width of an image with its padding.

    Returns:
        (n, k, channels, *plane) for each piece.
    """
    if not is_suitable(multiplier):
        return None
    factors = Factors(multiplier)
    panels, *tuples = weight.panels(factors.k, loops.n_registers())
    n, (b, h, w, channels, *patch) = len(images), background.shape
    require(factors.n_pairs in {1, n * b}, f"{factors.n_pairs} pairs of {n} images and {b} others")
    require(weight.groups == 1, "the weight has groups")
    n_window, channels_read = factors.window_size, factors.ratio.shape[3]
    require(panels.shape[1:5] == (1, 1, n_window, channels_read), "the weight has the wrong shape")
    require(int(factors.offset.max(initial=0)) < n_window, "an offset is outside its window")
    require(images.shape[1:] == background.shape[1:], "images and background differ in shape")
    require((h, w) == factors.ratio.shape[1:3], "the patches are at other positions")
    require(weight.shape[1] == channels * math.prod(patch), "the patches have the wrong size")
    _check_patches((h, w), step, patch, plane)
    columns = panels[0].size // n_window * (n_window + w)
    if not factors.fits_32_bits or columns >= layout.OFFSET_LIMIT:
        return None
    valid = all(0 <= piece.start < piece.stop <= b and piece.step in {None, 1} for piece in pieces)
    require(valid, "a piece reaches beyond the background, or has gaps")
    bounds = np.array([[piece.start, piece.stop] for piece in pieces], np.int64).reshape(-1, 2)
    out = np.zeros((len(pieces), n, factors.k, channels, *plane), np.float32)
    missing = len(panels) * panels.shape[5] - weight.shape[1]
    under, others = (
        F.pad(patches.flatten(3).float(), (0, missing)).contiguous().numpy()
        for patches in (images, background)
    )
    panels = panels.reshape(len(panels), n_window, 1, 1, *panels.shape[4:])
    settings = panels, under, others, bounds, step, tuple(patch), out
    if not loops.run("contracted", (*tuples, factors.known_step, (0,)), *factors.arrays, *settings):
        return None
    return list(torch.from_numpy(out))


def pool_ratios(
    multiplier: Multiplier, image: Sequence[Tensor], background: Sequence[Tensor]
) -> tuple[Tensor, Tensor] | None:
    """A multiplier's ratio times that of max pooling, and its positions in windows.

    Args:
        multiplier: The multiplier of the pool's output.
        image: The pool's inputs in float64, (n, c, height, width), and its outputs,
            (n, c, h, w); then each output's position in its plane, int64, and in its window,
            uint8.
        background: The same tensors for the background.

    Returns:
        (p, 1, c, h, w) each, float32 and uint8; 0 where the multiplier is not needed.
    """
    if not is_suitable(multiplier) or multiplier.positions is not None:
        return None
    sides = [
        [channels_last(tensor).flatten(1, 2).numpy() for tensor in side]
        for side in (image, background)
    ]
    _check_pool(sides)
    for side in sides:
        side[2] = side[2].view(np.uint64)
    c, h, w = image[1].shape[1:]
    pairs = len(image[0]) * len(background[0])
    scale = torch.ones(1, 1, 1, 1, 1) if multiplier.ratio is None else multiplier.ratio
    require(scale.dtype == torch.float32, "the ratio has the wrong dtype")
    require(len(scale) in {1, pairs} and scale.shape[1] == 1, "the ratio does not fit the pairs")
    scaling = channels_last(scale[:, 0].expand(-1, c, h, w)).flatten(1, 2).numpy()
    needed = layout.where(multiplier.needed, pairs, h, w).reshape(h * w, -1)
    ratio, offset = (np.empty((pairs, h * w, c), dtype) for dtype in (np.float32, np.uint8))
    if not loops.run("pool_ratios", *sides[0], *sides[1], scaling, needed, ratio, offset):
        return None
    return _planes(ratio, image[1]), _planes(offset, image[1])


def relu_ratios(multiplier: Multiplier, x: Tensor, b: Tensor) -> Tensor | None:
    """Ratios of ReLU for all pairs of inputs (n, c, h, w) and (b, c, h, w): (p, 1, c, h, w)."""
    if not is_suitable(multiplier):
        return None
    alike = x.shape[1:] == b.shape[1:] and x.dtype == b.dtype == torch.float32
    require(alike, "the inputs of both sides differ")
    ratio = np.empty((len(x), len(b), x[0].numel()), np.float32)
    sides = (channels_last(side).flatten(1).numpy() for side in (x, b))
    if not loops.run("relu_ratios", *sides, ratio):
        return None
    return _planes(ratio, x)


def is_suitable(multiplier: Multiplier) -> bool:
    """Whether the loops accept a multiplier: float32 planes on a CPU."""
    rows, positions = multiplier.rows, multiplier.positions
    return (
        rows.dtype == torch.float32
        and rows.device.type == "cpu"
        and rows.ndim == 5
        and (positions is None or positions.window is not None)
        and bool(loops.available())
    )


def addend(waiting: Multiplier, needed: Tensor | None, out: NDArray[Any]) -> tuple[Any, ...] | None:
    """A multiplier as `others` of a loop that adds it to `out`, or None if it cannot.

    The loop reads whole panels.
    """
    if not is_suitable(waiting) or waiting.positions is not None:
        return None
    if waiting.needed is not None and (needed is None or bool((needed > waiting.needed).any())):
        return None
    factors = Factors(waiting)
    n_ratios, *sides, channels = factors.ratio.shape
    if channels != out.shape[4] or factors.n_pairs not in {1, len(out)}:
        return None
    require((*sides, factors.k) == out.shape[1:4], "the multipliers have different shapes")
    return factors.rows, factors.steps, 1, factors.ratio.reshape(-1), n_ratios


def _check_patches(
    counts: tuple[int, int], step: tuple[int, int], patch: list[int], plane: tuple[int, int]
) -> None:
    sides = zip(counts, step, patch, plane, strict=True)
    fits = all((count - 1) * far + size <= whole for count, far, size, whole in sides)
    require(min(step) >= 1 and fits, "patches reach beyond the image")


def _check_pool(sides: list[list[NDArray[Any]]]) -> None:
    """Check both sides of a max pool: inputs, outputs, positions and offsets, (., ., c) each."""
    (x, *outputs), (b, *outputs_b) = sides
    require(
        len({t.shape for t in outputs}) == len({t.shape for t in outputs_b}) == 1,
        "outputs, positions and offsets differ in shape",
    )
    require(outputs[0].shape[1:] == outputs_b[0].shape[1:], "the outputs of both sides differ")
    same_channels = x.shape[1:] == b.shape[1:] and x.shape[2] == outputs[0].shape[2]
    require(same_channels, "the inputs of both sides differ")
    dtypes = {values.dtype for values in (x, b, outputs[0], outputs_b[0])}
    require(dtypes == {np.dtype(np.float64)}, "inputs or outputs are not float64")
    for _, position, within in (outputs, outputs_b):
        dtypes_fit = position.dtype == np.int64 and within.dtype == np.uint8
        require(dtypes_fit, "positions or offsets have the wrong dtype")
        furthest = position.view(np.uint64).max(initial=0)  # negative ones become large
        inside = position.size == 0 or furthest < x.shape[1]
        require(bool(inside), "a position is outside its plane")
    require(
        len(x) == len(outputs[0]) and len(b) == len(outputs_b[0]),
        "inputs and outputs have different numbers of images",
    )


def _planes(values: NDArray[Any], like: Tensor) -> Tensor:
    """(n, b, h * w * c) -> (n * b, 1, c, h, w)."""
    _, c, h, w = like.shape
    return torch.from_numpy(values).view(-1, 1, h, w, c).movedim(-1, 2)
