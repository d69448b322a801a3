"""Multipliers, convolutions and activations for the loops, drawn by Hypothesis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from deepshap.multiplier import Multiplier, Positions

from . import literal


@dataclass(frozen=True)
class Case:
    """A multiplier as the engine passes it, and the same in the terms of `literal`."""

    multiplier: Multiplier
    factors: literal.Factors

    @property
    def k(self) -> int:
        return self.factors.rows.shape[1]


def generator(draw: st.DrawFn) -> np.random.Generator:
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1)))


@st.composite
def cases(
    draw: st.DrawFn,
    n_pairs: int,
    k: int,
    *,
    most_channels: int = 70,
    longest: int = 7,
    channels: int | None = None,
    windows: Sequence[tuple[int, int] | None] = (None, (1, 1), (2, 2), (3, 2)),
) -> Case:
    """Multipliers of planes, with rows in any memory order, behind a pool or not."""
    rng = generator(draw)
    h, w = draw(st.integers(1, longest)), draw(st.integers(1, longest))
    c = channels or draw(st.integers(1, most_channels))
    window = draw(st.sampled_from(windows))
    n_rows, n_ratios, n_offsets = (draw(st.sampled_from([1, n_pairs])) for _ in range(3))
    rows = rng.normal(size=(n_rows, k, c, h, w)).astype(np.float32)
    stored = laid_out(draw, torch.from_numpy(rows))
    if draw(st.booleans()):
        stored = stored.expand(n_pairs if n_rows == 1 else n_rows, -1, -1, -1, -1)
    ratio = None
    if draw(st.integers(0, 3)):
        sides = [draw(st.sampled_from([1, side])) for side in (c, h, w)]
        sides = sides if draw(st.booleans()) else [c, h, w]
        ratio = rng.normal(size=(n_ratios, 1, *sides)).astype(np.float32)
        ratio *= rng.random(ratio.shape) < draw(st.sampled_from([0, 0.2, 0.5, 1]))
    positions, plane = None, (h, w)
    offset = np.zeros((1, 1, c, h, w), np.uint8)
    if window is not None:
        beyond = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        plane = h * window[0] + beyond[0], w * window[1] + beyond[1]
        offset = rng.integers(0, math.prod(window), (n_offsets, 1, c, h, w), np.uint8)
        positions = Positions(laid_out(draw, torch.from_numpy(offset)), plane, window)
    kept = None if ratio is None else laid_out(draw, torch.from_numpy(ratio))
    ones = np.ones((1, 1, 1, 1, 1)) if ratio is None else ratio.astype(np.float64)
    full = stored.numpy().astype(np.float64)
    factors = literal.Factors(full, ones, offset.astype(np.int64), window or (1, 1), plane)
    return Case(Multiplier(stored, kept, positions), factors)


def laid_out(draw: st.DrawFn, values: Tensor) -> Tensor:
    """The same values in some memory order, perhaps as a view with gaps."""
    order = draw(st.permutations(range(values.ndim)))
    back = [order.index(axis) for axis in range(values.ndim)]
    if draw(st.booleans()):
        return values.permute(*order).contiguous().permute(*back)
    steps = [draw(st.sampled_from([1, 2])) for _ in order]
    sides = [2 + step * values.shape[axis] for axis, step in zip(order, steps, strict=True)]
    other = torch.nan if values.is_floating_point() else 0xA5
    slices = [
        slice(1, 1 + step * values.shape[axis], step)
        for axis, step in zip(order, steps, strict=True)
    ]
    view = torch.full(sides, other, dtype=values.dtype)[tuple(slices)].permute(*back)
    return view.copy_(values)


@st.composite
def transpositions(draw: st.DrawFn, k: int, written: int) -> dict[str, Any]:
    """A case, and a convolution whose input is as large as the case needs, or a little larger."""
    case = draw(cases(draw(st.integers(1, 4)), k))
    kernel, settings = draw(convolutions(case))
    weight = generator(draw).normal(size=(case.factors.rows.shape[2], written, *kernel))
    return {"case": case, "weight": weight.astype(np.float32), **settings}


@st.composite
def convolutions(draw: st.DrawFn, case: Case) -> tuple[tuple[int, ...], dict[str, Any]]:
    """The kernel of a convolution with such an output, and its stride, padding and input size."""
    kernel, stride = (tuple(draw(st.integers(1, most)) for _ in range(2)) for most in (4, 3))
    padding = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    return kernel, placed(draw, case, kernel, stride, padding)


def placed(
    draw: st.DrawFn, case: Case, kernel: Any, stride: Any, padding: tuple[int, int]
) -> dict[str, Any]:
    """The settings of a convolution whose input is as large as the case needs, or larger."""
    sides = zip(case.factors.plane, stride, kernel, padding, strict=True)
    size = tuple(
        max(1, (side - 1) * step + tap - 2 * pad + draw(st.integers(0, 2)))
        for side, step, tap, pad in sides
    )
    return {"stride": stride, "padding": padding, "size": size}


@st.composite
def in_groups(draw: st.DrawFn, k: int, groups: int, read: int, written: int) -> dict[str, Any]:
    """A case, and a convolution in groups that read and write so many channels each."""
    case = draw(cases(draw(st.integers(1, 4)), k, channels=groups * read))
    kernel, settings = draw(convolutions(case))
    weight = generator(draw).normal(size=(groups * read, written, *kernel)).astype(np.float32)
    return {"case": case, "weight": weight, "groups": groups, **settings}


@st.composite
def alone(draw: st.DrawFn, k: int) -> dict[str, Any]:
    """A case without a pool, and a depthwise convolution."""
    c = draw(st.integers(16, 50))
    case = draw(cases(draw(st.integers(1, 4)), k, channels=c, windows=[None]))
    kernel, settings = draw(convolutions(case))
    return {"case": case, "weight": generator(draw).normal(size=(c, 1, *kernel)), **settings}


@st.composite
def pointwise(draw: st.DrawFn, k: int, written: int) -> dict[str, Any]:
    """A case without a pool, and a 1×1 convolution without padding."""
    c = draw(st.integers(16, 50))
    case = draw(cases(draw(st.integers(1, 4)), k, channels=c, windows=[None]))
    stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    settings = placed(draw, case, (1, 1), stride, (0, 0))
    weight = generator(draw).normal(size=(c, written, 1, 1)).astype(np.float32)
    return {"case": case, "weight": weight, **settings}


def channels_in(n_vectors: int) -> st.SearchStrategy[int]:
    """Numbers of channels that need this many vectors; the last vector may be partly filled."""
    return st.integers(16 * n_vectors - 15, min(16 * n_vectors, 70))


PATCHES: dict[int, list[tuple[int, int, int]]] = {
    n: [
        (channels, tall, wide)
        for channels in (1, 2, 3)
        for tall in range(1, 7)
        for wide in range(1, 7)
        if -(-channels * tall * wide // 16) == n
    ]
    for n in range(1, 6)
}
"""Channels, height and width of patches, by the number of vectors that they need."""


@st.composite
def contractions(draw: st.DrawFn, k: int, n_vectors: int) -> dict[str, Any]:
    """A case of images and background images, and a convolution that reads them."""
    n, b = draw(st.sampled_from([(1, 1), (1, 2), (2, 1), (1, 3), (2, 2), (1, 4)]))
    case = draw(cases(n * b, k, most_channels=40, longest=4))
    step = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    channels, *patch = draw(st.sampled_from(PATCHES[n_vectors]))
    sides = zip(case.factors.rows.shape[3:], step, patch, strict=True)
    image = [(side - 1) * far + size + draw(st.integers(0, 2)) for side, far, size in sides]
    rng = generator(draw)
    window = math.prod(case.factors.window)
    weight = rng.normal(size=(case.factors.rows.shape[2], window, channels, *patch))
    ends = st.lists(st.integers(0, b), min_size=2, max_size=2, unique=True).map(sorted)
    return {
        "case": case,
        "weight": weight.astype(np.float32),
        "images": rng.random((n, channels, *image), np.float32),
        "background": rng.random((b, channels, *image), np.float32),
        "pieces": [slice(*piece) for piece in draw(st.lists(ends, min_size=1, max_size=3))],
        "step": step,
    }


@st.composite
def activations(
    draw: st.DrawFn,
) -> tuple[literal.Array, literal.Array, tuple[int, int]]:
    """Planes of images and background images, with or without ties, and windows that fit."""
    rng = generator(draw)
    window = draw(st.sampled_from([(1, 1), (2, 2), (3, 2), (1, 4)]))
    plane = [side * draw(st.integers(1, 4)) + draw(st.integers(0, side - 1)) for side in window]
    c = draw(st.integers(1, 70))
    shapes = [(draw(st.integers(1, 3)), c, *plane) for _ in range(2)]
    if draw(st.booleans()):
        x, b = (rng.integers(-2, 3, shape).astype(np.float64) for shape in shapes)
    else:
        x, b = (rng.normal(size=shape) for shape in shapes)
    return x, b, window


@st.composite
def kept(draw: st.DrawFn, planes: literal.Array, window: tuple[int, int]) -> list[Tensor]:
    """The tensors that a max pool saves of one side, in any memory order."""
    pooled = literal.pooled(planes, window)
    arrays = planes, pooled.largest, pooled.index, pooled.offset
    return [laid_out(draw, torch.from_numpy(array)) for array in arrays]
