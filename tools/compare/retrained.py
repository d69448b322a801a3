"""Finds a version that differs only in a seed, which shows what retraining alone changes."""

import io
import re
import subprocess
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.base.errors.user import UserError
from stages.base.files.yaml import PARAMS_FILE
from stages.explorer.document import flat
from tools.compare.versions import Version, read_version

SEED, TRAIN_SEED = "seed", "train.seed"
MOST_TRIED = 3  # candidates, because reading one takes seconds

_NAMED = ("refs/heads/", "refs/tags/")
_EXPERIMENT = re.compile(
    "refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/"
)  # the rest of refs/exps is DVC's own


def changed_parameters(old: Version, new: Version) -> dict[str, tuple[str, str]]:
    """Parameters that differ, with their old and new values; – for a missing key."""
    first, second = dict(flat(old.parameters)), dict(flat(new.parameters))
    return {
        key: (first.get(key, "–"), second.get(key, "–"))
        for key in first | second
        if first.get(key) != second.get(key)
    }


def is_reseeded(old: Version, new: Version) -> bool:
    """Whether the versions differ only in `seed` or `train.seed`."""
    return _only_seeds(changed_parameters(old, new).keys())


def _only_seeds(changed: Set[str]) -> bool:
    return bool(changed) and changed <= {SEED, TRAIN_SEED}


def find_retrained(version: Version, scratch: Path) -> Version | None:
    """An experiment, branch or tag that differs from this version only in a seed, if any.

    Args:
        version: The version to compare with.
        scratch: An empty folder to read versions into.
    """
    tried = 0
    for rev in _reseeded(version.parameters):
        if tried == MOST_TRIED:
            break
        tried += 1
        try:
            found = read_version(rev, scratch / str(tried))
        except UserError:  # its results may be gone; try the next
            continue
        if is_reseeded(version, found):
            return found
    return None


def _reseeded(parameters: dict[str, Any]) -> Iterator[str]:
    """Names of experiments, branches and tags whose `params.yaml` differs only in a seed."""
    wanted = {TRAIN_SEED: "null", **dict(flat(parameters))}
    for ref, content in _parameter_files():
        found = {TRAIN_SEED: "null", **_parameters(content)}
        if _only_seeds({key for key in wanted if found.get(key) != wanted[key]}):
            yield ref.split("/", 4 if _EXPERIMENT.match(ref) else 2)[-1]


def _parameter_files() -> Iterator[tuple[str, bytes]]:
    """Each experiment, branch and tag with its `params.yaml`, the newest first."""
    listed = _git("for-each-ref", "--format=%(refname)", "--sort=-creatordate").decode().split()
    refs = [ref for ref in listed if _EXPERIMENT.match(ref) or ref.startswith(_NAMED)]
    asked = "".join(f"{ref}:{PARAMS_FILE}\n" for ref in refs)
    answers = io.BytesIO(_git("cat-file", "--batch", stdin=asked.encode()))
    for ref in refs:
        _, kind, *size = answers.readline().split()  # <object> blob <size>, or <asked> missing
        if kind == b"blob":
            yield ref, answers.read(int(size[0]))
            answers.readline()


def _parameters(content: bytes) -> dict[str, str]:
    try:
        found = YAML(typ="safe", pure=True).load(content)
    except YAMLError:
        return {}
    return dict(flat(found)) if isinstance(found, dict) else {}


def _git(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(
        ["git", *arguments], input=stdin, stdout=subprocess.PIPE, check=True
    ).stdout
