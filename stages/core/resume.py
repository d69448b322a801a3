"""Where a long stage keeps finished work, so that a run that was cut off goes on from there.

What is kept lies in `data/unfinished/<stage>/<key>`, which Git ignores and DVC does not know. The
key is a digest of all that decides the results: another code, data, parameter or version has
another folder, so nothing kept can end up in results that it does not belong to.

Explain keeps shards, which any number of processes, on any number of hosts, take from that folder.
No process waits for another: a shard is written whole or not at all, and what a slow or dead
process leaves undone, the others do.
"""

import contextlib
import errno
import hashlib
import importlib.metadata
import os
import platform
import shutil
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydantic import BaseModel

from stages.core.declared import declared_deps
from stages.core.devices import available_devices
from stages.core.files import new_folder
from stages.core.launch import n_ranks, rank

SHARD_SIZE = 1024  # images at most; what is lost at most when a process is killed
_SHARDS, _MULTIPLE = 16, 32  # fewer images are cut too, so that processes can share the work

_FOLDER = Path("data/unfinished")
Part = TypeVar("Part")
_LIBRARIES = ("llvmlite", "numba", "numpy", "shap", "timm", "torch", "torchvision")


def progress_folder(stage: str, params: BaseModel) -> Path:
    """Make or find the folder of what a stage has finished; remove those of other keys.

    What is kept there must be written whole, as `new_file` does, and only after
    `require_true_record`: the key is that of the code and the data at the start.

    Args:
        stage: Its name in `dvc.yaml`.
        params: All that it reads of `params.yaml`.
    """
    folder = _FOLDER / stage / _key(stage, params)
    folder.mkdir(parents=True, exist_ok=True)
    if rank() == 0:
        for other in folder.parent.iterdir():
            if other.name != folder.name:
                shutil.rmtree(other, ignore_errors=True)
    return folder


def forget_progress(stage: str) -> None:
    """Remove what a stage has kept; to be called once its results are written."""
    shutil.rmtree(_FOLDER / stage, ignore_errors=True)


def left_by_interrupt(stage: str) -> str:
    """What an interrupted stage has left, and what to do, said to the user."""
    kept = (_FOLDER / stage).glob("*/*")
    if any(path.suffix in {"", ".pt"} for path in kept):  # a shard's folder, or a training
        return "what was finished is kept; run dvc repro to go on"
    return "unfinished results were removed; run dvc repro to start again"


def _key(stage: str, params: BaseModel) -> str:
    """Twenty digits that stand for everything the results depend on."""
    digest = hashlib.sha256(params.model_dump_json().encode())
    versions = [platform.python_version(), *map(_version, _LIBRARIES)]
    # Their results differ in the last digits.
    accelerators = sorted({"cuda", "mps"} & set(available_devices()))
    digest.update(repr([versions, accelerators]).encode())
    for file in _files(declared_deps(stage)):
        with file.open("rb") as content:
            digest.update(
                f"{file}\0{hashlib.file_digest(content, 'sha256').hexdigest()}\0".encode()
            )
    return digest.hexdigest()[:20]


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _files(deps: set[Path]) -> Iterator[Path]:
    """The files of these files and folders, in order, without what Python and numba compiled."""
    for dep in sorted(deps):
        inside = sorted(dep.rglob("*")) if dep.is_dir() else [dep]
        yield from (file for file in inside if file.is_file() and file.parent.name != "__pycache__")


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
