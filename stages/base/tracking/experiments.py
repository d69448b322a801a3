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
    names = [str(path)]
    for file in filter(lambda file: _exists(workspace / file), _written_by_add(path)):
        command, written = "git add", (file, file.with_name(".gitignore"))
        names = [str(each) for each in written if _exists(workspace / each)]
    return (
        f"{path} is in the workspace, but {VISIBILITY}: run {command} {' '.join(names)}, then try "
        "again"
    )


def exists_or_tracked(path: Path) -> bool:
    """Whether a file or folder exists, or DVC restores it before a stage that depends on it."""
    return any(map(_exists, (path, *_written_by_add(path))))


def _written_by_add(path: Path) -> list[Path]:
    """The files that `dvc add` would write for a path or a folder that it is in."""
    return [Path(f"{folder}.dvc") for folder in (path, *path.parents) if folder.name]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # the name is too long, or a folder is not readable
        return False
