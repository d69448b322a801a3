"""What DVC has recorded of the outputs: `dvc.lock`, and the `.dvc` files of data that was added."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.base.errors.user import UserError
from stages.base.files.yaml import read_yaml

LOCK, PIPELINE = Path("dvc.lock"), Path("dvc.yaml")
CODE = "stages"  # is there to be edited


@dataclass(frozen=True)
class Recorded:
    """A file or folder, and the digest that it had.

    Attributes:
        path: Relative to the root of the repository.
        digest: MD5 in hexadecimal, of a folder that of its manifest and `.dir`.
        source: Where this is recorded: a stage of `dvc.lock`, or a `.dvc` file.
        restore: What brings it back once it is removed.
    """

    path: Path
    digest: str
    source: str
    restore: str


def read_lock() -> dict[str, Any]:
    """The stages of `dvc.lock`.

    Raises:
        UserError: There is no such file, or it cannot be read.
    """
    return _stages(LOCK)


def read_records(stages: dict[str, Any]) -> list[Recorded]:
    """Outputs of the last run, the data that it read, and data that was added.

    Args:
        stages: From `read_lock`.

    Raises:
        UserError: A file that records them is not as DVC writes it.
    """
    in_git = _outputs_in_git()
    records = {}
    with _as_dvc_writes(LOCK):
        for stage, content in stages.items():
            for item in content.get("outs", []):
                path = item["path"]
                brings = f"git checkout -- {path}" if path in in_git else f"dvc checkout {path}"
                restore = f"{brings}, or dvc repro"
                records[path] = Recorded(Path(path), item["md5"], stage, restore)
    for file in _added():
        with _as_dvc_writes(file):
            for item in read_yaml(file).get("outs", []):
                path = str(file.parent / item["path"])
                restore = f"dvc checkout {file}, or dvc pull {file}"
                records[path] = Recorded(Path(path), item["md5"], str(file), restore)
    with _as_dvc_writes(LOCK):
        for stage, content in stages.items():
            for item in content.get("deps", []):
                path = item["path"]
                if Path(path).parts[0] != CODE and path not in records:
                    restore = f"git checkout -- {path} if it lies in Git, else your copy of it"
                    records[path] = Recorded(Path(path), item["md5"], stage, restore)
    return list(records.values())


def stale_stages(stages: dict[str, Any]) -> set[str]:
    """Stages that read something else than what the stage before wrote, as after a merge.

    Their results are those of another run, and prove nothing about this one.

    Args:
        stages: From `read_lock`.
    """
    with _as_dvc_writes(LOCK):
        wrote = {
            item["path"]: item["md5"]
            for content in stages.values()
            for item in content.get("outs", [])
        }
        return {
            stage
            for stage, content in stages.items()
            for item in content.get("deps", [])
            if wrote.get(item["path"], item["md5"]) != item["md5"]
        }


def cache_folder() -> Path:
    """DVC's cache, wherever it is configured to be.

    Raises:
        UserError: This is no DVC repository, or its configuration is wrong.
    """
    command = ["dvc", "cache", "dir"]
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise UserError("dvc: not found; activate the environment, or use make") from None
    except subprocess.CalledProcessError as error:
        raise UserError(f"verify: dvc cache dir failed: {error.stderr.strip()}") from None
    path = Path(done.stdout.strip())
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _stages(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise UserError(f"{path}: no such file; run dvc repro first")
    with _as_dvc_writes(path):
        stages: dict[str, Any] = read_yaml(path)["stages"]
    return stages


@contextlib.contextmanager
def _as_dvc_writes(path: Path) -> Iterator[None]:
    """Name the file where a key is missing or holds something else."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: not as DVC writes it ({error!r}); git checkout -- {path} brings back that of "
            "the last commit"
        ) from None


def _outputs_in_git() -> set[str]:
    """Paths of the outputs with `cache: false`."""
    with _as_dvc_writes(PIPELINE):
        return {
            path
            for stage in _stages(PIPELINE).values()
            for kind in ("outs", "metrics", "plots")
            for item in stage.get(kind, [])
            if isinstance(item, dict)
            for path, options in item.items()
            if options.get("cache") is False
        }


def _added() -> list[Path]:
    """`.dvc` files, those not yet committed included."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.dvc"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [Path(name) for name in listed.split("\0") if name and Path(name).is_file()]
