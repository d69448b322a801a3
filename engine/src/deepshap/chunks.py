"""Cuts the background into chunks, by group, cache and memory size, but never by the machine.

The cuts decide the last digits of sums over the background. So they must not depend on the number
of processor cores: the same images get the same attributions, to the bit, on any number of cores.
"""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

_MAX_PIECE = 10
"""The most background images in a piece, so that the first layer's arrays fit a core's cache."""

_MIN_CHUNKS = 4
"""The fewest chunks, given as many images: up to four cores share the work on a batch."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Piece:
    """Consecutive background images of one group, over which attributions are summed.

    Attributes:
        group: Number of the group.
        images: Indices in the background.
    """

    group: int
    images: range


@dataclass(frozen=True)
class Chunk:
    """Consecutive pieces of the background for which one backward pass is computed.

    Attributes:
        pieces: At least one, without gaps.
    """

    pieces: tuple[Piece, ...]

    @property
    def images(self) -> slice:
        """Indices in the background."""
        return slice(self.pieces[0].images.start, self.pieces[-1].images.stop)

    def __len__(self) -> int:
        return self.pieces[-1].images.stop - self.pieces[0].images.start

    def within(self, piece: Piece) -> slice:
        """Indices of a piece among the images of this chunk."""
        return slice(piece.images.start - self.images.start, piece.images.stop - self.images.start)


def cut(n_background: int, n_groups: int, largest: int) -> list[Chunk]:
    """Cut the background into chunks of about equal size.

    Args:
        n_background: Number of background images.
        n_groups: Number of groups, cut as by `torch.tensor_split`.
        largest: The most images in a chunk.
    """
    groups = _split(range(n_background), n_groups)
    size = len(groups[0])
    n_pieces = -(-size // min(largest, _MAX_PIECE))
    n_pieces = min(max(n_pieces, -(-_MIN_CHUNKS // n_groups)), size)
    pieces = [
        Piece(group, indices)
        for group, images in enumerate(groups)
        for indices in _split(images, min(n_pieces, len(images)))
    ]
    n_chunks = -(-len(pieces) // (largest // len(pieces[0].images)))
    n_chunks = min(-(-n_chunks // _MIN_CHUNKS) * _MIN_CHUNKS, len(pieces))
    return [
        Chunk(tuple(pieces[indices.start : indices.stop]))
        for indices in _split(range(len(pieces)), n_chunks)
    ]


def slices(selection: slice, size: int) -> list[slice]:
    """Cut a selection into slices of a size; the last one may be shorter."""
    stop = selection.stop
    return [slice(at, min(stop, at + size)) for at in range(selection.start, stop, size)]


def _split(whole: range, count: int) -> list[range]:
    """Consecutive ranges of equal length; the first ones may be longer by one."""
    size, larger = divmod(len(whole), count)
    ends = [at * size + min(at, larger) for at in range(count + 1)]
    return [whole[start:end] for start, end in itertools.pairwise(ends)]


@contextmanager
def single_threaded_pytorch() -> Iterator[int]:
    """Let PyTorch compute each operation on one core, so that no sum is split among cores.

    Changes the setting of the whole process until the context ends.

    Yields:
        The number of threads before, which is restored afterwards.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield n_threads
    finally:
        torch.set_num_threads(n_threads)


@contextmanager
def parallel_map(device: torch.device) -> Iterator[Callable[..., Iterator[Result]]]:
    """A `map` that gives each processor core its own chunks.

    Most operations on a chunk that fits the caches are too small to be split among cores: waiting
    for the slowest core after each of them costs more than the split gains.
    """
    with single_threaded_pytorch() as n_threads:
        if device.type != "cpu" or n_threads == 1:
            yield map
            return
        with ThreadPoolExecutor(n_threads) as pool:
            yield pool.map
