"""Where a long stage keeps finished work, so that a run that was cut off goes on from there.

What is kept lies in `data/unfinished/<stage>/<key>`, which Git ignores and DVC does not know. The
key is a digest of all that decides the results: another code, data, parameter or version has
another folder, so nothing kept can end up in results that it does not belong to.

Explain keeps shards, which any number of processes, on any number of hosts, take from that folder.
No process waits for another: a shard is written whole or not at all, and what a slow or dead
process leaves undone, the others do.
"""

import hashlib
import importlib.metadata
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from stages.base.params.devices import available_devices
from stages.base.run.rank import rank
from stages.base.tracking.dependencies import declared_deps

_FOLDER = Path("data/unfinished")
_LIBRARIES = ("llvmlite", "numba", "numpy", "shap", "timm", "torch", "torchvision")


def progress_folder(stage: str, params: BaseModel) -> Path:
    """Make or find the folder of what a stage has finished; remove those of other keys.

    What is kept there must be written whole, as `new_file` does, and only after
    `require_true_record`: the key is that of the code and the data at the start.

    Args:
        stage: The stage's name in `dvc.yaml`.
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
