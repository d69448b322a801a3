"""Work on many images, cut into shards that are kept as each is finished.

Any number of processes, on any number of hosts, take shards from one folder. No process waits for
another: a shard is written whole or not at all, and what a slow or dead process leaves undone, the
others do.
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

SHARD_SIZE = 1024  # images at most; what is lost at most when a process is killed

_SHARDS, _MULTIPLE = 16, 32  # fewer images are cut too, so that processes can share the work

Part = TypeVar("Part")


class Shard(NamedTuple):
    """Some of the work.

    Attributes:
        rows: Which images.
        folder: Where its results go; it exists once they are complete.
    """

    rows: slice
    folder: Path


def shards_of(n_images: int, folder: Path) -> list[Shard]:
    """Cut work on n images into shards whose results go into a folder."""
    size = -(-n_images // (_SHARDS * _MULTIPLE)) * _MULTIPLE
    size = min(size, SHARD_SIZE)
    return [
        Shard(slice(start, min(start + size, n_images)), folder / f"{start:09d}")
        for start in range(0, n_images, size)
    ]


def n_finished(shards: list[Shard]) -> int:
    """How many images the shards have that are finished, by whichever process."""
    with os.scandir(shards[0].folder.parent) as entries:  # thousands of stats would be slower
        there = {entry.name for entry in entries}
    rows = [shard.rows for shard in shards if shard.folder.name in there]
    return sum(some.stop - some.start for some in rows)


def unfinished(shards: list[Shard]) -> Iterator[Shard]:
    """Yield shards to work on until all are finished, by whichever process.

    First those that no process has claimed. Then any that is still missing, since whoever claimed
    it is slow, or has been killed: the work may be done twice, but it is never waited for.
    """
    for shard in shards:
        if not shard.folder.exists() and _claim(shard):
            yield shard
    first = rank() * len(shards) // n_ranks()  # so that not all do the same one
    for shard in (*shards[first:], *shards[:first]):
        if not shard.folder.exists():
            yield shard


def _claim(shard: Shard) -> bool:
    """Whether this process is the first to create the shard's claim."""
    try:
        shard.folder.with_suffix(".claim").open("x").close()
    except FileExistsError:
        return False
    return True


class _Finished(Exception):
    """Another process has finished the shard."""


def until_finished(shard: Shard, parts: Iterable[Part]) -> Iterator[Part]:
    """Yield parts of a shard's results; in `new_shard`, stop once another process has them all."""
    for part in parts:
        if shard.folder.exists():
            raise _Finished
        yield part


@contextlib.contextmanager
def new_shard(shard: Shard) -> Iterator[Path]:
    """A folder to write a shard's results into; the first process that succeeds keeps its own."""
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
