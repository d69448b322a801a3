"""Recomputes digests: of outputs against what is recorded, of DVC's cache against its names."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from stages.base.errors.user import UserError
from stages.base.files.yaml import read_yaml
from tools.verify.records import Recorded

CHUNK = 2**20
NOT_HASHED = ("size", "nfiles")  # of an entry of the run cache, by DVC

Bar = Any  # tqdm's own type needs an argument that it does not have at run time


@dataclass
class Found:
    """What the digests say.

    Attributes:
        damage: A line for each file that is not what was recorded.
        damaged: The recorded files and folders that these lines are about.
        missing: Files that do not exist.
        damaged_objects: Files of the cache that these lines are about.
        n_files: How many files of outputs were read.
        n_objects: How many files of the cache were read.
    """

    damage: list[str] = field(default_factory=list)
    damaged: set[Path] = field(default_factory=set)
    damaged_objects: set[Path] = field(default_factory=set)
    missing: list[Recorded] = field(default_factory=list)
    n_files: int = 0
    n_objects: int = 0


def check_digests(records: list[Recorded], cache: Path) -> Found:
    """Read every recorded file and every file of the cache."""
    found = Found()
    folders = [record.path for record in records] + [cache]
    total = sum(file.stat().st_size for folder in folders for file in files_in(folder))
    with tqdm(
        total=total, desc="digests", unit="B", unit_scale=True, delay=1, leave=False, disable=None
    ) as bar:
        found.damage += _check_objects(cache, found, bar)
        found.damage += _check_runs(cache / "runs", found)
        for record in records:
            if not record.path.exists():
                found.missing.append(record)
                continue
            lines = list(_check_record(record, cache, found, bar))
            found.damage += lines
            found.damaged |= {record.path} if lines else set()
    return found


def files_in(path: Path) -> list[Path]:
    """A file itself, or all files of a folder."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file())


def md5_of(path: Path, bar: Bar) -> str:
    """The MD5 of a file's content, read piece by piece."""
    digest = hashlib.md5(usedforsecurity=False)
    with _opened(path) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def _opened(path: Path) -> Any:
    try:
        return path.open("rb")
    except PermissionError:
        raise UserError(f"{path}: cannot be read; fix its permissions, then run again") from None


def _check_record(record: Recorded, cache: Path, found: Found, bar: Bar) -> Iterator[str]:
    path = record.path

    def differs(file: Path, got: str, expected: str) -> str:
        remove, restore = "it", record.restore
        if (copy := _object(cache, expected)) in found.damaged_objects:
            remove, restore = f"it and {copy}", "dvc pull, or dvc repro"
        return f"{file}: MD5 is {got}, expected {expected}; remove {remove}, then {restore}"

    files = files_in(path)
    digests = {file: md5_of(file, bar) for file in files}
    found.n_files += len(files)
    if path.is_file():
        if digests[path] != record.digest:
            yield differs(path, digests[path], record.digest)
        return
    got = {file.relative_to(path).as_posix(): digest for file, digest in digests.items()}
    digest = manifest_digest(got)
    if digest == record.digest:
        return
    expected = _manifest(_object(cache, record.digest), found)
    if expected is None:
        yield (
            f"{path}: MD5 of its {len(files)} files is {digest}, expected {record.digest}; "
            "which of them differs cannot be told, since the folder's manifest is not in the "
            f"cache; remove it, then {record.restore}"
        )
        return
    for name in sorted(got.keys() | expected.keys()):
        file = path / name
        if name not in got:
            yield f"{file}: no such file, expected MD5 {expected[name]}; {record.restore}"
        elif name not in expected:
            yield f"{file}: a file of {path} that is not recorded; remove it"
        elif got[name] != expected[name]:
            yield differs(file, got[name], expected[name])


def manifest_digest(digests: dict[str, str]) -> str:
    """What DVC calls a folder whose files, by relative path, have these digests."""
    listed = [{"md5": digests[name], "relpath": name} for name in sorted(digests)]
    content = json.dumps(listed).encode()
    return hashlib.md5(content, usedforsecurity=False).hexdigest() + ".dir"


def _object(cache: Path, digest: str) -> Path:
    """Where DVC keeps content of this digest."""
    return cache / "files/md5" / digest[:2] / digest[2:]


def _manifest(path: Path, found: Found) -> dict[str, str] | None:
    """Digests by relative path; None if the manifest is not there, or is damaged itself."""
    if path in found.damaged_objects or not path.exists():
        return None
    return {item["relpath"]: item["md5"] for item in json.loads(path.read_bytes())}


def _check_objects(cache: Path, found: Found, bar: Bar) -> Iterator[str]:
    """Files of the cache whose name is not the digest of their content."""
    for file in files_in(cache / "files/md5"):
        name = file.parent.name + file.name
        if not re.fullmatch(r"[0-9a-f]{32}(\.dir)?", name):
            continue  # what DVC had not finished, and never reads
        found.n_objects += 1
        digest = md5_of(file, bar)
        if digest != name.removesuffix(".dir"):
            found.damaged_objects.add(file)
            yield (
                f"{file}: MD5 is {digest}, expected {name.removesuffix('.dir')}, its name; remove "
                "it, then dvc pull, or dvc repro"
            )


def _check_runs(folder: Path, found: Found) -> Iterator[str]:
    """Entries of the run cache whose name is not the digest of their content.

    Of sizes DVC takes no digest, and makes no use.
    """
    for file in files_in(folder):
        if not re.fullmatch(r"[0-9a-f]{64}", file.name):
            continue
        found.n_objects += 1
        try:
            content = json.dumps(_without_sizes(read_yaml(file)), sort_keys=True)
            digest = hashlib.sha256(content.encode()).hexdigest()
        except UserError:
            digest = "of no valid YAML"
        if digest != file.name:
            yield (
                f"{file}: SHA-256 is {digest}, expected {file.name}, its name; remove it: the run "
                "that it remembers runs again when it is wanted"
            )


def _without_sizes(content: Any) -> Any:
    if isinstance(content, dict):
        kept = {key: value for key, value in content.items() if key not in NOT_HASHED}
        return {key: _without_sizes(value) for key, value in kept.items()}
    if isinstance(content, list):
        return [_without_sizes(item) for item in content]
    return content
