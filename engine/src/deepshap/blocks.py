"""How the background is cut: by group, by what the caches hold, by memory. Never by the machine.

Where sums over the background are cut decides their last digits, so the cuts must not follow the
number of processor cores: the same images get the same attributions, to the bit, on any number.
"""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

_PIECE = 10
"""The most background images in a piece: what the first layer makes of them fits a core's cache."""

_BLOCKS = 4
"""The fewest blocks where there are as many images: so many cores can share the work on a tile."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Piece:
    """Consecutive background images of one group, over which attributions are summed.

    Attributes:
        group: Which group.
        images: Positions in the background.
    """

    group: int
    images: range


@dataclass(frozen=True)
class Block:
    """Consecutive pieces that go back through the network together.

    Attributes:
        pieces: At least one, without gaps.
    """

    pieces: tuple[Piece, ...]

    @property
    def images(self) -> slice:
        """Positions in the background."""
        return slice(self.pieces[0].images.start, self.pieces[-1].images.stop)

    def __len__(self) -> int:
        return self.pieces[-1].images.stop - self.pieces[0].images.start

    def within(self, piece: Piece) -> slice:
        """Positions of a piece among the images of this block."""
        return slice(piece.images.start - self.images.start, piece.images.stop - self.images.start)


def cut(n_background: int, n_groups: int, largest: int) -> list[Block]:
    """Cut the background into blocks, about equally large.

    Args:
        n_background: How many images.
        n_groups: Into how many groups they fall, as `torch.tensor_split` makes them.
        largest: The most images of a block.
    """
    groups = _parts(range(n_background), n_groups)
    size = len(groups[0])
    n_pieces = -(-size // min(largest, _PIECE))
    n_pieces = min(max(n_pieces, -(-_BLOCKS // n_groups)), size)
    pieces = [
        Piece(group, part)
        for group, images in enumerate(groups)
        for part in _parts(images, min(n_pieces, len(images)))
    ]
    n_blocks = -(-len(pieces) // (largest // len(pieces[0].images)))
    n_blocks = min(-(-n_blocks // _BLOCKS) * _BLOCKS, len(pieces))
    return [
        Block(tuple(pieces[part.start : part.stop]))
        for part in _parts(range(len(pieces)), n_blocks)
    ]


def _parts(whole: range, count: int) -> list[range]:
    """Consecutive parts of equal size, the first ones larger by one if need be."""
    size, larger = divmod(len(whole), count)
    ends = [at * size + min(at, larger) for at in range(count + 1)]
    return [whole[start:end] for start, end in itertools.pairwise(ends)]


@contextmanager
def one_thread() -> Iterator[int]:
    """Let PyTorch compute each operation on one core, so that no sum is split among cores.

    Yields:
        How many threads it used before, and uses again afterwards.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield n_threads
    finally:
        torch.set_num_threads(n_threads)


@contextmanager
def workers(device: torch.device) -> Iterator[Callable[..., Iterator[Result]]]:
    """A `map` that gives each processor core blocks of its own.

    Most operations on a block that fits the caches are too small to be split among cores, and
    waiting for the slowest core after each of them costs more than the split gains.
    """
    with one_thread() as n_threads:
        if device.type != "cpu" or n_threads == 1:
            yield map
            return
        with ThreadPoolExecutor(n_threads) as pool:
            yield pool.map
