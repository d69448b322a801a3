"""Proposes candidates for a class from attributions alone."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.shortcut_search.rule import Maps, Rule

LARGEST_SHARE = 0.4  # of the blocks, in a region
WHOLE_SHARES = (0.02, 0.05, 0.15)
SEEDS = 24  # blocks from which regions grow
MOST_GROWN = 9  # blocks that a region takes in one by one
KEPT_GAP = 0.8  # it takes them while its gap stays above this share of the widest
WEAK = 0.1  # and only blocks whose contrast is above this share of the first one's
RANKINGS = 3  # of blocks, for the whole class
WINDOWS = (2, 3)  # side of the windows for marks that move, in blocks
LEAST_MEMBERS, LEAST_SHARE = 4, 0.02  # of the searched half of a class
WORTH_GROWING, WORTH_PROPOSING = 0.5, 2.0  # least gap, in spreads
MOST_DIVIDING = 6  # candidates that divide a class
NOISE = 0.01  # floor of a spread, as a share of the mean Σ|attribution| of an image
STEADY_NOISE = 0.002
MOST_PROPOSED = MOST_DIVIDING + len(WINDOWS) + RANKINGS * len(WHOLE_SHARES)  # candidates of a class


class Cut(NamedTuple):
    """The best division of images in two by each of t sums.

    Attributes:
        gap: Tenth percentile of the upper part minus the 95th of the lower one, in spreads of the
            lower one (t,).
        threshold: Halfway between these percentiles (t,).
    """

    gap: NDArray[np.float64]
    threshold: NDArray[np.float64]


def least_members(n_images: int) -> int:
    """The fewest images that a part of a class may have."""
    return max(LEAST_MEMBERS, round(LEAST_SHARE * n_images))


def best_cut(sums: NDArray[np.float64], floor: float) -> Cut:
    """Divide images by sums (n, t) where the parts are furthest apart.

    Args:
        sums: Sums of at least twice `least_members` images.
        floor: Added to spreads, in the unit of the sums.
    """
    n, least = len(sums), least_members(len(sums))
    sizes = np.arange(least, n - least + 1)
    falling = -np.sort(-sums, axis=0)
    low = falling[np.ceil(0.9 * sizes).astype(int) - 1]
    high = falling[sizes + np.floor(0.05 * (n - sizes)).astype(int)]
    centred = falling - falling.mean(axis=0)
    first, second = (powers[::-1].cumsum(0)[::-1][sizes] for powers in (centred, centred**2))
    rest = (n - sizes)[:, None]
    spread = np.sqrt(np.maximum(second / rest - (first / rest) ** 2, 0))
    gaps = (low - high) / (spread + floor)
    best, columns = gaps.argmax(axis=0), np.arange(sums.shape[1])
    # Between the percentiles, not between two images: up to a tenth may be on the wrong side.
    return Cut(gaps[best, columns], (low + high)[best, columns] / 2)


def propose(maps: Maps, contents: Maps, other_contents: Maps) -> list[Rule]:
    """Candidates for one class, the widest gap first, then those for the whole class.

    Args:
        maps: Block sums of the attributions of its searched images (n, gh, gw).
        contents: Sum of the pixels of each block of these images (n, gh, gw), in grey levels.
        other_contents: The same for images of other classes (o, gh, gw).
    """
    scale = float(np.abs(maps).sum(axis=(1, 2)).mean())
    if scale == 0:
        return []
    parts: list[tuple[float, Rule]] = []
    moving: list[Rule] = []
    if len(maps) >= 2 * least_members(len(maps)):
        parts = [(gap, rule) for gap, rule in _parts(maps, scale) if gap >= WORTH_PROPOSING]
        moving = [rule for gap, rule in _moving(maps, scale) if gap >= WORTH_PROPOSING]
    parts.sort(key=lambda item: -item[0])
    kept: list[tuple[Rule, NDArray[np.bool_]]] = []
    for _, rule in parts:
        item = rule, rule.members(rule.place(maps))
        if len(kept) < MOST_DIVIDING and _differs(item, kept):
            kept.append(item)
    return [rule for rule, _ in kept] + moving + list(_whole(maps, contents, other_contents, scale))


def _differs(
    item: tuple[Rule, NDArray[np.bool_]], kept: list[tuple[Rule, NDArray[np.bool_]]]
) -> bool:
    """Whether a candidate adds something: at most two regions for the same images."""
    rule, members = item
    alike = [other for other, chosen in kept if _alike(members, chosen)]
    area = int(rule.regions[0].sum())
    return len(alike) < 2 and all(int(other.regions[0].sum()) != area for other in alike)


def _alike(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> bool:
    return bool(2 * (first & second).sum() > (first | second).sum())


def _parts(maps: Maps, scale: float) -> Iterator[tuple[float, Rule]]:
    """Regions in which the attributions of part of the images stand apart, grown from a block."""
    flat = maps.reshape(len(maps), -1).astype(np.float64)
    floor = NOISE * scale
    gaps, thresholds = best_cut(flat, floor)
    seen = np.zeros(flat.shape[1], bool)
    for seed in np.argsort(-gaps, kind="stable")[:SEEDS]:
        if gaps[seed] <= WORTH_GROWING or seen[seed]:
            continue
        upper = flat[:, seed] >= thresholds[seed]
        contrast = flat[upper].mean(axis=0) - flat[~upper].mean(axis=0)
        noise = np.sqrt(flat[upper].var(axis=0) + flat[~upper].var(axis=0)) + STEADY_NOISE * scale
        order = np.argsort(-contrast / noise, kind="stable")
        order = order[contrast[order] > WEAK * contrast[seed]]
        small = _grown(flat, int(seed), order, floor)
        seen[small] = True
        for blocks in (np.array(small), *_widest(flat, order, floor)):
            region = np.isin(np.arange(flat.shape[1]), blocks)
            gap, threshold = best_cut(flat[:, region].sum(axis=1, keepdims=True), floor)
            places = region.reshape(1, *maps.shape[1:])
            rule = Rule("part", places, np.zeros(1), np.ones(1), float(threshold[0]))
            yield float(gap[0]), rule


def _grown(
    flat: NDArray[np.float64], seed: int, allowed: NDArray[np.int64], floor: float
) -> list[int]:
    """A block and, one after the other, those that keep the gap of the attributions' sum widest."""
    blocks, sums, widest = [seed], flat[:, [seed]], 0.0
    while len(blocks) < MOST_GROWN and len(free := np.setdiff1d(allowed, blocks)):
        gaps = best_cut(sums + flat[:, free], floor).gap
        best = gaps.argmax()
        widest = max(widest, gaps[best])
        if gaps[best] < KEPT_GAP * widest:
            break
        blocks.append(int(free[best]))
        sums = sums + flat[:, [free[best]]]
    return blocks


def _widest(
    flat: NDArray[np.float64], order: NDArray[np.int64], floor: float
) -> Iterator[NDArray[np.int64]]:
    """As many of the first blocks in an order as give the widest gap, if there are more."""
    sizes = np.arange(MOST_GROWN + 1, min(len(order), int(LARGEST_SHARE * flat.shape[1])) + 1)
    if len(sizes):
        sums = flat[:, order].cumsum(axis=1)[:, sizes - 1]
        yield order[: sizes[best_cut(sums, floor).gap.argmax()]]


def _moving(maps: Maps, scale: float) -> Iterator[tuple[float, Rule]]:
    """Square windows anywhere: images whose attribution at any place is unusual for that place."""
    for side in WINDOWS:
        regions = _windows(maps.shape[1:], side)
        flat = regions.reshape(len(regions), -1).T.astype(np.float64)
        sums = maps.reshape(len(maps), -1) @ flat
        low, middle, high = np.quantile(sums, (0.1, 0.5, 0.9), axis=0)
        spread = (high - low) / 2.56 + NOISE * scale  # of a normal distribution
        rule = Rule("moving", regions, middle, spread, -np.inf)
        scores = rule.place(maps).scores[:, None]
        gap, threshold = best_cut(scores, 0.1)
        yield float(gap[0]), Rule("moving", regions, middle, spread, float(threshold[0]))


def _whole(maps: Maps, contents: Maps, other_contents: Maps, scale: float) -> Iterator[Rule]:
    """Regions that almost all images go by: the strongest, the steadiest, the most peculiar."""
    low = np.quantile(maps, 0.1, axis=0)
    steady = low / (maps.std(axis=0) + STEADY_NOISE * scale)
    noise = contents.std(axis=0) + other_contents.std(axis=0) + 1
    peculiar = np.abs(contents.mean(axis=0) - other_contents.mean(axis=0)) / noise
    seen: set[bytes] = set()
    for ranking in (low, steady, low * peculiar):
        order = np.argsort(-ranking, axis=None, kind="stable")
        order = order[low.ravel()[order] > 0]
        for region in _largest(order, maps.shape[1:]):
            if region.tobytes() not in seen:
                seen.add(region.tobytes())
                yield Rule("whole", region[None], np.zeros(1), np.ones(1), -np.inf)


def _largest(order: NDArray[np.int64], shape: tuple[int, ...]) -> Iterator[NDArray[np.bool_]]:
    """Regions (gh, gw) of the first blocks in an order, for each share of all blocks."""
    n_blocks = int(np.prod(shape))
    for share in WHOLE_SHARES:
        size = max(1, round(share * n_blocks))
        if size <= len(order):
            region = np.zeros(n_blocks, bool)
            region[order[:size]] = True
            yield region.reshape(shape)


def _windows(shape: tuple[int, ...], side: int) -> NDArray[np.bool_]:
    """All square windows of this side (p, gh, gw)."""
    rows, columns = shape
    corners = [(r, c) for r in range(rows - side + 1) for c in range(columns - side + 1)]
    windows = np.zeros((len(corners), rows, columns), bool)
    for window, (row, column) in zip(windows, corners, strict=True):
        window[row : row + side, column : column + side] = True
    return windows
