"""Comparisons that take runs of their own: seeds, backgrounds, and the report on pull requests."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml
from dvc.api import DVCFileSystem

from stages.artifacts.explanation import Explanation
from tests.conftest import ROOT, Project, commit, copy, environment
from tools.compare.similarity import Similarity, pearson_of_redrawn

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def experiments(ran_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The first hundred images of 3,000 explained, and experiments with other seeds.

    The 3,000 are drawn by `seed`, so another seed's have only part of the images in common. With
    a hundred background images each of their ten groups holds every class, as the whole does; of
    fewer the classes differ from group to group, and the error bars are too long.
    """
    project = copy(ran_project, tmp_path_factory.mktemp("experiments") / "clone")
    project.set({"preprocess.limit": 3000, "explain": {"n_images": 100, "n_background": 100}})
    project.repro()
    commit(project, "Explain a hundred")
    for name, override in (("reseeded", "seed=1"), ("redrawn", "explain.seed=1")):
        project.succeed("dvc", "exp", "run", "--temp", "--name", name, "--set-param", override)
    return project


def explanation(project: Project, rev: str, folder: Path) -> Explanation:
    DVCFileSystem(str(project.root), rev=rev).get("data/shap", str(folder), recursive=True)
    return Explanation.load(folder)


def test_the_error_bars_predict_another_background(experiments: Project, tmp_path: Path) -> None:
    """A real run against a hundred other background images gives the predicted similarity."""
    old = Explanation.load(experiments.root / "data/shap")
    new = explanation(experiments, "redrawn", tmp_path / "redrawn")
    assert len(np.intersect1d(old.background_indices, new.background_indices)) < 20
    images, predicted = np.arange(len(old.labels)), old.predicted
    assert old.errors is not None
    maps, redrawn = (e.values.sum(axis=1)[images, ..., predicted] for e in (old, new))
    found = Similarity.of(maps, redrawn).pearson.mean()
    expected = pearson_of_redrawn(maps, old.errors[images, ..., predicted]).mean()
    assert 1 - expected == pytest.approx(1 - found, rel=0.35)
    printed = experiments.succeed("python", "-m", "tools.compare", "redrawn")
    assert "within the noise of the background" in printed or "the network is the same" in printed
    assert "explain.seed: 1 → 0" in printed
    assert "background: 100 → 100 images, not the same ones" in printed


def test_another_seed_alone(experiments: Project) -> None:
    printed = experiments.succeed("python", "-m", "tools.compare", "reseeded")
    assert "this is what retraining alone changes, because only a seed differs" in printed
    assert re.search(r"images: \d+ only in reseeded", printed)
    page = experiments.succeed("python", "-m", "tools.verdict", "reseeded")
    assert "this is what retraining alone changes, because only a seed differs" in page


def test_an_experiment_with_another_seed_is_the_anchor(experiments: Project) -> None:
    project = experiments
    alone = project.succeed("python", "-m", "tools.compare", "HEAD", "reseeded")
    project.set({"train.epochs": 1})
    project.repro()
    printed = project.succeed("python", "-m", "tools.compare", "HEAD")
    verdict = project.run("python", "-m", "tools.verdict", "HEAD")
    project.succeed("git", "checkout", "--quiet", ".")
    project.succeed("dvc", "checkout", "--quiet")
    similarity = re.search(r"Similarity (\S+ ± \S+),", alone)
    assert similarity is not None
    assert f"retraining alone {similarity[1]} (reseeded): " in printed
    assert re.search(r"retraining alone +0\.\d{3}", printed)
    assert f"retraining alone {similarity[1]} (reseeded); " in verdict.stdout
    assert verdict.returncode == (0 if "within the noise of" in printed else 1)


def test_the_commands_of_the_report_on_pull_requests(two_versions: Project, tmp_path: Path) -> None:
    """All commands of the workflow except the set-up, in a clone whose last two commits differ."""
    project = copy(two_versions, tmp_path / "clone")
    project.succeed("git", "switch", "--quiet", "--detach")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "gh").write_text(
        f'#!/bin/sh\necho "$@" > {tmp_path}/asked\ncp "$5" {tmp_path}/sent\n'
    )
    (programs / "gh").chmod(0o755)
    env = environment(
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"),
        PICTURES="https://forge.example/pictures",
        MAY_PUSH="false",
        PULL_REQUEST="https://forge.example/pull/1",
    )
    env["PATH"] = f"{programs}{os.pathsep}{env['PATH']}"
    workflow = yaml.safe_load((ROOT / ".github/workflows/report.yml").read_text())
    steps = workflow["jobs"]["report"]["steps"]
    commands = [step["run"] for step in steps if "run" in step and step["name"] != "Set up"]
    assert len(commands) == 4
    for command in commands:
        shell = ["bash", "-e", "-o", "pipefail", "-c", command]
        subprocess.run(shell, cwd=project.root, env=env, check=True)
    summary = (tmp_path / "summary.md").read_text()
    assert summary.startswith("# Explanations: base (")
    assert "- train.epochs: 2 → 3" in summary
    assert "![" not in summary
    assert summary.endswith("[Pictures and the page](https://forge.example/pictures)\n")
    assert (tmp_path / "sent").read_text() == summary
    assert (tmp_path / "asked").read_text().startswith("pr comment https://forge.example/pull/1")
    uploaded = next(step["with"]["path"] for step in steps if "upload" in step.get("uses", ""))
    assert (project.root / uploaded / "most_changed.png").exists()
