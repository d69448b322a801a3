"""Metrics for readers: flat, few, and compared in tables that fit a terminal."""

import json
from pathlib import Path

import pytest

from tests.conftest import ROOT, Project

FILES = ("metrics/evaluate.json", "metrics/explain.json", "metrics/shortcuts.json")
MOST = 8  # headline numbers in a file; standard errors and baselines are in plots/methods.csv


@pytest.mark.parametrize("file", FILES)
def test_a_metrics_file_is_flat_and_short(ran_project: Project, file: str) -> None:
    metrics = json.loads((ran_project.root / file).read_text())
    assert 1 <= len(metrics) <= MOST
    assert all(type(value) in (int, float) for value in metrics.values())


def test_the_committed_files_hold_the_same_numbers(ran_project: Project) -> None:
    for file in FILES:
        committed, found = (json.loads((r / file).read_text()) for r in (ROOT, ran_project.root))
        assert committed.keys() == found.keys()


def test_metrics_of_a_fresh_clone_fit_on_a_screen(ran_project: Project, tmp_path: Path) -> None:
    clone = Project(tmp_path / "clone")
    ran_project.succeed("git", "clone", "--quiet", str(ran_project.root), str(clone.root))
    assert not (clone.root / ".dvc/cache").exists()
    diff = clone.succeed("dvc", "metrics", "diff", "--all", "HEAD~1", "HEAD").splitlines()
    assert max(map(len, diff)) <= 100
    assert len(diff) <= 1 + len(FILES) * MOST
    shown = clone.succeed("dvc", "metrics", "show").splitlines()  # one wide row per file
    for file, line in zip(FILES, shown[1:], strict=True):
        assert line.startswith(file)
    metrics = {
        name: value
        for file in FILES
        for name, value in json.loads((clone.root / file).read_text()).items()
    }
    assert shown[0].split() == ["Path", *sorted(metrics)]
    assert sorted(line.split()[1] for line in diff[1:]) == sorted(metrics)
    assert 0 < metrics["accuracy"] <= 1
    assert 0 <= metrics["top_class_agreement"] <= 1


def test_changes_of_the_metrics(ran_project: Project) -> None:
    diff = ran_project.succeed("dvc", "metrics", "diff", "--all", "HEAD~1", "HEAD")
    changes = {line.split()[1]: line.split()[2:] for line in diff.splitlines()[1:]}
    before, after, change = map(float, changes["accuracy"])
    assert change == pytest.approx(after - before, abs=2e-5)
    assert change != 0
    assert "additivity_error_log10" in changes


@pytest.mark.slow  # an experiment
def test_experiments_fit_on_a_screen(project: Project) -> None:
    name = "digits_convnet"  # the longest name of our recipes
    changes = [f"--set-param={change}" for change in ("train.epochs=1", "explain.n_background=9")]
    project.succeed("dvc", "exp", "run", "--name", name, *changes, "evaluate")
    printed = project.succeed("python", "-m", "tools.experiments")
    lines = printed.splitlines()
    assert max(map(len, lines)) <= 100
    assert "…" not in printed
    (row,) = [line for line in lines if line.strip().startswith(name)]
    accuracy = json.loads((project.root / "metrics/evaluate.json").read_text())["accuracy"]
    assert row.split()[1] == f"{accuracy:.4f}"
    wrapped = [line.strip() for line in lines[lines.index(row) + 1 :]]
    assert " ".join([row, *wrapped]).endswith("explain.n_background: 9, train.epochs: 1")
