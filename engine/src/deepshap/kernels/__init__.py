"""Skip the zeros behind ReLU and max pooling, by compiled loops where numba is installed.

Each function returns None where PyTorch has to compute instead: without numba, on other devices, in
other dtypes, where pooling windows overlap, and where a list would cost more. Every shape, step and
dtype is checked here, before a loop forms an address. Shapes have p pairs of n images and b
background images, k outputs.
"""

import functools
import importlib.util
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deepshap.multiplier import Multiplier

LANES = 16
"""Numbers in a vector. Where the processor's are shorter, several take the place of one."""

_REGISTERS = 26
"""Sums that stay in registers, of the 32 that a processor with AVX-512 has."""

_MOST_VECTORS = 4
"""Of a block of channels: with more, too few outputs would share a weight that is read."""

_LEAST_WORK = 16
"""Multiply-adds of vectors below which it costs more to list an entry than to multiply zeros."""

_FARTHEST = 2**31
"""Offsets in weights are below it: they take 32 bits, with a sign."""

_NO_CHANGE = np.empty(0, np.float32), np.empty(0, np.float32), 1
"""The `change` of a call that writes instead of adding: never read."""

_FAILED: set[str] = set()
"""Loops that cannot be compiled here."""


class Weight:
    """A constant weight (c read, c written, height, width), laid out as the loops read it."""

    def __init__(self, weight: Tensor) -> None:
        self.shape = weight.shape
        self._weight = weight
        self._blocks: dict[int, NDArray[np.float32]] = {}

    def blocks(self, k: int) -> tuple[NDArray[np.float32], tuple[int, ...], tuple[int, ...]]:
        """In blocks of channels whose sums for k outputs fit the registers.

        Returns:
            (blocks, 1 for the window, height, width, c read, 16 * vectors), padded with zeros; and
            two tuples whose lengths are the outputs computed together and the vectors of a block.
        """
        _require(self._weight.dtype == torch.float32, "a weight of another dtype")
        read, written, *kernel = self.shape
        in_all = -(-written // LANES)
        n_vectors, n_outputs = min(_sizes(k), key=lambda sizes: _cost(in_all, k, *sizes))
        if n_vectors not in self._blocks:
            full = self._weight.new_zeros(
                -(-in_all // n_vectors) * n_vectors * LANES, read, *kernel
            )
            full[:written] = self._weight.transpose(0, 1)
            blocks = torch.unflatten(full, 0, (-1, n_vectors * LANES)).permute(0, 3, 4, 2, 1)
            self._blocks[n_vectors] = blocks.contiguous().unsqueeze(1).numpy()
        return self._blocks[n_vectors], (0,) * n_outputs, (0,) * n_vectors


def _sizes(k: int) -> Iterator[tuple[int, int]]:
    """How many vectors and outputs a block may have, of k outputs cut into equal parts."""
    for n_vectors in range(1, _MOST_VECTORS + 1):
        n_parts = -(-k // (_REGISTERS // n_vectors))
        yield n_vectors, -(-k // n_parts)


def _cost(in_all: int, k: int, n_vectors: int, n_outputs: int) -> float:
    """Cycles that one entry of the list takes in all blocks: a multiply-add, or two reads, each."""
    n_blocks = -(-in_all // n_vectors) * -(-k // n_outputs)
    reads = n_vectors + n_outputs
    return n_blocks * (n_vectors * n_outputs + n_vectors + reads / 2)


def transposed(
    multiplier: Multiplier,
    weight: Weight,
    stride: tuple[int, int],
    padding: tuple[int, int],
    size: tuple[int, int],
) -> Tensor | None:
    """The multiplier of a convolution's input, (p or 1, k, c, *size), from that of its output."""
    if not _suits(multiplier):
        return None
    its = _Factors(multiplier)
    blocks, *tuples = weight.blocks(its.k)
    work = math.prod(weight.shape[2:]) * len(blocks) * len(tuples[1]) * its.k
    if multiplier.ratio is not None and work < _LEAST_WORK:
        return None
    far = blocks[0].size // blocks.shape[3] * (stride[1] * its.plane[1] + size[1] + padding[1])
    if not its.is_near or far >= _FARTHEST:
        return None
    _require(blocks.shape[4] == its.ratio.shape[3], "a weight for other channels")
    _require(min(stride) >= 1 and min(padding) >= 0, "a stride below 1 or a padding below 0")
    out = np.empty((its.n_pairs, *size, its.k, len(blocks) * blocks.shape[5]), np.float32)
    settings = its.window, its.plane, blocks, stride, padding, its.k, (0, its.n_pairs), _NO_CHANGE
    if not _run("transposed", (*tuples, its.apart, ()), *its.arrays, *settings, out):
        return None
    return torch.from_numpy(out)[..., : weight.shape[1]].permute(0, 3, 4, 1, 2)


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
        multiplier: Of the convolution's output.
        weight: The convolution's weight as seen from each position of a window, (c, channels *
            height * width of a patch, 1, positions of the window).
        images: What lies under the patch of each position, (n, h, w, channels, height, width).
        background: Likewise (b, h, w, channels, height, width).
        pieces: Of the background.
        step: From one patch to the next, vertical and horizontal.
        plane: Height and width of an image with its padding.

    Returns:
        (n, k, channels, *plane) for each piece.
    """
    if not _suits(multiplier):
        return None
    its = _Factors(multiplier)
    blocks, *tuples = weight.blocks(its.k)
    n, (b, h, w, channels, *patch) = len(images), background.shape
    _require(its.n_pairs in {1, n * b}, f"{its.n_pairs} pairs of {n} images and {b} others")
    n_window, channels_read = math.prod(its.window), its.ratio.shape[3]
    _require(blocks.shape[1:5] == (1, 1, n_window, channels_read), "another weight")
    _require(int(its.offset.max(initial=0)) < n_window, "an offset outside its window")
    _require(images.shape[1:] == background.shape[1:], "images unlike the background")
    _require((h, w) == its.ratio.shape[1:3], "patches at other positions")
    _require(weight.shape[1] == channels * math.prod(patch), "patches of another size")
    ends = zip((h, w), step, patch, plane, strict=True)
    fits = all((count - 1) * far + size <= whole for count, far, size, whole in ends)
    _require(min(step) >= 1 and fits, "patches beyond the image")
    if not its.is_near or blocks[0].size // n_window * (n_window + w) >= _FARTHEST:
        return None
    whole = all(0 <= piece.start < piece.stop <= b and piece.step in {None, 1} for piece in pieces)
    _require(whole, "pieces beyond the background, or with gaps")
    bounds = np.array([[piece.start, piece.stop] for piece in pieces], np.int64).reshape(-1, 2)
    out = np.zeros((len(pieces), n, its.k, channels, *plane), np.float32)
    missing = len(blocks) * blocks.shape[5] - weight.shape[1]
    under, others = (
        F.pad(patches.flatten(3).float(), (0, missing)).contiguous().numpy()
        for patches in (images, background)
    )
    blocks = blocks.reshape(len(blocks), n_window, 1, 1, *blocks.shape[4:])
    settings = blocks, under, others, bounds, step, tuple(patch), out
    if not _run("contracted", (*tuples, its.apart, (0,)), *its.arrays, *settings):
        return None
    return list(torch.from_numpy(out))


def pool_ratios(
    multiplier: Multiplier, image: Sequence[Tensor], background: Sequence[Tensor]
) -> tuple[Tensor, Tensor] | None:
    """Ratios and positions of max pooling for all pairs, (p, 1, c, h, w), float32 and uint8.

    Args:
        multiplier: Of the pool's output.
        image: Inputs of the pool in float64 and outputs, (n, c, ., .); the position of each output
            in its plane, int64, and in its window, uint8.
        background: The same of the background.
    """
    if not _suits(multiplier):
        return None
    sides = [
        [_channels_last(tensor).flatten(1, 2) for tensor in side] for side in (image, background)
    ]
    (x, *outputs), (b, *outputs_b) = sides
    _require(
        len({t.shape for t in outputs}) == len({t.shape for t in outputs_b}) == 1,
        "outputs, positions and offsets of different shapes",
    )
    _require(outputs[0].shape[1:] == outputs_b[0].shape[1:], "outputs unlike the background's")
    _require(x.shape[1:] == b.shape[1:] and x.shape[2] == outputs[0].shape[2], "unlike inputs")
    dtypes = {values.dtype for values in (x, b, outputs[0], outputs_b[0])}
    _require(dtypes == {torch.float64}, "inputs or outputs that are not float64")
    for _, place, within in (outputs, outputs_b):
        _require((place.dtype, within.dtype) == (torch.int64, torch.uint8), "other positions")
        inside = place.numel() == 0 or (place.min() >= 0 and place.max() < x.shape[1])
        _require(bool(inside), "a position outside its plane")
    _require(
        len(x) == len(outputs[0]) and len(b) == len(outputs_b[0]),
        "inputs and outputs of different numbers of images",
    )
    ratio = np.empty((len(x), len(b), outputs[0][0].numel()), np.float32)
    offset = np.empty(ratio.shape, np.uint8)
    rows: list[NDArray[Any]] = []
    for values, (y, place, within) in ((x, outputs), (b, outputs_b)):
        among = place * x.shape[2] + torch.arange(x.shape[2])  # all channels of all positions
        at = among.flatten(1).numpy().view(np.uint64)  # so no loop asks whether it is below 0
        rows += [values.flatten(1).numpy(), y.flatten(1).numpy(), at, within.flatten(1).numpy()]
    if not _run("pool_ratios", *rows, ratio, offset):
        return None
    return _planes(ratio, image[1]), _planes(offset, image[1])


def relu_ratios(multiplier: Multiplier, x: Tensor, b: Tensor) -> Tensor | None:
    """Ratios of ReLU for all pairs of inputs (n, c, h, w) and (b, c, h, w): (p, 1, c, h, w)."""
    if not _suits(multiplier):
        return None
    _require(x.shape[1:] == b.shape[1:] and x.dtype == b.dtype == torch.float32, "unlike inputs")
    ratio = np.empty((len(x), len(b), x[0].numel()), np.float32)
    if not _run("relu_ratios", *(_channels_last(t).flatten(1).numpy() for t in (x, b)), ratio):
        return None
    return _planes(ratio, x)


class _Factors:
    """A multiplier as the loops read it: `arrays` are rows, steps, ratio and offset.

    Attributes:
        rows: All numbers from the first to the last one that is read.
        steps: From one of them to the next along (p, h, w, k).
        apart: A tuple as long as the last step has vectors; empty if it is long, or no multiple.
        ratio: (p or 1, h, w, c).
        offset: (p or 1, h, w, c) uint8, the position in a window.
        window: Height and width; (1, 1) without a pool.
        plane: Height and width before the pool.
        k: Number of outputs.
        n_pairs: p.
        is_near: Whether 32 bits can tell where each number of `rows` is.
    """

    def __init__(self, multiplier: Multiplier) -> None:
        rows, places = multiplier.rows.permute(0, 3, 4, 1, 2), multiplier.places
        if rows.stride(4) != 1:
            rows = rows.contiguous()
        n, h, w, self.k, c = rows.shape
        _require(0 not in rows.shape, "an empty multiplier")
        sides = list(zip(rows.shape, rows.stride(), strict=True))
        span = 1 + sum((side - 1) * step for side, step in sides)
        self.rows: NDArray[np.float32] = rows.as_strided((span,), (1,)).numpy()
        self.steps = tuple(step if side > 1 else 0 for side, step in sides[:4])
        n_apart, rest = divmod(self.steps[3], LANES)
        self.apart = (0,) * (n_apart if rest == 0 and n_apart <= _MOST_VECTORS else 0)
        one = rows.new_ones(1, 1, 1, 1, 1) if multiplier.ratio is None else multiplier.ratio
        self.window, self.plane = (1, 1), (h, w)
        index = torch.zeros(1, 1, 1, 1, 1, dtype=torch.uint8)
        if places is not None and places.window is not None:
            self.window, self.plane, index = places.window, places.plane, places.index
        self.ratio, self.offset = (
            _channels_last(factor[:, 0].expand(-1, c, h, w)).numpy() for factor in (one, index)
        )
        pairs = {n, len(self.ratio), len(self.offset)} - {1}
        self.n_pairs = max(pairs, default=1)
        dtypes = one.dtype, index.dtype
        _require(dtypes == (torch.float32, torch.uint8), "ratios or offsets of another dtype")
        _require(one.shape[1] == index.shape[1] == 1, "a ratio or offset for each output")
        _require(0 not in pairs, "an empty multiplier")
        fits = min(self.window) >= 1 and math.prod(self.window) <= 256  # as offsets are uint8
        _require(fits, "a window below 1, or of more than 256 positions")
        covered = h * self.window[0] <= self.plane[0] and w * self.window[1] <= self.plane[1]
        _require(covered, "windows beyond the plane")
        _require(len(pairs) <= 1, "factors of different pairs")
        self.is_near = span < 2 * _FARTHEST  # no sign here

    @property
    def arrays(self) -> tuple[Any, ...]:
        """What the loops read."""
        return self.rows, self.steps, self.ratio, self.offset


def _suits(multiplier: Multiplier) -> bool:
    """Whether the loops take a multiplier: of planes, float32, on a processor."""
    rows, places = multiplier.rows, multiplier.places
    return (
        rows.dtype == torch.float32
        and rows.device.type == "cpu"
        and rows.ndim == 5
        and (places is None or places.window is not None)
        and bool(_loops())
    )


@functools.cache
def _loops() -> dict[str, Callable[..., None]]:
    """The compiled loops by name; none without numba."""
    try:
        if importlib.util.find_spec("numba") is None:
            return {}
        from . import convolutions, ratios
    except (ImportError, OSError, SystemError) as error:  # such as of versions that do not fit
        message = f"DeepSHAP: numba does not load, so PyTorch computes instead: {error}"
        warnings.warn(message, stacklevel=2)
        return {}
    loops = convolutions.transposed, convolutions.contracted, ratios.pool_ratios, ratios.relu_ratios
    return {loop.__name__: loop for loop in loops}


def _run(name: str, *arguments: Any) -> bool:
    """Run a loop; False if it cannot be compiled."""
    if name in _FAILED:
        return False
    try:
        _loops()[name](*arguments)
    except (MemoryError, IndexError):  # of the loops themselves, the latter where numba checks
        raise
    except Exception as error:  # numba and LLVM raise whatever they meet while they compile
        _FAILED.add(name)
        said = [line.strip() for line in str(error).splitlines() if line.strip()][:2]
        why = ": ".join([type(error).__name__, *said])
        message = f"DeepSHAP: {name} cannot be compiled, so PyTorch computes instead: {why}"
        warnings.warn(message, stacklevel=2)
    return name not in _FAILED


def _channels_last(tensor: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, h, w, c), in that memory order; others as they are."""
    return (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).contiguous()


def _planes(values: NDArray[Any], like: Tensor) -> Tensor:
    """(n, b, ...) with the channels of planes last -> (n * b, 1, c, h, w)."""
    _, c, h, w = like.shape
    return torch.from_numpy(values).view(-1, 1, h, w, c).movedim(-1, 2)


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
