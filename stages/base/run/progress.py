"""Where a long stage saves finished work, so that an interrupted run can be resumed.

The folder is `data/unfinished/<stage>/<key>`, ignored by Git and not tracked by DVC. The key is a
digest of everything that determines the results. A change of code, data, parameters or library
versions gives another folder, so saved work never ends up in results that it does not belong to.
"""

import contextlib
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
_LIBRARIES = (
    *("keras", "llvmlite", "numba", "numpy", "onnx"),
    *("shap", "timm", "torch", "torchvision", "transformers"),
)


def progress_folder(stage: str, params: BaseModel) -> Path:
    """Find or create the folder of a stage's saved work; remove folders with other keys.

    Files in it must be written atomically, as `new_file` does, and only after
    `require_true_record`, since the key describes the code and the data at the start of the run.

    Args:
        stage: The stage's name in `dvc.yaml`.
        params: All parameters that the stage reads.
    """
    folder = _FOLDER / stage / _key(stage, params)
    folder.mkdir(parents=True, exist_ok=True)
    if rank() == 0:
        for other in folder.parent.iterdir():
            if other.name != folder.name:
                _remove(other)
    return folder


def remove_progress(stage: str) -> None:
    """Remove a stage's saved work; call this once the results are written."""
    _remove(_FOLDER / stage)


def state_after_interrupt(stage: str) -> str:
    """A message: what an interrupted stage has saved, and how to continue."""
    saved = (_FOLDER / stage).glob("*/*")
    if any(path.suffix in {"", ".pt"} for path in saved):  # a shard's folder, or a checkpoint
        return "finished work was saved; run dvc repro to continue"
    return "unfinished results were removed; run dvc repro to start again"


def _remove(folder: Path) -> None:
    """Remove a folder; a process killed meanwhile leaves no part of it under its own name."""
    removed = folder.with_name(f"{folder.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rename(removed)
    shutil.rmtree(removed, ignore_errors=True)


def _key(stage: str, params: BaseModel) -> str:
    """Twenty hexadecimal digits that identify everything the results depend on."""
    digest = hashlib.sha256(params.model_dump_json().encode())
    versions = [platform.python_version(), *map(_version, _LIBRARIES)]
    # Results of different kinds of device differ in the last digits.
    accelerators = sorted({"cuda", "mps"} & set(available_devices()))
    digest.update(repr([versions, accelerators]).encode())
    for file in _files(declared_deps(stage)):
        with file.open("rb") as content:
            content_digest = hashlib.file_digest(content, "sha256").hexdigest()
        digest.update(f"{file}\0{content_digest}\0".encode())
    return digest.hexdigest()[:20]


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _files(deps: set[Path]) -> Iterator[Path]:
    """These files and the files in these folders, sorted, without those that Python compiled."""
    for dep in sorted(deps):
        candidates = sorted(dep.rglob("*")) if dep.is_dir() else [dep]
        for file in candidates:
            if file.is_file() and file.parent.name != "__pycache__":
                yield file
