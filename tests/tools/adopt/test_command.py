"""The whole command, with the real DVC: networks predict as in their library."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoModelForImageClassification

from stages.artifacts.splits import load_split
from tests.conftest import Project, assert_refused
from tests.tools.adopt.published import MEAN, PROCESSORS, STD, publish, truncate

DIGITS = tuple("0123456789")


def adopt(project: Project, *arguments: str) -> str:
    return project.succeed("python", "-m", "tools.adopt", *arguments)


@pytest.mark.slow  # runs of networks of transformers
@pytest.mark.parametrize("family", ["resnet", "vit", "convnext"])
def test_an_adopted_network_predicts_as_in_transformers(
    project: Project, tmp_path: Path, family: str
) -> None:
    folder = publish(tmp_path / "hub", family, classes=DIGITS)
    printed = adopt(project, str(folder), "--name", family)
    assert "head: kept; its classes have the data set's names and order" in printed
    if family == "vit":  # all stages, as an experiment, which sees what Git and DVC track
        project.succeed("python", "-m", "tools.recipes", family)
        project.succeed("dvc", "exp", "apply", family)
    else:
        recipe = yaml.safe_load((project.root / f"recipes/{family}.yaml").read_text())
        project.set({key: recipe[key] for key in ("preprocess", "model", "train")})
        assert project.repro("evaluate")["evaluate"] == "ran"

    split = load_split("test", project.root / "data/prepared")
    mean, std = ([0.5] * 3, [0.5] * 3) if family == "vit" else (MEAN, STD)
    if family == "convnext":
        std = PROCESSORS[family].image_std
    statistics = (torch.tensor(list(values)).view(3, 1, 1) for values in (mean, std))
    mean_pixel, std_pixel = statistics
    theirs = AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        images = (torch.tensor(split.images).float() / 255 - mean_pixel) / std_pixel
        expected = theirs(images).logits.softmax(dim=1).numpy()
    stored = np.load(project.root / "data/predictions/probabilities.npy")
    assert np.ptp(expected, axis=0).max() > 1e-2  # they depend on the image
    np.testing.assert_allclose(stored, expected, atol=1e-5)
    measured = json.loads((project.root / "metrics/evaluate.json").read_text())
    correct = expected.argmax(axis=1) == split.labels
    assert measured["accuracy"] == pytest.approx(correct.mean(), abs=1e-3)


def test_a_refused_folder_leaves_nothing(project: Project, tmp_path: Path) -> None:
    folder = publish(tmp_path / "hub", "resnet")
    truncate(folder)
    before = left(project)
    result = project.run("python", "-m", "tools.adopt", str(folder))
    assert_refused(result, r"error: .*model\.safetensors: not a \.safetensors file, or damaged")
    assert left(project) == before


def left(project: Project) -> list[str]:
    """What Git would commit or ignores, without what Python compiled."""
    lines = project.succeed("git", "status", "--porcelain", "--ignored").splitlines()
    return [line for line in lines if "__pycache__" not in line]


@pytest.mark.parametrize(
    ("source", "page"),
    [
        ("owner/name@abc", "owner/name/tree/abc"),
        ("timm:resnet18.a1_in1k", "timm/resnet18.a1_in1k/tree/main"),
    ],
)
def test_without_a_connection_the_hub_is_named(
    project: Project, tmp_path: Path, source: str, page: str
) -> None:
    result = project.run(
        *("python", "-m", "tools.adopt", source), HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path)
    )
    message = rf"cannot be fetched: .*\n  without a network, save config\.json, .* of \S+/{page} "
    assert_refused(result, message + r"in a folder, then run make adopt FROM=<folder>")
