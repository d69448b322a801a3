"""A network that gives every image the same output: a line says so, and no number pretends more."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits

from stages.networks.build import build_network
from tests.conftest import run_stages
from tests.factory import dataset_info
from tools import next_steps

LINE = "the network gives every image the same output: nothing to explain\n"


def save_constant_network(file: Path) -> None:
    """Weights of 0, and another bias for each class."""
    body = build_network("single_conv", dataset_info("0123456789", (8, 8)), {})[1]
    weights = {name: torch.zeros_like(tensor) for name, tensor in body.state_dict().items()}
    *_, last = weights
    weights[last] = torch.linspace(-1, 1, 10)
    save_file(weights, file)


def test_a_constant_network(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = load_digits()
    images, labels = (data.images * 15.9375).astype(np.uint8), data.target
    splits = {"x_train": images[:300], "y_train": labels[:300]}
    np.savez(here / "own.npz", **splits, x_test=images[300:400], y_test=labels[300:400])
    (here / "weights").mkdir()
    save_constant_network(here / "weights/constant.safetensors")
    run_stages(
        {
            "data": {"dataset": "arrays", "source": "own.npz"},
            "model": {"architecture": "single_conv", "weights": "constant.safetensors"},
            "train": {"epochs": 0},
            "explain": {"n_background": 10, "n_images": 5},
        }
    )
    assert capsys.readouterr().out.count(LINE) == 1
    assert json.loads(Path("metrics/explain.json").read_text()) == {}
    own = pd.read_csv("plots/methods.csv").iloc[0]
    assert own.drop("method").isna().all(), own
    next_steps.main([])
    assert LINE in capsys.readouterr().out
