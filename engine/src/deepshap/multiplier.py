"""Multipliers, kept factored for as long as that saves work.

The DeepLIFT multiplier of an activation is the change of an output per change of the activation:
one number for each (image, background image, output, element). Only linear layers mix elements. The
contribution of every other layer is the same for all outputs: one ratio for each (image, background
image, element). And behind a max pool, one position of each window carries the whole change.

Shapes are written with p pairs of an image and a background image, k outputs, and the axes of one
image's activation. As in broadcasting, a size of 1 stands for "the same for all".
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Positions:
    """Where in the input of a max pool each pooled element comes from.

    Attributes:
        index: Position in the flattened plane, or in its window if `window` is set;
            (p, 1, c, h, w) with the pooled h and w.
        plane: Height and width of the pool's input.
        window: Height and width of the windows if they start at the plane's corner and lie side by
            side, else None.
    """

    index: Tensor
    plane: tuple[int, int]
    window: tuple[int, int] | None = None

    def in_plane(self) -> Tensor:
        """Positions in the flattened plane, (p, 1, c, h, w)."""
        if self.window is None:
            return self.index
        tall, wide = self.window
        h, w = (torch.arange(side, device=self.index.device) for side in self.index.shape[3:])
        corner = h[:, None] * tall * self.plane[1] + w * wide
        index = self.index.long()
        return corner + index // wide * self.plane[1] + index % wide


@dataclass(frozen=True)
class Multiplier:
    """Multipliers of one activation: `rows * ratio`, moved to `positions`.

    Attributes:
        rows: The factor that depends on the output, (p or 1, k, ...).
        ratio: The factor that does not, (p or 1, 1, ...), or None for 1.
        positions: Positions in front of a max pool to which `rows` and `ratio` have not been moved
            yet, or None.
        needed: Where `rows` are defined, (p or 1, h, w), or None for everywhere. Other positions
            are not needed, since they depend only on pixels that do not change.
    """

    rows: Tensor
    ratio: Tensor | None = None
    positions: Positions | None = None
    needed: Tensor | None = None

    @property
    def features(self) -> torch.Size:
        """The shape of one image's activation, without multiplying the factors."""
        if self.positions is not None:
            return torch.Size((self.rows.shape[2], *self.positions.plane))
        return self.rows.shape[2:]

    def for_background(self, n: int, b: int, selection: slice) -> Self:
        """The multipliers of n images with a selection of b background images."""

        def pairs(factor: Tensor) -> Tensor:
            if len(factor) == 1:
                return factor
            return torch.unflatten(factor, 0, (n, b))[:, selection].flatten(0, 1)

        positions, ratio, needed = self.positions, self.ratio, self.needed
        if positions is not None:
            positions = replace(positions, index=pairs(positions.index))
        ratio = None if ratio is None else pairs(ratio)
        needed = None if needed is None else pairs(needed)
        return type(self)(pairs(self.rows), ratio, positions, needed)

    def scaled(self, ratio: Tensor) -> Self:
        """Multiplied by a ratio that is the same for all outputs, (p or 1, 1, ...)."""
        if self.positions is not None and ratio.shape[3:] != (1, 1):
            return type(self)(self.dense(), ratio)
        return replace(self, ratio=ratio if self.ratio is None else self.ratio * ratio)

    def pooled(self, ratio: Tensor, positions: Positions) -> Self:
        """The multiplier of a max pool's input, if this is the multiplier of its output."""
        return replace(self.scaled(ratio), positions=positions)

    def dense(self) -> Tensor:
        """The product of all factors in the activation's shape, (p or 1, k, ...); cached."""
        return self._dense

    def plus(self, other: Self) -> Self:
        """The sum with the multiplier of another path to the same activation."""
        if other.positions is None and other.ratio is not None:
            return type(self)(torch.addcmul(self.dense(), other.filled, other.ratio))
        return type(self)(self.dense() + other.dense())

    @property
    def filled(self) -> Tensor:
        """`rows`, with 0 where they are not needed."""
        if self.needed is None:
            return self.rows
        return torch.where(self.needed[:, None, None], self.rows, 0)

    @cached_property
    def _dense(self) -> Tensor:
        if self.positions is None:
            return self.filled if self.ratio is None else self.filled * self.ratio
        if self.positions.window is None:
            return self._scattered(self.positions)
        return self._spread(self.positions, self.positions.window)

    def _scattered(self, positions: Positions) -> Tensor:
        """Add each element to its position, which overlapping windows may share."""
        values = self.filled if self.ratio is None else self.filled * self.ratio
        values, index = torch.broadcast_tensors(values, positions.index)
        values, index = (t.movedim(2, -1).flatten(2, 3) for t in (values, index))
        h, w = positions.plane
        planes = values.new_zeros(*values.shape[:2], h * w, values.shape[-1])  # channels last
        return torch.unflatten(planes.scatter_add_(2, index, values), 2, (h, w)).movedim(-1, 2)

    def _spread(self, positions: Positions, window: tuple[int, int]) -> Tensor:
        """Write each window once, channels last."""
        rows, index = self.filled.movedim(2, -1), positions.in_plane().movedim(2, -1)
        ratio = rows.new_ones(()) if self.ratio is None else self.ratio.movedim(2, -1)
        height, width = positions.plane
        share = rows.new_zeros(*index.shape[:2], height * width, index.shape[-1])
        share.scatter_(2, index.flatten(2, 3), ratio.expand_as(index).flatten(2, 3))
        share = torch.unflatten(share, 2, positions.plane)
        planes = rows.new_zeros(len(share), rows.shape[1], *share.shape[2:])
        torch.mul(
            rows[:, :, :, None, :, None],
            _windowed(share, rows.shape[2:4], window),
            out=_windowed(planes, rows.shape[2:4], window),
        )
        return planes.movedim(-1, 2)


def _windowed(planes: Tensor, n_windows: torch.Size, window: tuple[int, int]) -> Tensor:
    """View (p, k, height, width, c) planes as (p, k, h, window height, w, window width, c)."""
    (h, w), (tall, wide) = n_windows, window
    covered = torch.unflatten(planes[:, :, : h * tall, : w * wide], 3, (w, wide))
    return torch.unflatten(covered, 2, (h, tall))
