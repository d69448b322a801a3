"""Weights from a file in the real stages: explained as they are, or trained further."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import torchvision
import yaml
from safetensors.torch import load_file, save_file

from stages import download, preprocess, train
from tests.conftest import ROOT, Project, assert_refused, run_stages


def test_weights_of_one_clone_give_the_same_results_in_another(
    ran_project: Project, project: Project
) -> None:
    there = ran_project.root / "data/model/weights.safetensors"
    shutil.copy(there, project.root / "weights/theirs.safetensors")
    for results in ("data/model", "data/shap", "metrics"):
        shutil.rmtree(project.root / results)
    project.set({"model.weights": "theirs.safetensors", "train.epochs": 0})
    outcome = project.repro("explain")
    assert outcome["preprocess"] == "unchanged"
    assert {outcome[stage] for stage in ("train", "evaluate", "explain")} == {"ran"}
    for result in (
        "data/model/weights.safetensors",
        "data/shap/values.npy",
        "metrics/evaluate.json",
    ):
        assert (project.root / result).read_bytes() == (ran_project.root / result).read_bytes()

    lock = yaml.safe_load((project.root / "dvc.lock").read_text())
    assert "weights/theirs.safetensors" in [dep["path"] for dep in lock["stages"]["train"]["deps"]]
    shown = json.loads(project.succeed("dvc", "plots", "show", "--json"))
    assert shown["data"]["Loss"] == []  # no epochs, so no curve

    # Weights of a different network are rejected before training; the old results remain.
    project.set({"model.architecture": "lenet"})
    message = (
        r"weights/theirs\.safetensors: does not fit the network:\n  missing: 11\.bias, .*\n  d"
    )
    assert_refused(project.stage("train"), message)
    weights = project.root / "data/model/weights.safetensors"
    assert weights.read_bytes() == there.read_bytes()


def test_weights_from_torchvision_are_trained_further_with_a_new_head(here: Path) -> None:
    torch.manual_seed(0)
    published = torchvision.models.resnet18().state_dict()  # a thousand classes
    (here / "weights").mkdir()
    save_file(published, here / "weights/resnet18.safetensors")
    rate = 1e-4
    changes = {
        "data": {"source": str(ROOT / "data/embedded")},
        "preprocess": {"limit": 200, "image_size": 32},
        "model": {
            "architecture": "torchvision",
            "options": {"name": "resnet18"},
            "weights": "resnet18.safetensors",
            "skip_weights": ["fc.*"],
            "standardize": {"mean": [0.449], "std": [0.226]},
        },
        "train": {"epochs": 1, "learning_rate": rate, "schedule": "constant", "keep": "last"},
    }
    run_stages(changes, stages=(download, preprocess, train))
    trained = load_file("data/model/weights.safetensors")
    assert trained["1.1.fc.weight"].shape == (10, 512)
    n_steps = -(-180 // 128)
    for name, before in published.items():
        if "running" in name or "num_batches" in name or name.startswith("fc."):
            continue
        change = (trained[f"1.1.{name}"] - before).abs().max()
        assert 0 < change <= 1.01 * n_steps * rate  # Adam's step is at most its rate
    assert trained["0.mean"].item() == pytest.approx(0.449 * 255)


def test_only_the_head_of_a_checkpoint_is_trained(here: Path) -> None:
    """A checkpoint as DistributedDataParallel gives it; all other entries keep their bytes."""
    torch.manual_seed(0)
    published = torchvision.models.resnet18().state_dict()
    wrapped = {f"module.{name}": tensor for name, tensor in published.items()}
    (here / "weights").mkdir()
    torch.save({"epoch": 90, "state_dict": wrapped}, here / "weights/checkpoint.pth.tar")
    changes = {
        "data": {"source": str(ROOT / "data/embedded")},
        "preprocess": {"limit": 200, "image_size": 32},
        "model": {
            "architecture": "torchvision",
            "options": {"name": "resnet18"},
            "weights": "checkpoint.pth.tar",
            "skip_weights": ["fc.*"],
        },
        "train": {"epochs": 2, "freeze": "all_but_head", "weight_decay": 0.1},
    }
    run_stages(changes, stages=(download, preprocess, train))
    trained = load_file("data/model/weights.safetensors")
    for name, before in published.items():
        after = trained[f"1.1.{name}"]
        if name.startswith("fc."):
            assert after.shape[0] == 10
        else:
            assert after.numpy().tobytes() == before.numpy().tobytes(), name
