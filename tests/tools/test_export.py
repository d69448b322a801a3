"""The exported network in other programs."""

import contextlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from stages.architectures.convnet import build
from stages.artifacts.splits import load_split
from stages.base.errors.user import UserError
from stages.networks.build import build_network
from stages.networks.checkpoint import load_checkpoint
from stages.training.initial.network import load_weights
from tests.conftest import ROOT, Project
from tools import export


@pytest.fixture(scope="module")
def exported(ran_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command's output; a second call writes the same bytes."""
    folder, again = (tmp_path_factory.mktemp(name) for name in ("export", "again"))
    ran_project.succeed("python", "-m", "tools.export", "--output", str(folder))
    with contextlib.chdir(ran_project.root):
        export.main(["--output", str(again)])
    for name in ("model.onnx", "model.safetensors"):
        assert (folder / name).read_bytes() == (again / name).read_bytes()
    return folder


def test_onnxruntime_gives_the_same_probabilities(ran_project: Project, exported: Path) -> None:
    """Raw pixels of the test split, in batches of two sizes, give evaluate's probabilities."""
    content = (exported / "model.onnx").read_bytes()
    onnx.checker.check_model(onnx.load_from_string(content))
    session = onnxruntime.InferenceSession(content)
    images = load_split("test", ran_project.root / "data/prepared").images
    stored = np.load(ran_project.root / "data/predictions/probabilities.npy")
    for batch in (slice(0, 1), slice(1, 50)):
        (logits,) = session.run(["logits"], {"images": images[batch]})
        probabilities = torch.from_numpy(logits).softmax(dim=1).numpy()
        np.testing.assert_allclose(probabilities, stored[batch], atol=1e-5)


def test_the_file_names_no_path_of_this_machine(exported: Path) -> None:
    content = (exported / "model.onnx").read_bytes()
    for path in (ROOT, sys.prefix):
        assert str(path).encode() not in content
    assert b"build.py" not in content


def test_the_weights_load_into_the_original_network(ran_project: Project, exported: Path) -> None:
    file = exported / "model.safetensors"
    plain = build(1, (28, 28), 10)
    plain.load_state_dict(load_file(file))
    with safe_open(file, "pt") as opened:
        about = json.loads(opened.metadata()["network"])
    assert about["architecture"] == "convnet"
    assert about["class_names"] == [str(number) for number in range(10)]
    images = torch.randint(0, 256, (4, 1, 28, 28))
    network = load_checkpoint(torch.device("cpu"), ran_project.root / "data/model").network
    standardised = (images / 255 - about["mean"][0]) / about["std"][0]
    with torch.no_grad():
        torch.testing.assert_close(plain.eval()(standardised), network(images), atol=1e-4, rtol=0)


def test_training_starts_from_the_exported_weights(ran_project: Project, exported: Path) -> None:
    """As with the file's name in model.weights."""
    checkpoint = load_checkpoint(torch.device("cpu"), ran_project.root / "data/model")
    network = build_network("convnet", checkpoint.info, {})
    load_weights(network, exported / "model.safetensors", [])
    trained = checkpoint.network.state_dict()
    assert all(torch.equal(value, trained[name]) for name, value in network.state_dict().items())


@pytest.mark.usefixtures("here")
def test_nothing_trained_yet() -> None:
    message = r"data/model/network\.json: no such file; run dvc repro train first"
    with pytest.raises(UserError, match=message):
        export.main([])


@pytest.mark.parametrize("package", ["onnxscript", "onnxruntime"])
def test_without_the_packages(
    ran_project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.chdir(ran_project.root)
    with pytest.raises(UserError, match=rf"{package}.*; install .* --editable '\.\[onnx\]'"):
        export.main(["--output", str(tmp_path / "export")])
    assert list(tmp_path.iterdir()) == []


def test_another_network_than_the_exported_one(ran_project: Project) -> None:
    folder = ran_project.root / "data/model"
    network, *_, info, _ = vars(load_checkpoint(torch.device("cpu"), folder)).values()
    other = nn.Sequential(network, nn.Softmax(dim=1)).eval()
    with pytest.raises(UserError, match=r"logits differ by .* more than 0\.0001; nothing was wr"):
        export.require_same(export.to_onnx(network, info), other, info)
