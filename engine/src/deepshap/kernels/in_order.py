"""Transposed 1×1 and depthwise convolutions, compiled: they go through all multipliers in order.

Each multiplier meets few weights here, so listing those that are not 0 would cost more than it
saves. What takes time is memory: these loops read each multiplier once, in the order (p, h, w, k,
c) that all loops share, and multiply by its ratio on the way.

They read and write without bounds checks: `in_order_dispatch.py` checks all arguments and is their
only caller.
"""

from typing import Any

import numpy as np

from deepshap.kernels.compiling import compiled
from deepshap.kernels.convolutions import readers
from deepshap.kernels.layout import LANES
from deepshap.kernels.registers import product, scale, weighted_sum

_N_ROWS = 96
"""Rows that are multiplied together: they stay in the cache while all panels pass."""


@compiled
def pointwise(
    sizes: Any, rows: Any, steps: Any, ratio: Any, needed: Any, weight: Any, stride: Any,
    others: Any, wanted: Any, out: Any,
) -> None:  # fmt: skip
    """Transpose a 1×1 convolution: a matrix product of multipliers and weights.

    Args:
        sizes: The sizes of a tile, for `product`; they also say how it ends.
        rows: Numbers of the multipliers; channels are contiguous.
        steps: Distance in `rows` from one number to the next along (p, h, w, k).
        ratio: (p or 1, h, w, c), at least 16 channels.
        needed: Where the multipliers are defined, (h, w, p or 1).
        weight: Panels, (panels, c, 16 * vectors). The last one overlaps the one before it.
        stride: Stride of the convolution, vertical and horizontal.
        others: What is added: u (n, height, width, k, channels), flat, its steps, v (m, height,
            width, channels), flat, and m, the pairs or 1.
        wanted: Where to compute, (height, width, p or 1).
        out: (pairs, height, width, k, channels), written.
    """
    (_, h, w, c), (u, u_steps, v, n_v) = ratio.shape, others
    pairs, height, breadth, k, channels = out.shape
    written = out.reshape(-1)
    ratios = ratio.reshape(-1)
    tile = np.empty((_N_ROWS + len(sizes[0]), c), np.float32)
    lines, places = tile.reshape(-1), np.empty((len(tile), 3), np.int64)
    n = 0
    for pair in range(pairs):
        pair_ratio, pair_v = min(pair, len(ratio) - 1), min(pair, n_v - 1)
        number, wanting = min(pair, needed.shape[2] - 1), min(pair, wanted.shape[2] - 1)
        for y in range(height):
            i = y // stride[0]
            in_row = i < h and i * stride[0] == y
            for x in range(breadth):
                if not wanted[y, x, wanting]:
                    continue
                j = x // stride[1]
                reads = in_row and j < w and j * stride[1] == x and needed[i, j, number]
                ratio_at = ((pair_ratio * h + i) * w + j) * c
                start = pair * steps[0] + i * steps[1] + j * steps[2]
                at = (pair * height + y) * breadth + x
                u_at = pair * u_steps[0] + y * u_steps[1] + x * u_steps[2]
                v_at = ((pair_v * height + y) * breadth + x) * channels
                for output in range(k):
                    places[n, 0] = (at * k + output) * channels
                    places[n, 1], places[n, 2] = u_at + output * u_steps[3], v_at
                    if not reads:
                        _write_without(sizes, written, u, v, places[n], channels)
                        continue
                    scale((lines, n * c), (rows, start + output * steps[3]), (ratios, ratio_at), c)
                    n += 1
                    if n == _N_ROWS:
                        _multiply(sizes, tile, places, n, weight, u, v, channels, written)
                        n = 0
    _multiply(sizes, tile, places, n, weight, u, v, channels, written)


@compiled
def _write_without(sizes: Any, out: Any, u: Any, v: Any, place: Any, channels: int) -> None:
    """Write a row at a position that no output reads: 0, or what is added."""
    if len(sizes[2]):
        scale((out, place[0]), (u, place[1]), (v, place[2]), channels)
        return
    for channel in range(channels):
        out[place[0] + channel] = 0


@compiled
def _multiply(
    sizes: Any, tile: Any, places: Any, n: int, weight: Any, u: Any, v: Any, channels: int, out: Any
) -> None:
    """Multiply n rows by the weight, and write them to their places."""
    n_rows, (panels, c, width) = len(sizes[0]), weight.shape
    flat, lines, addresses = weight.reshape(-1), tile.reshape(-1), places.reshape(-1)
    for row in range(n, -(-n // n_rows) * n_rows):  # fill up with copies of the last row
        tile[row], places[row] = tile[n - 1], places[n - 1]
    for panel in range(panels):
        side = min(panel * width, channels - width)
        for row in range(0, n, n_rows):
            product(
                sizes, (out, side), (u, side, v, side), (flat, panel * c * width),
                (lines, row * c), c, (addresses, 3 * row),
            )  # fmt: skip


@compiled
def depthwise(
    sizes: Any, rows: Any, steps: Any, ratio: Any, needed: Any, weight: Any, stride: Any,
    padding: Any, others: Any, wanted: Any, out: Any,
) -> None:  # fmt: skip
    """Transpose a convolution of each channel alone, 16 channels at once.

    Args:
        sizes: The sizes for `weighted_sum`; they also say how it ends.
        rows, steps, ratio, needed, others, wanted, out: As for `pointwise`.
        weight: (kernel height, kernel width, channels), at least 16 channels.
        stride, padding: Stride and padding of the convolution, vertical and horizontal.
    """
    (_, h, w, c), (u, u_steps, v, n_v), n_k = ratio.shape, others, len(sizes[0])
    pairs, height, breadth, k, _ = out.shape
    tall, wide, _ = weight.shape
    flat, ratios, written = weight.reshape(-1), ratio.reshape(-1), out.reshape(-1)
    row_readers = readers(height, padding[0], tall, stride[0], h)
    column_readers = readers(breadth, padding[1], wide, stride[1], w)
    taps = np.empty((tall * wide, 3), np.int64)
    for pair in range(pairs):
        ratio_at, v_at = min(pair, len(ratio) - 1) * h * w * c, min(pair, n_v - 1) * height
        number, wanting = min(pair, needed.shape[2] - 1), min(pair, wanted.shape[2] - 1)
        for y in range(height):
            for x in range(breadth):
                if not wanted[y, x, wanting]:
                    continue
                n = 0
                for i in range(row_readers[y, 0], row_readers[y, 1]):
                    down = y + padding[0] - i * stride[0]
                    for j in range(column_readers[x, 0], column_readers[x, 1]):
                        if needed[i, j, number]:
                            right = x + padding[1] - j * stride[1]
                            taps[n, 0] = (down * wide + right) * c
                            taps[n, 1] = (i * w + j) * c
                            taps[n, 2] = i * steps[1] + j * steps[2]
                            n += 1
                at = ((pair * height + y) * breadth + x) * k
                u_at = pair * u_steps[0] + y * u_steps[1] + x * u_steps[2]
                v_from = ((v_at + y) * breadth + x) * c
                for begin in range(0, k, n_k):
                    first = min(begin, k - n_k)  # the last ones overlap those before
                    for lane in range(0, c, LANES):
                        side = min(lane, c - LANES)
                        weighted_sum(
                            sizes, (written, (at + first) * c + side, c),
                            (u, u_at + first * u_steps[3] + side, u_steps[3], v, v_from + side),
                            (flat, side), (ratios, ratio_at + side),
                            (rows, pair * steps[0] + first * steps[3] + side, steps[3]), taps, n,
                        )  # fmt: skip
