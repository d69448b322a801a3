"""A second implementation of the compiled loops: slow and literal, in float64, element by element.

It shares no code with the loops: it skips no zeros and has no panels or chunks. As in broadcasting,
an array size of 1 stands for "the same for all".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Factors:
    """A multiplier: rows times ratio, each at one position of its window.

    Attributes:
        rows: (p or 1, k, c, h, w).
        ratio: (p or 1, 1, c or 1, h or 1, w or 1).
        offset: Position in a window, row by row, (p or 1, 1, c, h, w).
        window: Height and width.
        plane: Height and width of the plane, whose corner is the first window's.
    """

    rows: Array
    ratio: Array
    offset: NDArray[np.int64]
    window: tuple[int, int]
    plane: tuple[int, int]

    @property
    def n_pairs(self) -> int:
        return max(len(self.rows), len(self.ratio), len(self.offset))

    def sizes(self) -> Factors:
        """The absolute values; sums of these bound the rounding errors."""
        return Factors(np.abs(self.rows), np.abs(self.ratio), self.offset, self.window, self.plane)

    def at(self, pair: int, channel: int, y: int, x: int) -> tuple[Array, int]:
        """The k multipliers of an element of a pair, and its position in the window."""
        rows = self.rows[min(pair, len(self.rows) - 1), :, channel, y, x]
        ratio = _element(self.ratio, pair, 0, channel, y, x)
        return rows * ratio, int(_element(self.offset, pair, 0, channel, y, x))

    def dense(self) -> Array:
        """The product of all factors, (p, k, c, *plane)."""
        _, k, c, h, w = self.rows.shape
        full = np.zeros((self.n_pairs, k, c, *self.plane))
        for pair, channel, y, x in np.ndindex(self.n_pairs, c, h, w):
            values, offset = self.at(pair, channel, y, x)
            down, right = divmod(offset, self.window[1])
            full[pair, :, channel, y * self.window[0] + down, x * self.window[1] + right] = values
        return full


def transposed(
    factors: Factors,
    weight: Array,
    stride: tuple[int, int],
    padding: tuple[int, int],
    size: tuple[int, int],
) -> Array:
    """The transpose, (p, k, c, *size): output i of a convolution reads i * stride + tap - padding.

    Args:
        factors: The multiplier of the convolution's output.
        weight: (channels of the output, channels of the input, height, width).
        stride: Vertical and horizontal stride.
        padding: Vertical and horizontal padding.
        size: Height and width of the input.
    """
    multipliers = factors.dense()
    pairs, k, _, height, width = multipliers.shape
    back = np.zeros((pairs, k, weight.shape[1], *size))
    for pair, i, j, down, right in np.ndindex(pairs, height, width, *weight.shape[2:]):
        y, x = i * stride[0] + down - padding[0], j * stride[1] + right - padding[1]
        if 0 <= y < size[0] and 0 <= x < size[1]:
            back[pair, :, :, y, x] += multipliers[pair, :, :, i, j] @ weight[:, :, down, right]
    return back


def contracted(
    factors: Factors,
    weight: Array,
    change: Array,
    pieces: Sequence[slice],
    step: tuple[int, int],
) -> Array:
    """The weights under each element times the change there, summed: (pieces, n, k, c, h, w).

    Args:
        factors: The multiplier of a convolution's pooled output, with pairs image by image.
        weight: (channels of the output, positions of a window, c, height, width of a patch).
        change: The images minus the background, (n, b, c, h, w).
        pieces: Slices of the background.
        step: Vertical and horizontal distance from one patch to the next.
    """
    n, b, *image = change.shape
    _, k, channels, h, w = factors.rows.shape
    tall, wide = weight.shape[3:]
    out = np.zeros((len(pieces), n, k, *image))
    for at, piece in enumerate(pieces):
        for first, other in np.ndindex(n, b):
            if not piece.start <= other < piece.stop:
                continue
            for channel, y, x in np.ndindex(channels, h, w):
                values, offset = factors.at(first * b + other, channel, y, x)
                under = (
                    slice(None),
                    slice(y * step[0], y * step[0] + tall),
                    slice(x * step[1], x * step[1] + wide),
                )
                share = change[first, other][under] * weight[channel, offset]
                out[(at, first, slice(None), *under)] += values[:, None, None, None] * share
    return out


def under(planes: Array, patch: Sequence[int], step: Sequence[int], size: Sequence[int]) -> Array:
    """The values under the patch of each position, (n, c, ., .) -> (n, h, w, c, *patch)."""
    n, c = planes.shape[:2]
    cut = np.empty((n, *size, c, *patch), planes.dtype)
    for y, x, i, j in np.ndindex(*size, *patch):
        cut[:, y, x, :, i, j] = planes[:, :, y * step[0] + i, x * step[1] + j]
    return cut


@dataclass(frozen=True)
class Pooled:
    """Max pooling of planes (n, c, height, width) by windows that lie side by side.

    Attributes:
        largest: The maxima, (n, c, h, w).
        index: The first position of each maximum in its plane, row by row.
        offset: Position in the window.
    """

    largest: Array
    index: NDArray[np.int64]
    offset: NDArray[np.uint8]


def pooled(planes: Array, window: tuple[int, int]) -> Pooled:
    """Pool planes from their corner; rows and columns at the end may belong to no window."""
    n, c, height, width = planes.shape
    shape = (n, c, height // window[0], width // window[1])
    result = Pooled(np.empty(shape), np.empty(shape, np.int64), np.empty(shape, np.uint8))
    for at in np.ndindex(shape):
        image, channel, i, j = at
        positions = [
            (i * window[0] + down, j * window[1] + right) for down, right in np.ndindex(window)
        ]
        offset = max(range(len(positions)), key=lambda o: planes[(image, channel, *positions[o])])
        y, x = positions[offset]
        result.largest[at] = planes[image, channel, y, x]
        result.index[at], result.offset[at] = y * width + x, offset
    return result


def pool_ratios(x: Array, b: Array, window: tuple[int, int]) -> tuple[Array, NDArray[np.uint8]]:
    """The maximum's change over the change at the larger side's position, and that position.

    Both are (n * b, 1, …). Where both sides are equal, the position is the background's.
    """
    ours, theirs = pooled(x, window), pooled(b, window)
    shape = (len(x), len(b), *ours.largest.shape[1:])
    ratio, offset = np.zeros(shape), np.empty(shape, np.uint8)
    for at in np.ndindex(shape):
        image, other, channel, *position = at
        mine, its = (image, channel, *position), (other, channel, *position)
        change = ours.largest[mine] - theirs.largest[its]
        side, where = (ours, mine) if change > 0 else (theirs, its)
        y, x_ = divmod(int(side.index[where]), x.shape[3])
        own = x[image, channel, y, x_] - b[other, channel, y, x_]
        ratio[at] = change / own if own != 0 else 0
        offset[at] = side.offset[where]
    return (
        ratio.reshape(-1, 1, *ours.largest.shape[1:]),
        offset.reshape(-1, 1, *ours.largest.shape[1:]),
    )


def relu_ratios(x: Array, b: Array) -> Array:
    """The secant of ReLU, or its slope where the input does not change, (n * b, 1, …)."""
    ratio = np.empty((len(x), len(b), *x.shape[1:]))
    for at in np.ndindex(ratio.shape):
        u, v = x[(at[0], *at[2:])], b[at[1:]]
        ratio[at] = (max(u, 0) - max(v, 0)) / (u - v) if u != v else float(v > 0)
    return ratio.reshape(-1, 1, *x.shape[1:])


def _element(factor: NDArray[np.generic], *index: int) -> np.generic:
    """An element of an array whose axes may have size 1."""
    return factor[tuple(min(at, side - 1) for at, side in zip(index, factor.shape, strict=True))]
