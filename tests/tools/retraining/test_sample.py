"""Trainings read from a small repository of real Git and DVC; no pipeline runs."""

import json
import shutil
import subprocess
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from stages.figures.run import Run
from tests.conftest import ROOT
from tests.runs import digits_run, with_about, with_images, with_maps
from tests.tools.retraining.samples import digits_sample
from tools.compare.versions import Version
from tools.retraining import __main__ as command
from tools.retraining import sample
from tools.retraining.findings import Findings
from tools.retraining.results import Results

RUN = with_images(digits_run(), np.arange(20))


def version(explanation: Explanation) -> Version:
    return Version("workspace", explanation, None, pd.DataFrame(), {"accuracy": 0.9})


def save(explanation: Explanation, folder: Path) -> None:
    folder.mkdir(parents=True)
    for field in fields(explanation):
        value = getattr(explanation, field.name)
        if field.name == "about":
            (folder / "about.json").write_text(json.dumps(value))
        elif value is not None:
            np.save(folder / f"{field.name}.npy", value)


@pytest.fixture
def repository(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A commit of an explanation that DVC tracks, and this run, which is the same."""
    shutil.copy(ROOT / "params.yaml", here)
    save(RUN.explanation, here / "data/shap")
    identity = "-c user.name=Test -c user.email=test@example.org"
    for line in (
        *("git init --quiet", "dvc init --quiet", "dvc add --quiet data/shap", "git add --all"),
        f"git {identity} commit --quiet --message run",
    ):
        subprocess.run(line.split(), check=True)
    monkeypatch.setattr(command, "this_run", lambda *_: RUN)
    return here


def head() -> str:
    return subprocess.check_output(["git", "rev-parse", "HEAD"], text=True).strip()


def test_trainings_are_read_from_dvc(repository: Path) -> None:
    findings = command._write(version(RUN.explanation), {5: head(), 6: head()})
    assert findings.results.sample.names == ["this run", "seed 5", "seed 6"]
    assert findings.results.likeness.mean == 1
    assert json.loads(Path("metrics/retraining.json").read_text())["n_trainings"] == 3


@pytest.mark.parametrize("gone", ["cache", "commit"])
def test_results_that_are_gone_stop_it_before_anything_is_written(
    repository: Path, gone: str
) -> None:
    commits = {5: head(), 6: head() if gone == "cache" else "0123456789" * 4}
    if gone == "cache":
        shutil.rmtree(".dvc/cache")
    seed, reason = (5, "data/shap is neither in") if gone == "cache" else (6, "no such revision")
    message = rf"^retrain: the results of the training with seed {seed} are gone: \w+: {reason}"
    with pytest.raises(UserError, match=f"{message}.*, or run dvc exp remove retrain-{seed}, then"):
        command._write(version(RUN.explanation), commits)
    assert not list(repository.glob("plots/*"))
    assert not list(repository.glob("metrics/*"))


def read(monkeypatch: pytest.MonkeyPatch, *explanations: Explanation) -> Results:
    """The results of trainings with these explanations, this run's first."""
    others = dict(enumerate(explanations[1:], 1))
    monkeypatch.setattr(sample, "read_version", lambda rev, _: version(others[int(rev)]))
    revs = {seed: str(seed) for seed in others}
    return Results(
        sample.read_sample(version(explanations[0]), revs, Path("nothing"), lambda _: None)
    )


def test_with_several_labels_the_predictions_are_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The most probable label stays; another one passes 0.5 in one training, in one image."""
    run = with_about(RUN, parameters={"data": {"labels": "multiple"}})
    probabilities = np.full((20, 10), 0.1, np.float32)
    probabilities[:, 4] = 0.9
    changed = probabilities.copy()
    changed[7, [2, 3]] = 0.8
    results = read(
        monkeypatch,
        *(
            replace(run.explanation, probabilities=p)
            for p in (probabilities, probabilities, changed)
        ),
    )
    assert "19 of 20 images have the same prediction in all" in Findings(results, "red_blue").text()
    table = results.table.set_index("row")["same_prediction"]
    assert table[table < 1].to_dict() == {7: pytest.approx(2 / 3)}
    assert results.sample.predicted.shape == (3, 20, 10)
    assert np.flatnonzero(results.sample.predicted[2, 7]).tolist() == [2, 3, 4]


def test_readings_list_the_sets_of_labels() -> None:
    """Image 3 has two readings; another training of the second one predicts a further label."""
    digits = digits_sample()
    labels = digits.is_predicted.copy()
    labels[-1, 3, 2] = True
    rows = Findings(Results(replace(digits, is_predicted=labels)), "red_blue").reading_rows
    (label,) = np.flatnonzero(digits.is_predicted[0, 3])
    assert [cells[-1] for cells in rows] == [f"{label} (4)", f"{label} (3); 2, {label} (1)"]


def with_map_of(run: Run, classes: NDArray[np.integer]) -> Explanation:
    """One map of each image, of these classes, predicted or not."""
    return with_maps(run, classes[:, None]).explanation


def test_two_trainings_without_a_common_map_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seed 1 has this run's maps of one half of the images, seed 2 of the other half."""
    own = RUN.explanation.predicted
    other, half = (own + 1) % 10, np.arange(20) < 10
    explanations = [
        with_map_of(RUN, classes)
        for classes in (own, np.where(half, own, other), np.where(half, other, own))
    ]
    message = "seed 1 and seed 2 have a map of the same class of no image, .*; set explain.outputs"
    with pytest.raises(UserError, match=f"^retrain: {message} to all, run dvc repro, then"):
        read(monkeypatch, *explanations)
    assert read(monkeypatch, *explanations[:2]).likeness.mean == 1


def test_images_without_a_map_in_some_trainings_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = RUN.explanation.predicted
    classes = np.where(np.arange(20) < 3, (own + 1) % 10, own)
    explanations = [with_map_of(RUN, chosen) for chosen in (own, own, classes)]
    line = "3 of 20 images have no map of the class in some trainings"
    assert line in Findings(read(monkeypatch, *explanations), "red_blue").text()
    assert "have no map" not in Findings(Results(digits_sample()), "red_blue").text()
