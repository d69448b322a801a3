"""The recipe `photographs`: a few dozen images a class, and nothing else to set."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from benchmarks.sample_crops import save_crops
from stages import download, evaluate, preflight, preprocess, train
from stages.base.files.yaml import read_yaml
from tests.conftest import ROOT, Project, commit, copy, run_stages
from tools.recipes import merged

RECIPE = read_yaml(ROOT / "recipes/photographs.yaml")
CLASSES = ("coffee", "flower", "tissue")
OTHERS = ("galaxies", "temple", "tissue")
UNTIL_EVALUATED = (download, preprocess, preflight, train, evaluate)


def run(changes: dict[str, Any]) -> dict[str, float]:
    """Run the recipe, with changes, on crops in `data/photographs`; return the test metrics."""
    run_stages(merged(merged(RECIPE, {"device": "cpu"}), changes), UNTIL_EVALUATED)
    metrics: dict[str, float] = json.loads(Path("metrics/evaluate.json").read_text())
    return metrics


# The first is the hardest: it is tested on the inside of the cup, of which it has seen nothing.
SETS = [
    pytest.param(classes, seed, marks=[pytest.mark.slow] if (classes, seed) != (CLASSES, 1) else [])
    for classes in (CLASSES, OTHERS)
    for seed in (1, 0, 2)
]


@pytest.mark.unhurried
@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("classes", "seed"), SETS)
def test_forty_images_a_class_are_enough(
    classes: tuple[str, ...], seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    save_crops(Path("data/photographs"), classes, n_train=40, n_test=40, seed=seed)
    accuracy = run({"seed": seed})["accuracy"]
    printed = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{', '.join(classes)}, seed {seed}: {accuracy:.2%}")
    assert accuracy >= 0.95
    assert "too few to learn" not in printed
    assert "train: the network predicts" not in printed
    rates = pd.read_csv("plots/training.csv")["learning_rate"]
    assert rates.iloc[-1] < 1e-3 * rates.max()


@pytest.mark.unhurried
@pytest.mark.usefixtures("here")
def test_default_batches_of_few_images_are_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    """86 training images are one step an epoch; the network with batch norm learns nothing."""
    save_crops(Path("data/photographs"), CLASSES, n_train=32, n_test=10, seed=0)
    defaults = read_yaml(ROOT / "params.yaml")["train"]
    small = {"image_size": 32}
    run({"preprocess": small, "model": {"architecture": "resnet"}, "train": defaults})
    printed = capsys.readouterr().out
    assert (
        "train: 86 images in batches of 128 are 1 step an epoch, 6 in all, which may be too few to "
        "learn; lower train.batch_size (got 128) or raise train.epochs (got 6)"
    ) in printed


@pytest.mark.slow
def test_the_recipe_as_an_experiment(fresh_project: Project, tmp_path: Path) -> None:
    """By the real DVC, with another folder, up to the report."""
    project = copy(fresh_project, tmp_path / "clone")
    save_crops(project.root / "data/own", CLASSES, n_train=40, n_test=40, seed=0)
    project.succeed("dvc", "add", "data/own")
    commit(project, "Own photographs")
    settings = ["--set", "data.source=data/own"]
    project.succeed("python", "-m", "tools.recipes", "photographs", *settings)
    project.succeed("dvc", "exp", "apply", "photographs")
    metrics = json.loads((project.root / "metrics/evaluate.json").read_text())
    assert metrics["accuracy"] >= 0.95
    assert (project.root / "plots/shap/sheet_000.png").exists()
