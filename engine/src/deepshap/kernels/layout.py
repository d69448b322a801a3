"""Arrays as the compiled loops read them: weights in panels, multipliers in factors."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from deepshap.multiplier import Multiplier

LANES = 16
"""Numbers in a vector. Processors with shorter vectors use several for one."""

OFFSET_LIMIT = 2**31
"""Offsets into weights must stay below this: they are signed 32-bit numbers."""

MAX_VECTORS = 4
"""Vectors in a panel. With more, too few outputs would share each weight that is read."""

_TILE_ROWS = 24
"""Rows of a matrix product that are cut evenly into tiles."""

_SHARE_OF_SUMS = 13 / 16
"""Share of the registers that holds sums. The others hold weights and the number they meet."""


class Weight:
    """A constant weight, laid out as the loops read it.

    Args:
        weight: (channels read, channels written, height, width).
        groups: Number of groups of the channels read. Each writes as many channels.

    Attributes:
        shape: The shape of `weight`.
        groups: Number of groups.
    """

    def __init__(self, weight: Tensor, groups: int = 1) -> None:
        self.shape = weight.shape
        self.groups = groups
        self._weight = weight
        self._panels: dict[int, NDArray[np.float32]] = {}
        self._overlapping: dict[int, NDArray[np.float32]] = {}

    def panels(
        self, k: int, n_registers: int
    ) -> tuple[NDArray[np.float32], tuple[int, ...], tuple[int, ...]]:
        """The weight in panels of channels whose sums for k outputs fit the registers.

        Args:
            k: The number of outputs.
            n_registers: Vectors that all registers hold.

        Returns:
            (panels, 1 for the window, height, width, channels read of a group, 16 * vectors),
            group by group, padded with zeros; and two tuples. Their lengths are the number of
            outputs that are computed together and the number of vectors in a panel.
        """
        require(self._weight.dtype == torch.float32, "the weight is not float32")
        read, written, *kernel = self.shape
        total_vectors = -(-written // LANES)
        sizes = [
            size
            for size in _sizes(k, sum_vectors(n_registers))
            if self.groups == 1 or total_vectors % size[0] == 0  # no panel reaches beyond its group
        ]
        n_vectors, n_outputs = min(sizes, key=lambda size: _cost(total_vectors, k, *size))
        if n_vectors not in self._panels:
            n_padded = -(-total_vectors // n_vectors) * n_vectors * LANES
            split = torch.unflatten(self._weight, 0, (self.groups, -1)).transpose(1, 2)
            full = split.new_zeros(self.groups, n_padded, read // self.groups, *kernel)
            full[:, :written] = split
            panels = torch.unflatten(full.flatten(0, 1), 0, (-1, n_vectors * LANES))
            panels = panels.permute(0, 3, 4, 2, 1).contiguous()
            self._panels[n_vectors] = panels.unsqueeze(1).numpy()
        return self._panels[n_vectors], (0,) * n_outputs, (0,) * n_vectors

    def overlapping_panels(
        self, n_registers: int
    ) -> tuple[NDArray[np.float32], tuple[int, ...], tuple[int, ...]]:
        """The weight of a 1×1 kernel in panels whose last one ends with the last channel.

        Args:
            n_registers: Vectors that all registers hold.

        Returns:
            (panels, channels read, 16 * vectors); fewer than 16 channels are padded with zeros.
            And two tuples. Their lengths are the numbers of rows and vectors of a tile.
        """
        require(self._weight.dtype == torch.float32, "the weight is not float32")
        written = max(LANES, self.shape[1])
        total_vectors, whole_vectors = -(-written // LANES), written // LANES
        sizes = [
            size
            for size in _sizes(_TILE_ROWS, sum_vectors(n_registers))
            if size[0] <= whole_vectors  # no panel is wider than all channels
        ]
        n_vectors, n_rows = min(sizes, key=lambda size: _cost(total_vectors, _TILE_ROWS, *size))
        if n_vectors not in self._overlapping:
            flat = F.pad(self._weight.flatten(1), (0, written - self.shape[1]))
            width = n_vectors * LANES
            starts = [min(at, written - width) for at in range(0, written, width)]
            panels = torch.stack([flat[:, at : at + width] for at in starts])
            self._overlapping[n_vectors] = panels.numpy()
        return self._overlapping[n_vectors], (0,) * n_rows, (0,) * n_vectors


def sum_vectors(n_registers: int) -> int:
    """How many of the vectors in registers hold sums."""
    return int(_SHARE_OF_SUMS * n_registers)


def _sizes(k: int, n_sums: int) -> Iterator[tuple[int, int]]:
    """Possible numbers of vectors and outputs of a panel, with k outputs cut evenly."""
    for n_vectors in range(1, min(MAX_VECTORS, n_sums) + 1):
        n_slices = -(-k // (n_sums // n_vectors))
        yield n_vectors, -(-k // n_slices)


def _cost(total_vectors: int, k: int, n_vectors: int, n_outputs: int) -> float:
    """Cycles per list entry over all panels, at one multiply-add or two reads per cycle."""
    n_panels = -(-total_vectors // n_vectors) * -(-k // n_outputs)
    reads = n_vectors + n_outputs
    return n_panels * (n_vectors * n_outputs + n_vectors + reads / 2)


class Factors:
    """A multiplier as the loops read it, in `arrays`: rows, steps, ratio, offset and needed.

    Attributes:
        rows: All numbers from the first to the last one that is read.
        steps: Distance in `rows` from one element to the next along (p, h, w, k).
        known_step: A tuple as long as the last step, for which loops are compiled; empty if that
            step is longer than `MAX_VECTORS`, or longer than a vector and not a multiple of one.
        ratio: (p or 1, h, w, c).
        offset: Position in a window, (p or 1, h, w, c) uint8.
        needed: Where the rows are defined, (h, w, p or 1) uint8.
        window: Height and width; (1, 1) without a pool.
        plane: Height and width before the pool.
        k: Number of outputs.
        n_pairs: Number of pairs p.
        fits_32_bits: Whether 32 bits can address every number of `rows`.

    Raises:
        ValueError: The factors do not fit each other.
    """

    def __init__(self, multiplier: Multiplier) -> None:
        rows, positions = multiplier.rows.permute(0, 3, 4, 1, 2), multiplier.positions
        if rows.stride(4) != 1:
            rows = rows.contiguous()
        n, h, w, self.k, c = rows.shape
        require(0 not in rows.shape, "the multiplier is empty")
        sides = list(zip(rows.shape, rows.stride(), strict=True))
        span = 1 + sum((side - 1) * step for side, step in sides)
        self.rows: NDArray[np.float32] = rows.as_strided((span,), (1,)).numpy()
        self.steps = tuple(step if side > 1 else 0 for side, step in sides[:4])
        is_known = self.steps[3] in (*range(LANES), *range(LANES, MAX_VECTORS * LANES + 1, LANES))
        self.known_step = (0,) * (self.steps[3] if is_known else 0)
        one = rows.new_ones(1, 1, 1, 1, 1) if multiplier.ratio is None else multiplier.ratio
        self.window, self.plane = (1, 1), (h, w)
        index = torch.zeros(1, 1, 1, 1, 1, dtype=torch.uint8)
        if positions is not None and positions.window is not None:
            self.window, self.plane = positions.window, positions.plane
            index = positions.index
        self.ratio, self.offset = (
            channels_last(factor[:, 0].expand(-1, c, h, w)).numpy() for factor in (one, index)
        )
        pairs = {n, len(self.ratio), len(self.offset)} - {1}
        self.n_pairs = max(pairs, default=1)
        self.needed = where(multiplier.needed, self.n_pairs, h, w)
        self.fits_32_bits = span < 2 * OFFSET_LIMIT  # these offsets are unsigned
        require(
            (one.dtype, index.dtype) == (torch.float32, torch.uint8),
            "ratios or offsets have the wrong dtype",
        )
        require(one.shape[1] == index.shape[1] == 1, "ratios or offsets differ between outputs")
        require(0 not in pairs, "the multiplier is empty")
        require(len(pairs) <= 1, "the factors have different numbers of pairs")
        self._check_window(h, w)

    def _check_window(self, h: int, w: int) -> None:
        (tall, wide), (height, width) = self.window, self.plane
        fits = min(self.window) >= 1 and tall * wide <= 256  # offsets are uint8
        require(fits, "a window is empty or has more than 256 positions")
        require(h * tall <= height and w * wide <= width, "windows reach beyond the plane")

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The arguments that describe a multiplier to a loop."""
        return self.rows, self.steps, self.ratio, self.offset, self.needed

    @property
    def window_size(self) -> int:
        """Number of positions in a window."""
        return math.prod(self.window)


def room(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An array to be written, with room behind it for the rest of a vector that begins in it."""
    return np.empty(math.prod(shape) + LANES, np.float32)[:-LANES].reshape(shape)


def where(needed: Tensor | None, pairs: int, h: int, w: int) -> NDArray[np.uint8]:
    """Where numbers are needed, (h, w, p or 1); everywhere for None."""
    if needed is None:
        return np.ones((h, w, 1), np.uint8)
    fits = len(needed) in {1, pairs} and needed.shape[1:] == (h, w)
    require(fits and needed.dtype == torch.bool, "`needed` does not fit the multiplier")
    return needed.permute(1, 2, 0).contiguous().numpy().view(np.uint8)


def channels_last(tensor: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, h, w, c), contiguous; tensors with other axes keep their order."""
    return (tensor.permute(0, 2, 3, 1) if tensor.ndim == 4 else tensor).contiguous()


def require(holds: bool, otherwise: str) -> None:
    """Raise a ValueError with the message `otherwise` unless the condition holds."""
    if not holds:
        raise ValueError(otherwise)
