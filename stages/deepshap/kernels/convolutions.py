"""Both convolutions on the way back, compiled: they multiply what is not 0.

They read and write without bounds: only `__init__.py` beside this file calls them, which checks.

Layouts, p pairs, k outputs, c channels: what depends on the output lies as (p, h, w, k, c), what
does not as (p, h, w, c), weights as (block, kernel height, kernel width, c read, c written), where
a block is as many of the channels written as fit the registers, in vectors of 16 numbers.

All time goes into `accumulate`, which both share. Everything around it makes lists of what is not
0, since most multipliers behind a ReLU or a max pool are, for all outputs alike.
"""

from typing import Any

import numpy as np
from numba.cpython.unsafe import numbers

from . import LANES
from .compiling import compiled
from .registers import accumulate, mask

_lowest: Any = numbers.trailing_zeros  # of the bits that are set


@compiled
def _place(row: int, weight: int) -> int:
    """Where an entry's number lies in `rows`, from 0, and in `weights`: 32 bits each."""
    return (weight << 32) + row


@compiled
def _bits(ratio: Any, offset: Any, start: int, count: int, place: int) -> int:
    """Which of the next ratios, at most 16, are not 0 and at a place of their windows, as bits.

    To go through the bits that are set takes less than half as long as through all ratios.

    Args:
        ratio, offset: Numbers of which those from `start` on are meant.
        count: How many there are, of which 16 are looked at.
        place: Below 0 for any.
    """
    if count >= LANES:
        all_at_once: int = mask(ratio, offset, start, place)
        return all_at_once
    bits = 0
    for lane in range(count):
        if ratio[start + lane] != 0 and (place < 0 or offset[start + lane] == place):
            bits |= 1 << lane
    return bits


@compiled
def _list_by_position(
    ratio: Any, offset: Any, window: Any, plane: Any, steps: Any, column: int, width: int,
    starts: Any, first: int, entries: Any,
) -> int:  # fmt: skip
    """List the ratios (h, w, c) that are not 0 by their positions in the plane before the pool.

    So what a kernel covers of one row of the plane is one stretch of the list. `column` is taken
    off an entry's offset in the weights for each column it lies to the right, because its tap is
    one further to the left.

    Args:
        starts: (height * width + 1,), written: where each position's entries begin.
        first: Where the list begins in `entries`, which are written, for `accumulate`.

    Returns:
        Where it ends.
    """
    (h, w, c), (tall, wide), (height, breadth) = ratio.shape, window, plane
    (values, places), n = entries, first
    ratio, offset = ratio.reshape(-1), offset.reshape(-1)
    for y in range(height):
        for x in range(breadth):
            starts[y * breadth + x] = n
            i, j, place = y // tall, x // wide, y % tall * wide + x % wide
            at = (i * w + j) * c
            for some in range(0, c if i < h and j < w else 0, LANES):
                bits = _bits(ratio, offset, at + some, c - some, place)
                while bits:
                    channel = some + _lowest(bits)
                    bits &= bits - 1
                    values[n] = ratio[at + channel]
                    row = i * steps[1] + j * steps[2] + channel
                    places[n] = _place(row, channel * width - x * column)
                    n += 1
    starts[height * breadth] = n
    return n


@compiled
def transposed(
    sizes: Any, rows: Any, steps: Any, ratio: Any, offset: Any, window: Any, plane: Any,
    weight: Any, stride: Any, padding: Any, out: Any,
) -> None:  # fmt: skip
    """Transpose a convolution: each position of its input collects from what it has gone into.

    Output-stationary: the k and channels of one position stay in registers, while the kernel's rows
    are gone through, each a stretch of the list. A block of weights stays in the cache while all
    pairs pass.

    Args:
        sizes: Of a block, for `accumulate`.
        rows: Numbers of the multipliers, of which `steps` says how far one is from the next along
            (p, h, w, k); channels are side by side.
        ratio: (p or 1, h, w, c).
        offset: (p or 1, h, w, c) uint8, the position in its window.
        window: Of the pool; (1, 1) for none.
        plane: Height and width of the convolution's output.
        weight: (blocks, kernel height, kernel width, c, 16 * vectors).
        stride, padding: Of the convolution, vertical and horizontal.
        out: (p, height, width, k, 16 * vectors * blocks), written.
    """
    n_k, (n_blocks, tall, wide, c, width) = len(sizes[0]), weight.shape
    p, height, breadth, k, channels = out.shape
    flat, written = weight.reshape(-1), out.reshape(-1)
    n_lists, n = max(len(ratio), len(offset)), 0
    entries, parts = _new_entries(n_lists * ratio[0].size), np.empty((tall, 3), np.int64)
    starts = np.empty((n_lists, plane[0] * plane[1] + 1), np.int64)
    for pair in range(n_lists):
        factors = ratio[min(pair, len(ratio) - 1)], offset[min(pair, len(offset) - 1)]
        n = _list_by_position(
            *factors, window, plane, steps, stride[1] * c * width, width, starts[pair], n, entries
        )
    reach = (
        _reached(height, padding[0], tall, stride[0], plane[0]),
        _reached(breadth, padding[1], wide, stride[1], plane[1]),
    )
    for block in range(n_blocks):
        for pair in range(p):
            listed = starts[min(pair, n_lists - 1)]
            for y in range(height):
                for x in range(breadth):
                    n_parts = 0
                    for row in range(reach[0][y, 0], reach[0][y, 1]):
                        start = listed[row * plane[1] + reach[1][x, 0]]
                        stop = listed[row * plane[1] + reach[1][x, 1]]
                        if start < stop:
                            tap = (y + padding[0] - row * stride[0]) * wide + x + padding[1]
                            parts[n_parts] = start, stop, tap * c * width
                            n_parts += 1
                    for some in range(0, k, n_k):
                        first = min(some, k - n_k)  # the last ones twice rather than too far
                        at = ((pair * height + y) * breadth + x) * k + first
                        accumulate(
                            sizes, (written, at * channels + block * width, channels), (),
                            (flat, block * tall * wide * c * width),
                            (rows, pair * steps[0] + first * steps[3], steps[3]),
                            entries, parts, n_parts,
                        )  # fmt: skip


@compiled
def _new_entries(size: int) -> Any:
    """Room for a list, for `accumulate`."""
    return np.empty(size, np.float32), np.empty(size, np.int64)


@compiled
def _reached(size: int, padding: int, taps: int, stride: int, outputs: int) -> Any:
    """For each position along an axis, the first output that it enters and behind the last one.

    Where it enters none, both are the same.
    """
    found = np.empty((size, 2), np.int64)
    for at in range(size):
        found[at, 0] = min(max(0, -((taps - 1 - at - padding) // stride)), outputs)
        found[at, 1] = max(found[at, 0], min(outputs, (at + padding) // stride + 1))
    return found


@compiled
def contracted(
    sizes: Any, rows: Any, steps: Any, ratio: Any, offset: Any, weight: Any, images: Any,
    background: Any, pieces: Any, step: Any, patch: Any, out: Any,
) -> None:  # fmt: skip
    """Contract a first convolution over pairs: out = Σ (x - b) Σ_c rows ratio weight.

    Pair by pair, since their rows are far apart; then the patches, which overlap, are added up.

    Args:
        sizes, rows, steps, ratio, offset: As for `transposed`.
        weight: (blocks, 1, window, c, 16 * vectors), of the patch under a window.
        images: What lies under each patch, (n, h, w, channels), as many as are written.
        background: Likewise (b, h, w, channels).
        pieces: (pieces, 2): from which background image to which.
        step: How far one patch is from the next.
        patch: Its height and width.
        out: (pieces, n, k, channels, height, width) with padding, added to.
    """
    n_k, (n_blocks, _, n_window, c, width) = len(sizes[0]), weight.shape
    k, (b, h, w, channels), slots = out.shape[2], background.shape, -(-out.shape[2] // n_k) * n_k
    flat, sums = weight.reshape(-1), np.empty((h, w, slots, channels), np.float32)
    entries, parts = _new_entries(c), np.zeros((1, 3), np.int64)
    x_flat, b_flat, added = images.reshape(-1), background.reshape(-1), sums.reshape(-1)
    for piece in range(len(pieces)):
        for image in range(len(images)):
            added[:] = 0
            for other in range(pieces[piece, 0], pieces[piece, 1]):
                pair = image * b + other
                lists = ratio[min(pair, len(ratio) - 1)], offset[min(pair, len(offset) - 1)]
                shares, places = lists[0].reshape(-1), lists[1].reshape(-1)
                for y in range(h):
                    for x in range(w):
                        parts[0, 1] = _list_channels(
                            shares, places, (y * w + x) * c, c, n_window, width, entries
                        )
                        if parts[0, 1] == 0:
                            continue
                        under = ((image * h + y) * w + x) * channels
                        over = ((other * h + y) * w + x) * channels
                        start = pair * steps[0] + y * steps[1] + x * steps[2]
                        for some in range(0, k, n_k):
                            at = ((y * w + x) * slots + some) * channels
                            first = start + min(some, k - n_k) * steps[3]
                            for block in range(n_blocks):
                                accumulate(
                                    sizes, (added, at + block * width, channels),
                                    (x_flat, under + block * width, b_flat, over + block * width),
                                    (flat, block * n_window * c * width),
                                    (rows, first, steps[3]), entries, parts, 1,
                                )  # fmt: skip
            _add_patches(sums, n_k, step, patch, out[piece, image])


@compiled
def _list_channels(
    ratio: Any, offset: Any, start: int, c: int, n_window: int, width: int, entries: Any
) -> int:
    """List the channels of a position whose ratio is not 0, for `accumulate`, and count them."""
    (values, places), n = entries, 0
    for some in range(0, c, LANES):
        bits = _bits(ratio, offset, start + some, c - some, -1)
        while bits:
            channel = some + _lowest(bits)
            bits &= bits - 1
            within = offset[start + channel]
            if within >= n_window:
                raise IndexError("an offset lies outside its window")
            values[n] = ratio[start + channel]
            places[n] = _place(channel, (within * c + channel) * width)
            n += 1
    return n


@compiled
def _add_patches(sums: Any, n_k: int, step: Any, patch: Any, out: Any) -> None:
    """Add patches (h, w, slots, channels) of one image to out (k, channels, height, width)."""
    (h, w, slots), k = sums.shape[:3], len(out)
    for y in range(h):
        for x in range(w):
            for output in range(k):
                slot = output if output < k - n_k else output + slots - k
                at = 0
                for plane in range(out.shape[1]):
                    for i in range(y * step[0], y * step[0] + patch[0]):
                        for j in range(x * step[1], x * step[1] + patch[1]):
                            out[output, plane, i, j] += sums[y, x, slot, at]
                            at += 1
