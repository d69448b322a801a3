"""Experiments that DVC runs beside the workspace, in a copy of what Git and DVC know."""

import os
from pathlib import Path

SEES = "experiments see only what Git and DVC know"


def workspace_of_experiment() -> Path | None:
    """The workspace that this copy was made from; None where this is the workspace itself."""
    root = os.environ.get("DVC_ROOT")  # DVC sets it for each stage
    if root is None or Path(root).resolve() == Path.cwd().resolve():
        return None
    return Path(root)


def left_behind(path: Path, command: str) -> str:
    """Why a file is missing here, and how to include it; empty if the workspace lacks it too.

    Args:
        path: The file or folder, from the root of the repository.
        command: What makes it known: `git add` or `dvc add`.
    """
    workspace = workspace_of_experiment()
    if workspace is None or not _exists(workspace / path):
        return ""
    return f"{path} lies in the workspace, but {SEES}: run {command} {path}, then try again"


def will_be_there(path: Path) -> bool:
    """Whether a file or folder exists, or DVC puts it there before the stage that depends on it."""
    within = [path, *path.parents]
    return any(map(_exists, (path, *(Path(f"{part}.dvc") for part in within if part.name))))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long, or a folder that may not be read
        return False
