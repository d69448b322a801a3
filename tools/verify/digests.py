"""Recomputes digests: outputs against dvc.lock, DVC's cache against its file names.

Hashing, manifests of folders and the run cache's digests are DVC's own functions. Two of its
functions cannot do this job. `dvc status` trusts files of known size and time. `ObjectDB.check`
trusts read-only files, as all files in the cache are, and deletes damaged ones.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils import dict_sha256
from dvc.utils.serialize import load_yaml
from dvc_data.hashfile.build import build
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from dvc_objects.fs.local import localfs
from tqdm import tqdm

from stages.base.errors.user import UserError
from tools.verify.records import Record, shown_path

NOT_OF_ITS_NAME = "its content is not that of its name"  # names in the cache are digests
RESTORE = "dvc repro, or dvc pull if the remote's copy is sound"
NOT_HASHED = ("size", "nfiles")  # keys that DVC leaves out of a run cache entry's digest

T = TypeVar("T")


@dataclass
class Found:
    """The result of checking digests.

    Attributes:
        damage: A line for each file that differs from its recorded digest.
        damaged: The recorded files and folders that these lines are about.
        damaged_objects: The files in the cache that these lines are about.
        missing: Records whose file or folder does not exist.
        n_files: Number of output files read.
        n_objects: Number of cache files read.
    """

    damage: list[str] = field(default_factory=list)
    damaged: set[Path] = field(default_factory=set)
    damaged_objects: set[str] = field(default_factory=set)
    missing: list[Record] = field(default_factory=list)
    n_files: int = 0
    n_objects: int = 0


def check_digests(records: list[Record], repo: Repo) -> Found:
    """Read every recorded file and every file in the cache.

    Raises:
        UserError: A file cannot be read.
    """
    found = Found()
    try:
        found.damage += _check_objects(Path(repo.cache.local.path), found)
        found.damage += _check_runs(Path(repo.stage_cache.cache_dir), found)
        for record in _progress(records, "results"):
            if not record.path.exists():
                found.missing.append(record)
                continue
            lines = list(_check_record(record, repo, found))
            found.damage += lines
            found.damaged |= {record.path} if lines else set()
    except PermissionError as error:
        raise UserError(
            f"{error.filename}: cannot be read; fix its permissions, then run again"
        ) from None
    return found


def _check_objects(folder: Path, found: Found) -> Iterator[str]:
    """Report files in the cache whose name is not the digest of their content."""
    for file in _progress(_files_in(folder), "cache"):
        name = file.parent.name + file.name
        if not re.fullmatch(r"[0-9a-f]{32}(\.dir)?", name):
            continue  # left by an interrupted command; DVC never reads it
        found.n_objects += 1
        if file_md5(str(file)) != name.removesuffix(".dir"):
            found.damaged_objects.add(name)
            yield f"{shown_path(file)}: {NOT_OF_ITS_NAME}; remove it, then {RESTORE}"


def _check_runs(folder: Path, found: Found) -> Iterator[str]:
    """Report entries of the run cache whose name is not the digest of their content."""
    for file in _files_in(folder):
        if not re.fullmatch(r"[0-9a-f]{64}", file.name):
            continue
        found.n_objects += 1
        try:
            digest = dict_sha256(load_yaml(file), exclude=NOT_HASHED)
        except (DvcException, TypeError, ValueError):
            digest = None  # not valid YAML
        if digest != file.name:
            yield (
                f"{shown_path(file)}: {NOT_OF_ITS_NAME}; remove it: DVC repeats the run when it is "
                "needed"
            )


def _check_record(record: Record, repo: Repo, found: Found) -> Iterator[str]:
    path, expected = record.path, record.digest

    def differs(file: Path, expected: str | None) -> str:
        remove, restore = "it", record.restore
        if expected in found.damaged_objects:
            copy = shown_path(Path(repo.cache.local.oid_to_path(expected)))
            remove, restore = f"it and {copy}", RESTORE
        return f"{file}: not what {record.source} recorded; remove {remove}, then {restore}"

    # A store without DVC's database of known digests, so that every file is read.
    store = HashFileDB(localfs, repo.cache.local.path)
    absolute = str(path.absolute())
    *_, built = build(store, absolute, localfs, record.kind, dry_run=True, ignore=repo.dvcignore)
    found.n_files += len(built) if isinstance(built, Tree) else 1
    if built.hash_info.value == expected:
        return
    if not isinstance(built, Tree):
        yield differs(path, expected)
        return
    if expected in found.damaged_objects or not store.exists(expected):
        yield (
            f"{path}: its {len(built)} files are not what {record.source} recorded; which one "
            "differs is unknown, because the cache lacks the folder's list of files; remove the "
            f"folder, then {record.restore}"
        )
        return
    got = _digests(built)
    recorded = _digests(Tree.load(store, HashInfo(record.kind, expected)))
    for name in sorted(got.keys() | recorded.keys()):
        file = path / name
        if name not in got:
            yield f"{file}: no such file, but {record.source} recorded it; {record.restore}"
        elif name not in recorded:
            yield f"{file}: {path} has no record of this file; remove it"
        elif got[name] != recorded[name]:
            yield differs(file, recorded[name])


def _digests(tree: Tree) -> dict[str, str | None]:
    """The MD5 of each file, by relative path."""
    return {"/".join(parts): digest.value if digest else None for parts, _, digest in tree}


def _files_in(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.is_file())


def _progress(items: Sequence[T], name: str) -> Iterator[T]:
    yield from tqdm(items, name, delay=1, leave=False, disable=None)
