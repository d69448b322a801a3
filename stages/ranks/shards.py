"""Work on many images, cut into shards that are saved one by one.

Any number of processes, on any number of hosts, take shards from one folder. No process waits for
another: shards are written completely or not at all, and the others take over those of a slow or
dead process.
"""

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from stages.base.files.atomic import new_folder
from stages.base.run.rank import n_ranks, rank

SHARD_SIZE = 1024  # the most images in a shard, and the most to repeat after a killed process

# Fewer images are cut, too, so that processes can share them: into at most 16 shards, each of a
# multiple of 32 images.
_N_SHARDS, _MULTIPLE = 16, 32

Piece = TypeVar("Piece")


class Shard(NamedTuple):
    """A slice of the images.

    Attributes:
        rows: Indices of the images.
        folder: The folder of the results; it exists once they are complete.
    """

    rows: slice
    folder: Path


def shards_of(n_images: int, folder: Path) -> list[Shard]:
    """The shards of n images; their results go into subfolders of `folder`."""
    size = -(-n_images // (_N_SHARDS * _MULTIPLE)) * _MULTIPLE
    size = min(size, SHARD_SIZE)
    return [
        Shard(slice(start, min(start + size, n_images)), folder / f"{start:09d}")
        for start in range(0, n_images, size)
    ]


def n_finished(shards: list[Shard]) -> int:
    """Number of images in shards that any process has finished."""
    with os.scandir(shards[0].folder.parent) as entries:  # faster than thousands of stats
        names = {entry.name for entry in entries}
    finished = [shard.rows for shard in shards if shard.folder.name in names]
    return sum(rows.stop - rows.start for rows in finished)


def unfinished(shards: list[Shard]) -> Iterator[Shard]:
    """Yield shards to work on, until this and the other processes have finished all.

    First come shards that no process has claimed, then those whose process is slow or was killed.
    Two processes may do the same work, but none waits.
    """
    for shard in shards:
        if not shard.folder.exists() and _claim(shard):
            yield shard
    first = rank() * len(shards) // n_ranks()  # so that ranks start with different ones
    for shard in (*shards[first:], *shards[:first]):
        if not shard.folder.exists():
            yield shard


def _claim(shard: Shard) -> bool:
    """Claim a shard for this process; False if another one has claimed it."""
    try:
        shard.folder.with_suffix(".claim").open("x").close()
    except FileExistsError:
        return False
    return True


class _Finished(Exception):
    """Another process has finished the shard."""


def until_finished(shard: Shard, pieces: Iterable[Piece]) -> Iterator[Piece]:
    """Yield pieces of a shard's results; leave `new_shard` once another process has finished it."""
    for piece in pieces:
        if shard.folder.exists():
            raise _Finished
        yield piece


@contextlib.contextmanager
def new_shard(shard: Shard) -> Iterator[Path]:
    """A folder for a shard's results, discarded if another process finishes the shard first."""
    own = shard.folder.with_name(f"{shard.folder.name}.{uuid.uuid4().hex}")
    with contextlib.suppress(_Finished):
        with new_folder(own) as folder:
            yield folder
        try:
            own.rename(shard.folder)
        except OSError as error:
            shutil.rmtree(own)
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                raise
