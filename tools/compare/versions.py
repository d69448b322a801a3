"""Reads a version of the results: the workspace's, or a revision's from Git and DVC."""

import contextlib
import errno
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import RevError

from stages.artifacts import explanation, predictions, shortcuts
from stages.artifacts.explanation import Explanation
from stages.artifacts.predictions import Predictions
from stages.artifacts.shortcuts import Shortcuts
from stages.base.errors.user import UserError
from stages.base.files.formats import read_json
from stages.base.files.yaml import read_yaml
from tools.compare.retraining import METRICS as RETRAINING
from tools.compare.retraining import Retraining

WORKSPACE = "workspace"
SHARING = "docs/how-to/share-through-a-remote.md"
MEASURES = Path("data/quality/measures.csv")  # a row per image and method
LOCK = Path("dvc.lock")
METRICS = (Path("metrics/evaluate.json"), Path("metrics/explain.json"))


@dataclass(frozen=True)
class Version:
    """The results of one version.

    Attributes:
        name: `HEAD~1 (301ffbc)`, or `workspace`.
        explanation: The explained images and their maps.
        predictions: Predictions for the test split; None if neither cache nor remotes have them.
        measures: Measures of the explained images, by index in the test split; may be empty.
        metrics: The numbers of those files in `METRICS` that exist.
        shortcuts: What a search for shortcuts found; None if neither cache nor remotes have it.
        retraining: What `make retrain` counted for this explanation; None if it was not run.
    """

    name: str
    explanation: Explanation
    predictions: Predictions | None
    measures: pd.DataFrame
    metrics: dict[str, float]
    shortcuts: Shortcuts | None = None
    retraining: Retraining | None = None

    @property
    def parameters(self) -> dict[str, Any]:
        """The explanation's parameters, by section."""
        return dict(self.explanation.about["parameters"])


class Revision(NamedTuple):
    """A revision or experiment.

    Attributes:
        name: As the user gave it.
        files: Those that Git and DVC have of it.
        commit: Hash of the commit.
        digest: MD5 of its explanation; None if its `dvc.lock` records none.
    """

    name: str
    files: DVCFileSystem
    commit: str
    digest: str | None


class ResultsGoneError(UserError):
    """A revision is unknown, or its explanation is neither in DVC's cache nor in a remote.

    Attributes:
        reason: The message without advice.
    """

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(f"{reason}; {advice}")
        self.reason = reason


def read_version(rev: str | None, scratch: Path) -> Version:
    """Read a version.

    Args:
        rev: A Git revision or the name of an experiment; None for the workspace.
        scratch: An empty folder to copy a revision's results into.

    Raises:
        UserError: The revision is unknown, or its explanation cannot be fetched.
    """
    if rev is None:
        name, root, digest = WORKSPACE, Path(), recorded_digest()
        if not explanation.FOLDER.is_dir():
            raise UserError(
                f"{WORKSPACE}: no {explanation.FOLDER}; run dvc pull to fetch it, or dvc repro to "
                "make it"
            )
    else:
        (name, digest), root = _fetch(rev, scratch), scratch
    predicted, measures = root / predictions.FOLDER, root / MEASURES
    searched = root / shortcuts.FOLDER
    return Version(
        name,
        Explanation.load(root / explanation.FOLDER),
        Predictions.load(predicted) if predicted.is_dir() else None,
        _explained(pd.read_csv(measures)) if measures.is_file() else pd.DataFrame(),
        {
            key: value
            for file in METRICS
            if (root / file).is_file()
            for key, value in read_json(root / file).items()
        },
        Shortcuts.load(searched) if searched.is_dir() else None,
        Retraining.read(root / RETRAINING, digest),
    )


def open_revision(rev: str) -> Revision:
    """Open a revision or experiment.

    Raises:
        UserError: It is unknown, or DVC cannot read it.
    """
    wanted = str(explanation.FOLDER)
    try:
        # Today's remotes: the revision's own configuration may have none or outdated ones.
        files = DVCFileSystem(".", rev=rev, config=dict(Repo(".").config))
        # DVC lists every output of dvc.yaml; only those recorded in dvc.lock have a hash.
        digest = files.info(wanted).get("md5") if files.exists(wanted) else None
        return Revision(rev, files, str(files.repo.get_rev()), digest)
    except (RevError, AttributeError):  # the latter for a file or folder, such as HEAD:stages
        raise ResultsGoneError(
            f"{rev}: no such revision, branch, tag or experiment",
            "git log --oneline and dvc exp list --all list the existing ones" + _shallow_note(),
        ) from None
    except DvcException as error:
        raise UserError(
            f"{rev}: DVC cannot read its files: {error}; choose another revision"
        ) from None


def _shallow_note() -> str:
    """What a clone without its older commits lacks; empty for a whole one."""
    command = ["git", "rev-parse", "--is-shallow-repository"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    shallow = answer.strip() == "true"
    return "; this clone has no older commits: git fetch --unshallow gets them" if shallow else ""


def _fetch(rev: str, scratch: Path) -> tuple[str, str]:
    """Copy a revision's results from DVC's cache or its remotes.

    Returns:
        The version's name, and the MD5 of its explanation.
    """
    _, files, commit, digest = open_revision(rev)
    name = rev if commit.startswith(rev) else f"{rev} ({commit[:7]})"
    wanted = str(explanation.FOLDER)
    if digest is None:
        raise ResultsGoneError(
            f"{name}: has no {wanted}, since dvc.lock records none there",
            f"choose another revision, or make it: git switch --detach {rev}, dvc repro, and "
            "commit dvc.lock",
        )
    with _report_missing(name, rev), _report_full_disk(scratch):
        files.get(wanted, str(scratch / wanted), recursive=True)
    for path in (predictions.FOLDER, shortcuts.FOLDER, MEASURES, *METRICS, RETRAINING):
        with _optional(scratch / path), _report_full_disk(scratch):
            files.get(str(path), str(scratch / path), recursive=True)
    return name, digest


def recorded_digest() -> str | None:
    """MD5 of the workspace's explanation, as `dvc.lock` records it."""
    lock = read_yaml(LOCK) if LOCK.is_file() else {}
    outs = lock.get("stages", {}).get("explain", {}).get("outs", [])
    digests = [out.get("md5") for out in outs if out["path"] == str(explanation.FOLDER)]
    return str(digests[0]) if digests else None


@contextlib.contextmanager
def _report_full_disk(scratch: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise UserError(
            f"{scratch.parent}: cannot be written: {error.strerror}; free some space, or set "
            "TMPDIR to a folder on a larger disk"
        ) from error


@contextlib.contextmanager
def _optional(copy: Path) -> Iterator[None]:
    """Ignore a missing result and remove what was copied of it."""
    try:
        yield
    except UserError:
        raise
    except Exception:  # each kind of remote raises its own exceptions
        shutil.rmtree(copy) if copy.is_dir() else copy.unlink(missing_ok=True)


@contextlib.contextmanager
def _report_missing(name: str, rev: str) -> Iterator[None]:
    """Explain what to do if neither the cache nor a remote has the explanation."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each kind of remote raises its own exceptions
        raise ResultsGoneError(
            f"{name}: {explanation.FOLDER} is neither in DVC's cache nor in a remote"
            f"{_reason(error)}",
            f"dvc push sends the workspace's version alone, so where {rev} was made, run dvc push "
            f"--all-commits (see {SHARING}); or make it: git switch --detach {rev}, dvc repro",
        ) from error


def _reason(error: BaseException) -> str:
    """Why a remote could not be read; empty where it only lacks the file."""
    cause = error.__cause__ or error
    if isinstance(cause, FileNotFoundError):
        return ""
    return f" ({(isinstance(cause, OSError) and cause.strerror) or cause})"


def _explained(measures: pd.DataFrame) -> pd.DataFrame:
    """The rows of the explanation's own method, which comes first, by index in the test split."""
    explained = measures.groupby("method", sort=False).get_group(measures["method"].iloc[0])
    return explained.drop(columns=["method", "name"]).set_index("index")
