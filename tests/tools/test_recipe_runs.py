"""Recipes run through the stages, and as experiments of the real DVC in a copy."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from stages.artifacts.explanation import Explanation
from tests.conftest import ROOT, Project, commit, run_stages
from tests.tools.test_recipes import OWN_DATA, PUBLISHED
from tools import recipes


def run(project: Project, *arguments: str) -> subprocess.CompletedProcess[str]:
    return project.run("python", "-m", "tools.recipes", *arguments)


# The output that each explains, and the number of images if it is fixed.
EXPLAINED = {
    "digits_lenet": ("logits", 5),
    "digits_sgd": ("probabilities", 10),
    "digits_convnet": ("probabilities", 5),
    "digits_best": ("logits", 20),
    "digits_fast": ("logits", 10),
    "fashion_lenet": ("logits", 5),
    "fashion_lab": ("logits", 10),
    "fashion_best": ("logits", None),
    "digits_vit": ("logits", 10),
    "fashion_convnext": ("logits", 10),
    "digits_keras": ("probabilities", 5),
    "fashion_keras": ("logits", 10),
    "planted_tag": ("logits", None),
}


QUICK = {"digits_lenet"}  # all of them would take long


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in QUICK else pytest.mark.slow)
        for name in PUBLISHED
        if name not in OWN_DATA  # tests/test_photographs_recipe.py runs it
    ],
)
@pytest.mark.usefixtures("here")
def test_a_recipe_runs_to_its_report(name: str) -> None:
    shutil.copytree(ROOT / "weights", "weights")
    few = {
        "data": {"source": str(ROOT / "data/embedded")},
        "preprocess": {"limit": 2000},
        "train": {"epochs": 2},
        "explain": {"n_background": 5},
    }
    run_stages(recipes.merged(recipes.read_yaml(ROOT / f"recipes/{name}.yaml"), few))
    explanation = Explanation.load(Path("data/shap"))
    output, n_images = EXPLAINED[name]
    assert explanation.about["output"] == output
    if n_images is not None:
        assert len(explanation.labels) == n_images
    wrong = explanation.predicted != explanation.labels
    if name == "digits_best":
        assert wrong.all()
    if name in ("fashion_lab", "fashion_keras"):
        assert not wrong.any()
        assert explanation.labels.tolist() == list(range(10))
    if name == "fashion_best":
        assert wrong.sum() == 10
        assert explanation.labels[~wrong].tolist() == list(range(10))


def experiments(project: Project) -> dict[str, str]:
    """Commit of each experiment, by name."""
    line = "--format=%(refname:lstrip=4) %(objectname)"
    listed = project.succeed("git", "for-each-ref", line, "refs/exps/??/*/*")
    return dict(entry.split() for entry in listed.splitlines())


WORKSPACE = (
    "params.yaml",
    "dvc.lock",
    "metrics/evaluate.json",
    "data/raw/t10k-labels-idx1-ubyte",
)
"""Files of the workspace that the run of a recipe leaves as they are."""


def with_recipes(project: Project, contents: dict[str, object]) -> dict[str, bytes]:
    """Commit recipes in the place of ours; the files that must not change."""
    for file in (project.root / "recipes").glob("*.yaml"):
        file.unlink()
    for name, content in contents.items():
        (project.root / f"recipes/{name}.yaml").write_text(yaml.safe_dump(content))
    commit(project, "Own recipes")
    return {name: (project.root / name).read_bytes() for name in WORKSPACE}


def test_a_recipe_runs_beside_the_workspace(project: Project) -> None:
    before = with_recipes(project, {"own": {"report": {"fade": True}}})
    done = run(project, "own")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name: (project.root / name).read_bytes() for name in before} == before
    assert project.succeed("git", "status", "--porcelain") == ""
    assert set(experiments(project)) == {"own"}


@pytest.mark.slow  # three experiments
def test_recipes_run_beside_the_workspace(project: Project) -> None:
    options = {"architecture": "resnet", "options": {"widths": [4, 6], "blocks": 2}}
    other = {"model": options, "train": {"epochs": 1}}
    workspace = with_recipes(project, {"own": {"explain": {"n_images": 2}}, "other": other})
    done = run(project, "--all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {n: (project.root / n).read_bytes() for n in workspace} == workspace
    assert project.succeed("git", "status", "--porcelain") == ""
    assert set(experiments(project)) == {"own", "other"}

    # A second run replaces the experiment by the same one, from the run cache.
    again = run(project, "own")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "Stage 'explain' is cached - skipping run" in again.stdout
    assert {n: (project.root / n).read_bytes() for n in workspace} == workspace

    # If a recipe fails, the previous experiment stays.
    before = experiments(project)
    wrong = {"explain": {"n_background": 100_000}}
    (project.root / "recipes/own.yaml").write_text(yaml.safe_dump(wrong))
    failed = run(project, "own")
    assert failed.returncode == 1
    assert "n_background: must be at most 540" in failed.stderr
    assert experiments(project) == before
    project.succeed("git", "checkout", "--", "recipes")

    project.succeed("dvc", "exp", "apply", "other")
    applied = yaml.safe_load((project.root / "params.yaml").read_text())
    assert options.items() <= applied["model"].items()
    changes = json.loads(project.succeed("dvc", "metrics", "diff", "--json"))
    assert "accuracy" in changes["metrics/evaluate.json"]
    project.succeed("dvc", "plots", "diff", "HEAD")
    shown = json.loads(project.succeed("dvc", "exp", "show", "--json"))
    assert {"own", "other"} <= {e["name"] for entry in shown for e in entry["experiments"] or []}
