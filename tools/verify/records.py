"""Digests that DVC recorded: of outputs and inputs in `dvc.lock`, of added data in `.dvc` files."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.output import Output
from dvc.repo import Repo
from dvc.scm import SCMError

from stages.base.errors.user import UserError
from stages.base.files.yaml import read_yaml
from tools.command import require_git

LOCK = Path("dvc.lock")
CODE = ("stages", "engine")  # folders that users edit between runs


@dataclass(frozen=True)
class Record:
    """A file or folder and its recorded digest.

    Attributes:
        path: Relative to the root of the repository.
        digest: In hexadecimal; a folder's is that of its manifest and ends in `.dir`.
        kind: `md5`, or `md5-dos2unix` in `.dvc` files of DVC 2.
        source: Where it is recorded: a stage of `dvc.lock`, or a `.dvc` file.
        restore: The command that restores it once it is removed.
    """

    path: Path
    digest: str
    kind: str
    source: str
    restore: str


def open_repo() -> Repo:
    """The DVC repository in the current folder, with its stages read.

    Raises:
        UserError: There is no repository or no `dvc.lock`, or a file that DVC reads is damaged.
    """
    require_git()
    try:
        repo = Repo()
        if not LOCK.exists():
            raise UserError(f"{LOCK}: no such file; run dvc repro first")
        assert repo.index.stages is not None  # reads dvc.yaml, dvc.lock and .dvc files
    except NotDvcRepoError:
        raise UserError("verify: not a DVC repository; run it in the root of a clone") from None
    except SCMError as error:
        raise UserError(f"verify: {error}; run it in a clone that git made") from None
    except DvcException as error:
        read_yaml(LOCK)  # names the line, if it is not valid YAML
        raise UserError(
            f"verify: DVC cannot read its files: {error}; git checkout -- {LOCK} restores the "
            "last commit's"
        ) from None
    return repo


def read_records(repo: Repo) -> list[Record]:
    """Digests of the last run's outputs, of added data, and of the data that the run read."""
    records = {}
    for out in _recorded(repo.index.outs):
        path, stage = shown_path(Path(out.fs_path)), out.stage
        if stage.is_data_source:
            restore = f"dvc checkout {stage.addressing}, or dvc pull {stage.addressing}"
        elif out.use_cache:
            restore = f"dvc checkout {path}, or dvc repro"
        else:
            restore = f"git checkout -- {path}, or dvc repro"
        records[path] = Record(path, *_digest(out), stage.addressing, restore)
    for dep in _recorded(repo.index.deps):
        path = shown_path(Path(dep.fs_path))
        if path.parts[0] not in CODE and path not in records:
            restore = f"git checkout -- {path} if Git has it, else restore it from your copy"
            records[path] = Record(path, *_digest(dep), dep.stage.addressing, restore)
    return list(records.values())


def stale_stages(repo: Repo) -> set[str]:
    """Stages whose inputs are not what the stage before wrote, for example after a merge.

    Their results come from another run and cannot be compared with this one's.
    """
    wrote = {out.fs_path: out.hash_info.value for out in _recorded(repo.index.outs)}
    return {
        dep.stage.addressing
        for dep in _recorded(repo.index.deps)
        if wrote.get(dep.fs_path, dep.hash_info.value) != dep.hash_info.value
    }


def shown_path(path: Path) -> Path:
    """The path, relative to the current folder if it is inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _recorded(items: list[Output]) -> Iterator[Output]:
    """Local files and folders with a recorded MD5; parameters have none."""
    for item in items:
        if item.protocol == "local" and item.hash_info and "md5" in item.hash_info.name:
            yield item


def _digest(item: Output) -> tuple[str, str]:
    return item.hash_info.value, item.hash_info.name
