"""The transposed convolution and the first layer's contraction, compiled: they skip zeros.

They read and write without bounds checks: `dispatch.py` checks all arguments and is their only
caller.

Layouts, for p pairs, k outputs and c channels: arrays that depend on the output are
(p, h, w, k, c), the others (p, h, w, c). Weights are (panel, window, kernel height, kernel width, c
read, c written). A panel holds as many of the channels written as fit the registers, in vectors of
16 numbers. `window` is 1, or the positions of a pool's window, each of which has its own weights.

`accumulate` takes nearly all of the time. The code around it lists the multipliers that are not 0:
behind a ReLU or a max pool most are 0, at the same positions for all outputs.
"""

from typing import Any

import numpy as np
from numba.cpython.unsafe import numbers

from deepshap.kernels.compiling import compiled
from deepshap.kernels.layout import LANES
from deepshap.kernels.registers import accumulate, mask, prefetch

_lowest_bit: Any = numbers.trailing_zeros


@compiled
def _nonzero_bits(ratio: Any, offset: Any, start: int, count: int, position: int) -> int:
    """A bit for each of the next 16 ratios: whether it is not 0 and has the given position.

    Going through the set bits takes less than half the time of going through all ratios.

    Args:
        ratio, offset: Ratios, and their positions in windows.
        start: The first ratio to look at.
        count: How many ratios remain; at most 16 are looked at.
        position: The position that counts.
    """
    if count >= LANES:
        all_at_once: int = mask(ratio, offset, start, position)
        return all_at_once
    bits = 0
    for lane in range(count):
        if ratio[start + lane] != 0 and offset[start + lane] == position:
            bits |= 1 << lane
    return bits


@compiled
def _lists(
    ratio: Any, offset: Any, needed: Any, window: Any, plane: Any, steps: Any, weight: Any,
    column: int, pairs: Any, group: int,
) -> Any:  # fmt: skip
    """List a group's nonzero ratios by position, for each pair, or once if all pairs share them.

    Positions are those in the plane before the pool, so a row of a kernel covers one contiguous
    stretch of the list. Where each position of a window has its own weights, they are positions in
    the plane behind the pool.

    Args:
        ratio, offset, needed, window, plane, steps, weight, pairs: The arguments of `transposed`.
        column: How many lines of weights an entry moves back for each column to the right: its tap
            lies one stride further to the left.
        group: The group of channels to list; entries count channels from its first.

    Returns:
        Where the entries of each position begin, (pairs or 1, height * width + 1); and the entries
        as `accumulate` reads them.
    """
    n_lists = pairs[1] - pairs[0] if max(len(ratio), len(offset), needed.shape[2]) > 1 else 1
    (_, h, w, channels), (tall, wide), (height, breadth) = ratio.shape, window, plane
    c, group_at = weight.shape[4], group * weight.shape[4]
    width, has_own_weights = weight.shape[5], weight.shape[1] > 1
    capacity, line, n = n_lists * h * w * c + 1, width << 32, 0
    window_lines = weight[0, 0].size // width * line if has_own_weights else 0
    starts = np.empty((n_lists, height * breadth + 1), np.int64)
    values, addresses = np.empty(capacity, np.float32), np.empty(capacity, np.int64)
    for one in range(n_lists):
        pair = pairs[0] + one
        ratios, within = ratio[min(pair, len(ratio) - 1)], offset[min(pair, len(offset) - 1)]
        flat_ratios, flat_within = ratios.reshape(-1), within.reshape(-1)
        number = min(pair, needed.shape[2] - 1)
        for y in range(height):
            i, below = y // tall, y % tall * wide
            for j in range(-(-breadth // wide)):  # avoids a division in the innermost loop
                n_read = c if i < h and j < w and needed[i, j, number] else 0
                at, row = (
                    (i * w + j) * channels + group_at,
                    i * steps[1] + j * steps[2],
                )  # never negative
                for x in range(j * wide, min(j * wide + wide, breadth)):
                    starts[one, y * breadth + x] = n
                    first, position = row - x * column * line, below + x - j * wide
                    for channel in range(n_read if has_own_weights else 0):
                        one_ratio = ratios[i, j, group_at + channel]
                        moved = within[i, j, group_at + channel] * window_lines
                        values[n] = one_ratio  # if it is 0, the next entry replaces this one
                        addresses[n] = first + channel * (line + 1) + moved
                        n += one_ratio != 0
                    for lane in range(0, 0 if has_own_weights else n_read, LANES):
                        bits = _nonzero_bits(
                            flat_ratios, flat_within, at + lane, c - lane, position
                        )
                        while bits:
                            channel = lane + _lowest_bit(bits)
                            bits &= bits - 1
                            values[n] = flat_ratios[at + channel]
                            addresses[n] = first + channel * (line + 1)
                            n += 1
        starts[one, height * breadth] = n
    return starts, (values, addresses)


@compiled
def transposed(
    sizes: Any, rows: Any, steps: Any, ratio: Any, offset: Any, needed: Any, window: Any,
    plane: Any, weight: Any, stride: Any, padding: Any, k: int, pairs: Any, others: Any,
    wanted: Any, out: Any,
) -> None:  # fmt: skip
    """Transpose a convolution: each position of its input collects from the outputs that read it.

    The sums of one position, k outputs by the channels of a panel, stay in registers while the loop
    goes through the rows of the kernel, each a stretch of the list. A panel stays in the cache
    while all pairs pass; the multipliers are fetched two lines of the plane ahead.

    Args:
        sizes: The sizes of a panel, for `accumulate`; they also say how it ends.
        rows: Numbers of the multipliers; channels are contiguous.
        steps: Distance in `rows` from one number to the next along (p, h, w, k).
        ratio: (p or 1, h, w, c).
        offset: The position in its window, (p or 1, h, w, c) uint8.
        needed: Where the multipliers are defined, (h, w, p or 1).
        window: Height and width of the pool's window; (1, 1) for no pool.
        plane: Height and width of the convolution's output.
        weight: The panels, as above, each with 16 * vectors channels, group by group. Each group
            reads as many channels.
        stride, padding: Stride and padding of the convolution, vertical and horizontal.
        k: The number of outputs.
        pairs: The first pair, and the one after the last.
        others: What `accumulate` reads at the end: u (n, height, width, k, channels), flat, its
            steps, and how many pairs in a row share it; v (m, height, width, channels), flat, and
            m: pair p has number p % m.
        wanted: Where to compute, (height, width, p or 1).
        out: (pairs, height, width, k, channels), written, with room for a vector behind it: there
            may be fewer channels than a vector has numbers; or (1, height, width, slots, channels),
            to which (u - v) times the result of each pair is added.
    """
    n_k, n_others, (n_panels, _, tall, wide, c, width) = len(sizes[0]), len(sizes[3]), weight.shape
    n_groups, group, lines = ratio.shape[3] // c, 0, stride[1] * c
    adds = n_others == 1
    flat, written, (u, u_steps, n_same, v, n_v) = weight.reshape(-1), out.reshape(-1), others
    _, height, breadth, slots, channels = out.shape
    starts, entries = _lists(
        ratio, offset, needed, window, plane, steps, weight, lines, pairs, group
    )
    row_readers = readers(height, padding[0], tall, stride[0], plane[0])
    column_readers = readers(breadth, padding[1], wide, stride[1], plane[1])
    stretches = np.empty((tall, 3), np.int64)
    share = -(
        -steps[0] // (LANES * height * breadth * n_groups)
    )  # of a pair's rows, in vectors per position
    area = height * breadth
    # With a single window, each position has its own weights: they stay in the cache instead.
    n_parts = area if plane[0] * plane[1] == 1 else 1
    for part in range(n_panels * n_parts):
        panel, side, begin_at = part // n_parts, part // n_parts * width, part % n_parts
        if panel // (n_panels // n_groups) > group:
            group += 1
            starts, entries = _lists(
                ratio, offset, needed, window, plane, steps, weight, lines, pairs, group
            )
        for pair in range(pairs[1] - pairs[0]):
            number = min(pairs[0] + pair, wanted.shape[2] - 1)
            listed, into = starts[min(pair, len(starts) - 1)], 0 if adds else pair
            u_at = v_at = 0
            if n_others:
                u_at, v_at = (pairs[0] + pair) // n_same * u_steps[0], (pairs[0] + pair) % n_v
            y, x = begin_at // breadth, begin_at % breadth - 1
            for at in range(begin_at, begin_at + area // n_parts):
                x += 1
                if x == breadth:
                    y, x = y + 1, 0
                if not wanted[y, x, number]:
                    continue
                beyond = min(at + 2 * breadth, area - 1)
                if n_parts == 1 and (not adds or listed[beyond] < listed[beyond + 1]):
                    ahead = at * share * LANES + 2 * steps[1]
                    prefetch(rows, (pairs[0] + pair) * steps[0] + ahead, share)
                n_stretches = 0
                for row in range(row_readers[y, 0], row_readers[y, 1]):
                    start = listed[row * plane[1] + column_readers[x, 0]]
                    stop = listed[row * plane[1] + column_readers[x, 1]]
                    if start < stop:
                        tap = (y + padding[0] - row * stride[0]) * wide + x + padding[1]
                        stretches[n_stretches, 0], stretches[n_stretches, 1] = start, stop
                        stretches[n_stretches, 2] = tap * c * width
                        n_stretches += 1
                for begin in range(0, k if n_stretches or not adds else 0, n_k):
                    # The last panel overlaps the one before instead of reaching beyond k.
                    first = min(begin, k - n_k)
                    slot = (into * area + at) * slots + (begin if adds else first)
                    accumulate(
                        sizes, (written, slot * channels + side, channels),
                        (u, u_at + y * u_steps[1] + x * u_steps[2] + first * u_steps[3] + side,
                         u_steps[3], v, (v_at * area + at) * channels + side),
                        (flat, panel * weight[0].size),
                        (rows, (pairs[0] + pair) * steps[0] + first * steps[3] + group * c,
                         steps[3]),
                        entries, stretches, n_stretches,
                    )  # fmt: skip


@compiled
def readers(size: int, padding: int, taps: int, stride: int, outputs: int) -> Any:
    """The first output that reads each input position along an axis, and one past the last.

    Both are the same where no output reads it.
    """
    found = np.empty((size, 2), np.int64)
    for at in range(size):
        found[at, 0] = min(max(0, -((taps - 1 - at - padding) // stride)), outputs)
        found[at, 1] = max(found[at, 0], min(outputs, (at + padding) // stride + 1))
    return found


@compiled
def contracted(
    sizes: Any, rows: Any, steps: Any, ratio: Any, offset: Any, needed: Any, weight: Any,
    images: Any, background: Any, pieces: Any, step: Any, patch: Any, out: Any,
) -> None:  # fmt: skip
    """Contract a first convolution over pairs: out = Σ (x - b) Σ_c rows ratio weight.

    This transposes a 1×1 convolution from each position to the patch under it. The sums of one
    image and one piece stay in the cache; at the end, the overlapping patches are added up.

    Args:
        sizes, rows, steps, ratio, offset, needed: The arguments of `transposed`.
        weight: Weights of the patch under a window, (panels, window, 1, 1, c, 16 * vectors).
        images: The images under each patch, (n, h, w, channels), padded like the panels.
        background: The background images under each patch, (b, h, w, channels).
        pieces: Where each piece of the background starts and stops, (pieces, 2).
        step: Distance from one patch to the next.
        patch: Height and width of a patch.
        out: (pieces, n, k, channels, height, width) with padding; sums are added to it.
    """
    n_k, k, (b, h, w, channels) = len(sizes[0]), out.shape[2], background.shape
    sums = np.empty((1, h, w, -(-k // n_k) * n_k, channels), np.float32)
    one, zero = len(sums), len(sums) - 1  # numba would compile `_lists` again for literals
    u_steps = images[0].size, w * channels, channels, zero
    everywhere = np.ones((h, w, 1), np.uint8)
    others = images.reshape(-1), u_steps, b, background.reshape(-1), b
    for piece in range(len(pieces)):
        for image in range(len(images)):
            sums[:] = 0
            pairs = image * b + pieces[piece, 0], image * b + pieces[piece, 1]
            transposed(
                sizes, rows, steps, ratio, offset, needed, (one, one), (h, w), weight,
                (one, one), (zero, zero), k, pairs, others, everywhere, sums,
            )  # fmt: skip
            _add_patches(sums[0], n_k, step, patch, out[piece, image])


@compiled
def _add_patches(sums: Any, n_k: int, step: Any, patch: Any, out: Any) -> None:
    """Add patches (h, w, slots, channels) of one image to out (k, channels, height, width)."""
    (h, w, slots), k, (tall, wide) = sums.shape[:3], len(out), patch
    for output in range(k):
        slot = output if output < k - n_k else output + slots - k
        for plane in range(out.shape[1]):
            for y in range(h):
                for x in range(w):
                    values = sums[y, x, slot]
                    for i in range(tall):
                        row, first = out[output, plane, y * step[0] + i], (plane * tall + i) * wide
                        for j in range(wide):
                            row[x * step[1] + j] += values[first + j]
