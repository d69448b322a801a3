"""Multipliers, kept factored for as long as that saves work.

DeepLIFT's multiplier of an activation is the change of an output per change of that activation,
one number for each (image, background image, output, element). Only linear layers mix elements, so
what the other layers contribute does not depend on the output: one ratio for each (image,
background image, element), shared by all outputs. And behind a max pool, one position of each
window carries everything.

Shapes are written with p pairs of an image and a background image, k outputs, and the axes of one
image's activation. A size of 1 stands for "the same for all", as in broadcasting.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Places:
    """Where in the input of a max pool each pooled element comes from.

    Attributes:
        index: (p, 1, c, h, w) with the pooled h and w: position in the flattened plane, or in its
            window if there is one.
        plane: Height and width of the pool's input.
        window: Height and width of the windows if they tile the plane from its corner without
            overlap, else None.
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
    """Multipliers of one activation: `rows * ratio`, moved to `places`.

    Attributes:
        rows: What depends on the output, (p or 1, k, ...).
        ratio: What does not, (p or 1, 1, ...), or None for 1.
        places: Of a max pool that `rows` and `ratio` have not been spread over yet, or None.
    """

    rows: Tensor
    ratio: Tensor | None = None
    places: Places | None = None

    @property
    def features(self) -> torch.Size:
        """The shape of one image's activation, without multiplying anything out."""
        if self.places is not None:
            return torch.Size((self.rows.shape[2], *self.places.plane))
        return self.rows.shape[2:]

    def among(self, n: int, b: int, some: slice) -> Self:
        """The pairs of n images with some of b background images."""

        def pairs(factor: Tensor) -> Tensor:
            if len(factor) == 1:
                return factor
            return torch.unflatten(factor, 0, (n, b))[:, some].flatten(0, 1)

        places, ratio = self.places, self.ratio
        if places is not None:
            places = replace(places, index=pairs(places.index))
        return type(self)(pairs(self.rows), None if ratio is None else pairs(ratio), places)

    def scaled(self, ratio: Tensor) -> Self:
        """Multiply by a ratio that is the same for all outputs, (p or 1, 1, ...)."""
        if self.places is not None and ratio.shape[3:] != (1, 1):
            return type(self)(self.dense(), ratio)
        return replace(self, ratio=ratio if self.ratio is None else self.ratio * ratio)

    def pooled(self, ratio: Tensor, places: Places) -> Self:
        """Go from the output of a max pool to its input."""
        return replace(self.scaled(ratio), places=places)

    def dense(self) -> Tensor:
        """Multiply everything out, once: (p or 1, k, ...) in the shape of the activation."""
        return self._dense

    def plus(self, other: Self) -> Self:
        """The sum of two ways back to one activation."""
        if other.places is None and other.ratio is not None:
            return type(self)(torch.addcmul(self.dense(), other.rows, other.ratio))
        return type(self)(self.dense() + other.dense())

    @cached_property
    def _dense(self) -> Tensor:
        if self.places is None:
            return self.rows if self.ratio is None else self.rows * self.ratio
        if self.places.window is None:
            return self._scattered(self.places)
        return self._spread(self.places, self.places.window)

    def _scattered(self, places: Places) -> Tensor:
        """Add each element to its position, which windows that overlap may share."""
        values = self.rows if self.ratio is None else self.rows * self.ratio
        values, index = torch.broadcast_tensors(values, places.index)
        values, index = (t.movedim(2, -1).flatten(2, 3) for t in (values, index))
        h, w = places.plane
        planes = values.new_zeros(*values.shape[:2], h * w, values.shape[-1])  # channels last
        return torch.unflatten(planes.scatter_add_(2, index, values), 2, (h, w)).movedim(-1, 2)

    def _spread(self, places: Places, window: tuple[int, int]) -> Tensor:
        """Write each window once, channels last."""
        rows, index = self.rows.movedim(2, -1), places.in_plane().movedim(2, -1)
        ratio = rows.new_ones(()) if self.ratio is None else self.ratio.movedim(2, -1)
        share = rows.new_zeros(*index.shape[:2], places.plane[0] * places.plane[1], index.shape[-1])
        share.scatter_(2, index.flatten(2, 3), ratio.expand_as(index).flatten(2, 3))
        share = torch.unflatten(share, 2, places.plane)
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
