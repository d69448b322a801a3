"""A version of the results: the workspace, or what Git and DVC keep of a revision."""

import contextlib
import errno
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from dvc.api import DVCFileSystem
from dvc.repo import Repo
from dvc.scm import RevError

from stages.artifacts import explanation, predictions
from stages.artifacts.explanation import Explanation
from stages.artifacts.predictions import Predictions
from stages.base.errors.user import UserError
from stages.base.files.formats import read_json

WORKSPACE = "workspace"
MEASURES = Path("data/quality/measures.csv")  # a row an image and method, the explained one first
NAMES = "names.npy"  # of the images: the youngest file of explanations and of predictions
METRICS = (Path("metrics/evaluate.json"), Path("metrics/explain.json"))


@dataclass(frozen=True)
class Version:
    """The results of one version.

    Attributes:
        name: How to call it: `HEAD~1 (301ffbc)`, `workspace`.
        explanation: Of older versions some arrays may be empty, see `read_version`.
        predictions: For its test split; None if they cannot be had.
        measures: Of each explained image, by its position in the test split; empty without any.
        metrics: The numbers of `metrics/*.json`, as far as they are there.
    """

    name: str
    explanation: Explanation
    predictions: Predictions | None
    measures: pd.DataFrame
    metrics: dict[str, float]

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters that led to the explanation, by section."""
        return dict(self.explanation.about["parameters"])


def read_version(rev: str | None, scratch: Path) -> Version:
    """Read a version.

    A version from before maps had classes, backgrounds were kept and images had names gets all
    classes in order, an empty background, and the positions in the test split as names.

    Args:
        rev: Whatever DVC takes for a revision: of Git, or an experiment. None: the workspace.
        scratch: An empty folder to copy a revision's results into.

    Raises:
        UserError: There is no such revision, or it has no explanation that can be had.
    """
    if rev is None:
        name, root = WORKSPACE, Path()
        if not explanation.FOLDER.is_dir():
            raise UserError(
                f"{WORKSPACE}: no {explanation.FOLDER}; run dvc pull to fetch it, or dvc repro to "
                "make it"
            )
    else:
        name, root = _fetch(rev, scratch), scratch
    folder = root / explanation.FOLDER
    if not (folder / NAMES).exists():
        folder = _completed(folder, scratch / "explanation")
    predicted, measures = root / predictions.FOLDER, root / MEASURES
    if predicted.is_dir() and not (predicted / NAMES).exists():
        predicted = _named(predicted, scratch / "predictions")
    return Version(
        name,
        Explanation.load(folder),
        Predictions.load(predicted) if predicted.is_dir() else None,
        _explained(pd.read_csv(measures)) if measures.is_file() else pd.DataFrame(),
        {
            key: value
            for file in METRICS
            if (root / file).is_file()
            for key, value in read_json(root / file).items()
        },
    )


def _fetch(rev: str, scratch: Path) -> str:
    """Copy a revision's results, from DVC's cache or else its remotes; return what to call it."""
    try:
        # With the remotes of today: those that the revision knew may be gone, or none.
        files = DVCFileSystem(".", rev=rev, config=dict(Repo(".").config))
        commit = files.repo.get_rev()
    except RevError:
        raise UserError(
            f"{rev}: no such revision, branch, tag or experiment; git log --oneline and dvc exp "
            "list --all show what there is"
        ) from None
    name = rev if commit.startswith(rev) else f"{rev} ({commit[:7]})"
    wanted = str(explanation.FOLDER)
    # An output of dvc.yaml exists everywhere; one that dvc.lock records has a hash.
    if not files.exists(wanted) or "md5" not in files.info(wanted):
        raise UserError(
            f"{name}: has no {wanted}, since dvc.lock records none there; choose another "
            f"revision, or make it: git switch --detach {rev}, dvc repro, and commit dvc.lock"
        )
    with _missing_named(name, rev), _full_disk_named(scratch):
        files.get(wanted, str(scratch / wanted), recursive=True)
    for path in (predictions.FOLDER, MEASURES, *METRICS):
        with _done_without(scratch / path), _full_disk_named(scratch):
            files.get(str(path), str(scratch / path), recursive=True)
    return name


@contextlib.contextmanager
def _full_disk_named(scratch: Path) -> Iterator[None]:
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
def _done_without(copy: Path) -> Iterator[None]:
    """Leave nothing of what a remote does not have, in whichever way it says so."""
    try:
        yield
    except UserError:
        raise
    except Exception:  # every kind of remote raises errors of its own
        shutil.rmtree(copy) if copy.is_dir() else copy.unlink(missing_ok=True)


@contextlib.contextmanager
def _missing_named(name: str, rev: str) -> Iterator[None]:
    """Say what to do where an explanation lies neither in the cache nor in a remote."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # DVC's remotes fail in ways of their own
        raise UserError(
            f"{name}: {explanation.FOLDER} is neither in DVC's cache nor in a remote "
            f"({error.__cause__ or error}); have whoever made it run dvc push, then dvc pull, or "
            f"make it: git switch --detach {rev}, dvc repro"
        ) from error


def _completed(folder: Path, copy: Path) -> Path:
    """A copy of an older version's explanation with the arrays that it lacks."""
    shutil.copytree(folder, copy)
    n_images, n_classes = np.load(folder / "outputs.npy").shape
    images = np.load(folder / "images.npy", mmap_mode="r")
    np.save(copy / NAMES, np.load(folder / "indices.npy"))
    for name, array in {
        "classes": np.tile(np.arange(n_classes), (n_images, 1)),
        "background": images[:0],
        "background_indices": np.zeros(0, np.int64),
    }.items():
        if not (folder / f"{name}.npy").exists():
            np.save(copy / f"{name}.npy", array)
    return copy


def _named(folder: Path, copy: Path) -> Path:
    """A copy of an older version's predictions with positions as names."""
    shutil.copytree(folder, copy)
    np.save(copy / NAMES, np.arange(len(np.load(folder / "labels.npy"))))
    return copy


def _explained(measures: pd.DataFrame) -> pd.DataFrame:
    """The rows of the method that was explained with, by position in the test split."""
    method_rows = measures.groupby("method", sort=False).get_group(measures["method"].iloc[0])
    return method_rows.drop(columns=["method", "name"], errors="ignore").set_index("index")
