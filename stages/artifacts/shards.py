"""The shards of an unfinished explanation, which any number of processes and hosts can work on.

No process waits for another: a shard is written whole or not at all, to a folder that all share,
and what a slow or dead process leaves undone, the others do.
"""

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from stages.core.files import new_folder
from stages.core.launch import n_ranks, rank

SHARD_SIZE = 1024  # images; what is lost at most when a process is killed


class Shard(NamedTuple):
    """Some of the work.

    Attributes:
        rows: Which images.
        folder: Of its results; it exists once they are there.
    """

    rows: slice
    folder: Path


def shards_of(n_images: int, folder: Path) -> list[Shard]:
    """Cut work on n images into shards whose results go into a folder."""
    return [
        Shard(slice(start, min(start + SHARD_SIZE, n_images)), folder / f"{start:09d}")
        for start in range(0, n_images, SHARD_SIZE)
    ]


def n_finished(shards: list[Shard]) -> int:
    """How many images the shards have that are finished, by whichever process."""
    rows = [shard.rows for shard in shards if shard.folder.exists()]
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


@contextlib.contextmanager
def new_shard(shard: Shard) -> Iterator[Path]:
    """A folder to write a shard's results into; the first process that succeeds keeps its own."""
    own = shard.folder.with_name(f"{shard.folder.name}.{socket.gethostname()}.{os.getpid()}")
    with new_folder(own) as folder:
        yield folder
    try:
        own.rename(shard.folder)
    except OSError:
        shutil.rmtree(own)
        if not shard.folder.exists():
            raise
