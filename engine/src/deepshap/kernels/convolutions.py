"""Both convolutions on the way back, compiled: they multiply what is not 0.

They read and write without bounds: only `__init__.py` beside this file calls them, which checks.

Layouts, p pairs, k outputs, c channels: what depends on the output lies as (p, h, w, k, c), what
does not as (p, h, w, c), weights as (block, window, kernel height, kernel width, c read, c
written), where a block is as many of the channels written as fit the registers, in vectors of 16
numbers. `window` is 1, or the positions of a pool's window, each of which has its own weights.

All time goes into `accumulate`. Everything around it makes lists of what is not 0, since most
multipliers behind a ReLU or a max pool are, for all outputs alike.
"""

from typing import Any

import numpy as np
from numba.cpython.unsafe import numbers

from deepshap.kernels import LANES
from deepshap.kernels.compiling import compiled
from deepshap.kernels.registers import accumulate, mask

_lowest: Any = numbers.trailing_zeros  # of the bits that are set


@compiled
def _bits(ratio: Any, offset: Any, start: int, count: int, place: int) -> int:
    """Which of the next ratios, at most 16, are not 0 and at a place of their windows, as bits.

    Going through the set bits takes less than half as long as going through all ratios.

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
def _lists(
    ratio: Any, offset: Any, window: Any, plane: Any, steps: Any, weight: Any, column: int,
    pairs: Any,
) -> Any:  # fmt: skip
    """List the ratios that are not 0 by position, for each pair, or once if they are alike.

    Positions are those of the plane before the pool, so what a kernel's row covers is one stretch
    of the list. Where each position of a window has its own weights, they are those of the plane
    behind the pool. `column` is how many lines of weights an entry moves back for each column to
    the right: its tap lies one stride further to the left.

    Returns:
        Where each position's entries begin, (pairs or 1, height * width + 1); and the entries, as
        `accumulate` reads them.
    """
    n_lists = pairs[1] - pairs[0] if max(len(ratio), len(offset)) > 1 else 1
    (_, h, w, c), (tall, wide), (height, breadth) = ratio.shape, window, plane
    room, width = n_lists * h * w * c, weight.shape[5]
    apart = weight[0, 0].size // width if weight.shape[1] > 1 else 0
    starts = np.empty((n_lists, height * breadth + 1), np.int64)
    values, places, n = np.empty(room, np.float32), np.empty(room, np.int64), 0
    for one in range(n_lists):
        pair = pairs[0] + one
        shares, within = ratio[min(pair, len(ratio) - 1)], offset[min(pair, len(offset) - 1)]
        shares, within = shares.reshape(-1), within.reshape(-1)
        for y in range(height):
            i, below = y // tall, y % tall * wide
            for j in range(-(-breadth // wide)):  # no division in the innermost loop
                for x in range(j * wide, min(j * wide + wide, breadth)):
                    starts[one, y * breadth + x] = n
                    at, place = (i * w + j) * c, -1 if apart else below + x - j * wide
                    for some in range(0, c if i < h and j < w else 0, LANES):
                        bits = _bits(shares, within, at + some, c - some, place)
                        while bits:
                            channel = some + _lowest(bits)
                            bits &= bits - 1
                            line = within[at + channel] * apart + channel - x * column
                            row = i * steps[1] + j * steps[2] + channel  # 0 or more; `line` or not
                            values[n], places[n] = shares[at + channel], (line * width << 32) + row
                            n += 1
        starts[one, height * breadth] = n
    return starts, (values, places)


@compiled
def transposed(
    sizes: Any, rows: Any, steps: Any, ratio: Any, offset: Any, window: Any, plane: Any,
    weight: Any, stride: Any, padding: Any, k: int, pairs: Any, change: Any, out: Any,
) -> None:  # fmt: skip
    """Transpose a convolution: each position of its input collects from what it has gone into.

    Output-stationary: the k and channels of one position stay in registers, while the kernel's rows
    are gone through, each a stretch of the list. A block of weights stays in the cache while all
    pairs pass.

    Args:
        sizes: Of a block, for `accumulate`, which also say whether it adds.
        rows: Numbers of the multipliers, of which `steps` says how far one is from the next along
            (p, h, w, k); channels are side by side.
        ratio: (p or 1, h, w, c).
        offset: (p or 1, h, w, c) uint8, the position in its window.
        window: Of the pool; (1, 1) for none.
        plane: Height and width of the convolution's output.
        weight: As above, 16 * vectors channels a block.
        stride, padding: Of the convolution, vertical and horizontal.
        k: How many outputs.
        pairs: The first one and behind the last one.
        change: Numbers of x (n, height, width, channels) and of b (b, height, width, channels), and
            how many b are; read where it adds.
        out: (pairs, height, width, k, channels), written; or (1, height, width, slots, channels),
            to which (x - b) times each pair's result is added.
    """
    n_k, adds, (n_blocks, _, tall, wide, c, width) = len(sizes[0]), len(sizes[3]), weight.shape
    flat, written, (x_flat, b_flat, n_others) = weight.reshape(-1), out.reshape(-1), change
    _, height, breadth, slots, channels = out.shape
    starts, entries = _lists(ratio, offset, window, plane, steps, weight, stride[1] * c, pairs)
    rows_reached = _reached(height, padding[0], tall, stride[0], plane[0])
    columns_reached = _reached(breadth, padding[1], wide, stride[1], plane[1])
    parts = np.empty((tall, 3), np.int64)
    for block in range(n_blocks):
        for pair in range(pairs[1] - pairs[0]):
            listed, into = starts[min(pair, len(starts) - 1)], 0 if adds else pair
            image, other = divmod(pairs[0] + pair, n_others)
            for y in range(height):
                for x in range(breadth):
                    n_parts = 0
                    for row in range(rows_reached[y, 0], rows_reached[y, 1]):
                        start = listed[row * plane[1] + columns_reached[x, 0]]
                        stop = listed[row * plane[1] + columns_reached[x, 1]]
                        if start < stop:
                            tap = (y + padding[0] - row * stride[0]) * wide + x + padding[1]
                            parts[n_parts, 0], parts[n_parts, 1] = start, stop
                            parts[n_parts, 2] = tap * c * width
                            n_parts += 1
                    at, all_, side = y * breadth + x, height * breadth, block * width
                    for some in range(0, k if n_parts or not adds else 0, n_k):
                        first = min(some, k - n_k)  # the last ones twice rather than too far
                        slot = (into * all_ + at) * slots + (some if adds else first)
                        accumulate(
                            sizes, (written, slot * channels + side, channels),
                            (x_flat, (image * all_ + at) * channels + side,
                             b_flat, (other * all_ + at) * channels + side),
                            (flat, block * weight[0].size),
                            (rows, (pairs[0] + pair) * steps[0] + first * steps[3], steps[3]),
                            entries, parts, n_parts,
                        )  # fmt: skip


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

    A 1×1 convolution, transposed, from each position to the patch under it. The sums of one image
    and one piece stay in the cache; at the end the patches, which overlap, are added up.

    Args:
        sizes, rows, steps, ratio, offset: As for `transposed`.
        weight: (blocks, window, 1, 1, c, 16 * vectors), of the patch under a window.
        images: What lies under each patch, (n, h, w, channels), as many as are written.
        background: Likewise (b, h, w, channels).
        pieces: (pieces, 2): from which background image to which.
        step: How far one patch is from the next.
        patch: Its height and width.
        out: (pieces, n, k, channels, height, width) with padding, added to.
    """
    n_k, k, (b, h, w, channels) = len(sizes[0]), out.shape[2], background.shape
    sums = np.empty((1, h, w, -(-k // n_k) * n_k, channels), np.float32)
    change = images.reshape(-1), background.reshape(-1), b
    for piece in range(len(pieces)):
        for image in range(len(images)):
            sums[:] = 0
            pairs = image * b + pieces[piece, 0], image * b + pieces[piece, 1]
            transposed(
                sizes, rows, steps, ratio, offset, (1, 1), (h, w), weight, (1, 1), (0, 0), k,
                pairs, change, sums,
            )  # fmt: skip
            _add_patches(sums[0], n_k, step, patch, out[piece, image])


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
