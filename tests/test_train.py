"""Stage train: initial weights and outputs."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from stages import train
from stages.artifacts.splits import DatasetInfo, Split, SplitName, save_splits
from stages.networks.build import build_network
from stages.training import learning
from tests.conftest import run_stages
from tests.factory import dataset_info

INFO = dataset_info("ab", (8, 9), mean=0.25, std=0.5, parameters={"data": {"dataset": "own"}})


@pytest.fixture
def prepared(here: Path) -> Path:
    rng = np.random.default_rng(0)
    sizes: dict[SplitName, int] = {"train": 20, "validation": 6}
    splits = {
        name: Split(rng.integers(0, 256, (n, 1, 8, 9), np.uint8), np.arange(n) % 2)
        for name, n in sizes.items()
    }
    save_splits(INFO, splits, {name: np.arange(n) for name, n in sizes.items()})
    return here


def run(model: dict[str, object], **options: object) -> None:
    changes = {"architecture": "single_conv", **model}
    run_stages({"data": {"source": "data"}, "model": changes, "train": options}, (train,))


def test_curves_and_checkpoint(prepared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run({}, epochs=3, batch_size=8)
    curves = pd.read_csv(prepared / "plots/training.csv")
    assert curves.columns.tolist() == [
        *("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
        "learning_rate",
    ]
    assert curves["epoch"].tolist() == [1, 2, 3]
    record = json.loads((prepared / "data/model/network.json").read_text())
    assert (record["architecture"], record["options"]) == ("single_conv", {})
    assert DatasetInfo.from_json(record["info"]) == INFO
    parameters = record["parameters"]
    assert parameters.keys() == {"data", "device", "seed", "model", "train"}
    assert (parameters["data"], parameters["train"]["epochs"]) == ({"dataset": "own"}, 3)
    weights = load_file(prepared / "data/model/weights.safetensors")
    count = sum(w.numel() for n, w in weights.items() if n not in ("0.mean", "0.scale"))
    printed = capsys.readouterr().out
    assert f"single_conv: {count:,} parameters on cpu" in printed
    assert "train: 20 images in batches of 8 are 3 steps an epoch, 9 in all, which" in printed
    assert re.search(r"^trained 3 epochs in \d+\.\d s$", printed, re.MULTILINE)


def test_the_first_layer_standardises_as_configured(prepared: Path) -> None:
    for standardize, mean, scale in (
        ("training", 0.25 * 255, 1 / (0.5 * 255)),
        ("none", 0, 1 / 255),
    ):
        run({"standardize": standardize}, epochs=1)
        weights = load_file(prepared / "data/model/weights.safetensors")
        assert weights["0.mean"].item() == pytest.approx(mean)
        assert weights["0.scale"].item() == pytest.approx(scale)


@pytest.mark.parametrize(("has", "chosen"), [(True, "bfloat16"), (False, "float32")])
def test_the_chosen_precision_stands_in_the_artifact(
    has: bool, chosen: str, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": has})
    files = []
    for precision in ("auto", chosen):
        run({}, epochs=1, precision=precision)
        record = json.loads((prepared / "data/model/network.json").read_text())
        assert record["parameters"]["train"]["precision"] == chosen
        files.append((prepared / "data/model/weights.safetensors").read_bytes())
    assert files[0] == files[1]


def test_results_depend_only_on_the_seed(prepared: Path) -> None:
    found = []
    for seed in (0, 0, 1):
        changes = {
            "seed": seed,
            "data": {"source": "data"},
            "model": {"architecture": "single_conv"},
        }
        run_stages({**changes, "train": {"epochs": 1, "batch_size": 8}}, (train,))
        found.append((prepared / "data/model/weights.safetensors").read_bytes())
    assert found[0] == found[1] != found[2]


def test_a_seed_for_training_alone_replaces_the_seed(prepared: Path) -> None:
    found = []
    for seed, own in ((5, None), (0, 5), (0, None)):
        train_options = {"epochs": 1, "batch_size": 8, "seed": own}
        changes = {"seed": seed, "data": {"source": "data"}, "train": train_options}
        run_stages({**changes, "model": {"architecture": "single_conv"}}, (train,))
        found.append((prepared / "data/model/weights.safetensors").read_bytes())
        record = json.loads((prepared / "data/model/network.json").read_text())
        assert record["parameters"]["train"]["seed"] == own
    assert found[0] == found[1] != found[2]


def test_training_starts_from_weights_in_a_file(prepared: Path) -> None:
    torch.manual_seed(5)
    network = build_network("single_conv", INFO, {})
    body = network[1].state_dict()
    (prepared / "weights").mkdir()
    save_file(body, prepared / "weights/own.safetensors")
    run({"weights": "own.safetensors"}, epochs=0)
    weights = load_file(prepared / "data/model/weights.safetensors")
    for name, tensor in body.items():
        assert torch.equal(weights[f"1.{name}"], tensor)


def test_only_the_first_rank_writes(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also without training. Otherwise ranks would write to the same file at the same time."""
    (prepared / "weights").mkdir()
    body = build_network("single_conv", INFO, {})[1].state_dict()
    save_file(body, prepared / "weights/own.safetensors")
    for rank, n_files in ((1, 0), (0, 1)):
        for module in (train, learning):
            monkeypatch.setattr(module, "rank", lambda rank=rank: rank)
        run({"weights": "own.safetensors"}, epochs=0)
        for pattern in ("plots/training.csv*", "data/model*"):
            assert len(list(prepared.glob(pattern))) == n_files
