"""DVC experiments, which run in a copy of the files that Git and DVC track."""

import os
from pathlib import Path

VISIBILITY = "experiments see only files that Git or DVC tracks"


def workspace_of_experiment() -> Path | None:
    """The workspace that this experiment was copied from; None in the workspace itself."""
    root = os.environ.get("DVC_ROOT")  # DVC sets it for each stage
    if root is None or Path(root).resolve() == Path.cwd().resolve():
        return None
    return Path(root)


def missing_in_experiment(path: Path, command: str) -> str:
    """Why an experiment lacks a file, and how to include it; empty if the workspace lacks it too.

    Args:
        path: The file or folder, relative to the root of the repository.
        command: The command that tracks it: `git add` or `dvc add`.
    """
    workspace = workspace_of_experiment()
    if workspace is None or not _exists(workspace / path):
        return ""
    return f"{path} is in the workspace, but {VISIBILITY}: run {command} {path}, then try again"


def exists_or_tracked(path: Path) -> bool:
    """Whether a file or folder exists, or DVC restores it before a stage that depends on it."""
    tracked = [Path(f"{folder}.dvc") for folder in (path, *path.parents) if folder.name]
    return any(map(_exists, (path, *tracked)))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the name is too long, or a folder is not readable
        return False
