"""Two classes and a network with one logit: the pipeline, and the commands beside it."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, log_loss
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from deepshap import DeepShap
from stages.artifacts.explanation import Explanation
from stages.artifacts.splits import load_split
from stages.attribution.portable import portable_network
from stages.networks.build import build_network
from stages.networks.outputs import has_one_logit, logits_of, returns_logits
from stages.networks.predict import with_output
from stages.sampling.outputs import choose_classes
from stages.training.objective import loss_and_correct
from tests.conftest import Project, assert_refused, commit, copy
from tests.factory import dataset_info

ARCHITECTURE = '''
"""A small network with one logit, or with the same logit and a zero."""

import torch
from torch import nn


class Zero(nn.Module):
    def forward(self, logit):
        return torch.cat([torch.zeros_like(logit), logit], dim=1)


def build(channels: int, image_size: tuple[int, int], n_classes: int, *, two: bool = False):
    height, width = ((side - 2) // 2 for side in image_size)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(6 * height * width, 1),
        Zero() if two else nn.Flatten(),
    )
'''


def threes_and_eights() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    data = load_digits()
    chosen = np.isin(data.target, (3, 8))
    images = (data.images[chosen] * 15.9375).astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)
    return images, (data.target[chosen] == 8).astype(np.int64)


def save_arrays(file: Path) -> None:
    images, labels = threes_and_eights()
    names = np.array(["three", "eight"])
    splits = {"x_train": images[:260], "y_train": labels[:260]}
    np.savez(file, **splits, x_test=images[260:], y_test=labels[260:], class_names=names)


@pytest.fixture
def own(fresh_project: Project, tmp_path: Path) -> Project:
    project = copy(fresh_project, tmp_path / "clone")
    (project.root / "stages/architectures/one_logit.py").write_text(ARCHITECTURE)
    save_arrays(project.root / "own.npz")
    project.set(
        {
            "data": {"dataset": "arrays", "source": "own.npz"},
            "model": {"architecture": "one_logit"},
            "train": {"epochs": 3, "batch_size": 32},
            "explain": {"n_background": 20, "images": "first", "n_images": 6},
        }
    )
    return project


def metrics(project: Project, stage: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((project.root / f"metrics/{stage}.json").read_text())
    return content


@pytest.mark.slow  # a run and all commands
def test_a_network_with_one_logit_runs_through_everything(own: Project) -> None:
    assert set(own.repro().values()) == {"ran"}
    root = own.root
    test = load_split("test", root / "data/prepared")
    z = logits_of_the_body(root / "data/model", test.images)
    assert z.shape == (len(test.labels), 1)
    positive = z.sigmoid().double().numpy()[:, 0]
    evaluated = metrics(own, "evaluate")
    assert evaluated["accuracy"] == pytest.approx(accuracy_score(test.labels, positive > 0.5))
    assert evaluated["log_loss"] == pytest.approx(log_loss(test.labels, positive), rel=1e-5)
    assert evaluated["accuracy"] > 0.8

    one = Explanation.load(root / "data/shap")
    assert one.values.shape == (6, 1, 16, 16, 1)
    assert (one.classes == 1).all()
    np.testing.assert_allclose(one.probabilities[:, 1], positive[:6], rtol=1e-5)
    np.testing.assert_allclose(one.outputs[:, 1], z[:6, 0].numpy(), rtol=1e-5)
    np.testing.assert_allclose(one.sums, one.changes, atol=1e-5)
    assert (one.sums != 0).all()
    assert one.group_means is not None
    assert np.isfinite(one.group_means).all()

    explained = metrics(own, "explain")
    assert "top_class_agreement" not in explained
    assert "contrast_shift" not in explained
    assert explained["removal_gain"] > 0.1
    methods = pd.read_csv(root / "plots/methods.csv")
    assert methods["contrast_shift"].isna().all()
    removed = pd.read_csv(root / "plots/removal.csv").query("method == 'deep' and removed == 0")
    assert removed["probability"].tolist() == pytest.approx([one.probabilities[:, 1].mean()] * 2)

    commands(own, z, test.images)
    names_another_class(own, one)


def logits_of_the_body(model: Path, images: NDArray[np.uint8]) -> torch.Tensor:
    """The logit (n, 1) by the user's own file and the saved weights alone."""
    code: dict[str, Any] = {}
    exec(ARCHITECTURE, code)
    body = code["build"](1, (16, 16), 2).eval()
    entries = load_file(model / "weights.safetensors")
    body.load_state_dict(
        {name.removeprefix("1."): value for name, value in entries.items() if name[0] == "1"}
    )
    with torch.no_grad():
        z: torch.Tensor = body((torch.from_numpy(images) - entries["0.mean"]) * entries["0.scale"])
    return z


def commands(own: Project, z: torch.Tensor, images: NDArray[np.uint8]) -> None:
    """Verify, export and a picture from a file."""
    own.succeed("python", "-m", "tools.verify")
    own.succeed("python", "-m", "tools.export")
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(own.root / "export/model.onnx"))
    (logits,) = session.run(None, {"images": images[:3]})
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], z[:3, 0].numpy(), rtol=1e-4)

    Image.fromarray(images[0, 0]).save(own.root / "own.png")
    printed = own.succeed("python", "-m", "tools.explain", "own.png")
    probability = 100 * float(z[0].sigmoid())
    assert f"{probability:.2f}%" in printed
    own.root.joinpath("own.png").unlink()


def names_another_class(own: Project, one: Explanation) -> None:
    """The map is the same, and a line says which class it belongs to."""
    commit(own, "One logit")
    own.set({"explain.outputs": ["three"]})
    printed = own.succeed("dvc", "repro")
    note = "the network has one logit, so each image has one map, of class eight; what lowers it is"
    assert f"explain.outputs: {note} evidence for three" in printed
    again = Explanation.load(own.root / "data/shap")
    assert (again.classes == 1).all()
    assert np.array_equal(again.values, one.values)
    printed = own.succeed("python", "-m", "tools.compare", "HEAD")
    assert re.search(r"accuracy +0\.", printed)


@pytest.mark.parametrize("output", ["logits", "probabilities"])
def test_the_map_equals_that_of_two_logits(output: Any) -> None:
    """The same network, written with the logits 0 and z, which `cat` joins."""
    code: dict[str, Any] = {}
    exec(ARCHITECTURE, code)
    torch.manual_seed(0)
    one, two = (code["build"](1, (16, 16), 2, two=two).eval() for two in (False, True))
    two.load_state_dict(one.state_dict())
    returns_logits(one, 2)
    images = torch.rand(6, 1, 16, 16)
    first, second = (
        DeepShap(with_output(network.requires_grad_(False), output), images[:4])
        for network in (one, two)
    )
    found, expected = (e.attribute(images[4:], torch.tensor([1])) for e in (first, second))
    assert found.abs().max() > 1e-4
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-9)
    portable = portable_network(with_output(one, output), images[:1])
    kinds = [operation["kind"] for operation in portable.operations]
    assert kinds[4:6] == ["linear", "linear"]
    assert "cat" in portable_network(with_output(two, output), images[:1]).reason


@pytest.mark.parametrize("shape", [(7, 1), (7,), (7, 1, 1, 1)])
def test_the_loss_of_one_logit_is_binary_cross_entropy(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    z = 3 * torch.randn(shape, dtype=torch.float64)
    labels = torch.tensor([0, 1, 1, 0, 1, 0, 0])
    logits = logits_of(z, 2)
    assert logits is not None
    assert has_one_logit(z, 2)
    loss, n_correct = loss_and_correct(logits, labels)
    expected = binary_cross_entropy_with_logits(z.flatten(), labels.double(), reduction="sum")
    torch.testing.assert_close(loss, expected)
    assert n_correct == ((z.flatten() > 0) == labels.bool()).sum()
    torch.testing.assert_close(logits.softmax(dim=1)[:, 1], z.flatten().sigmoid())


def test_one_logit_needs_two_classes() -> None:
    z = torch.zeros(4, 1)
    assert logits_of(z, 3) is None
    assert logits_of(z, 2, multiple=True) is None
    assert not has_one_logit(torch.zeros(4, 2), 2)


@pytest.mark.parametrize("wanted", ["all", "predicted", {"top": 1}, ["a"], [1]])
def test_one_logit_has_a_map_of_its_class_only(wanted: Any) -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    chosen = choose_classes(wanted, probabilities, "ab", one_logit=True)
    assert chosen.tolist() == [[1], [1]]


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_networks_of_libraries_have_one_logit_if_asked(library: str) -> None:
    name = {"torchvision": "resnet18", "timm": "resnet10t"}[library]
    info = dataset_info("ab", (32, 32))
    network = build_network(library, info, {"name": name, "num_classes": 1})
    assert network.one_logit
    assert network.eval()(torch.zeros(2, 1, 32, 32)).shape == (2, 2)
    assert not build_network(library, info, {"name": name}).one_logit


LAST = {
    "softmax": nn.Softmax(dim=1),
    "sigmoid": nn.Sigmoid(),
    "log_softmax": nn.LogSoftmax(dim=1),
    "relu": nn.ReLU(),
    "nothing": nn.Identity(),
}


def test_networks_that_return_probabilities_are_refused(own: Project) -> None:
    for stage in ("download", "preprocess"):
        assert own.stage(stage).returncode == 0
    for last in LAST:
        require_refusal_of_probabilities(last, own)


def require_refusal_of_probabilities(last: str, own: Project) -> None:
    body = "return nn.Sequential(nn.Flatten(), nn.Linear(256, n_classes), nn.{})"
    layer = repr(LAST[last])
    content = "from torch import nn\n\n\ndef build(channels, image_size, n_classes):\n    "
    (own.root / "stages/architectures/one_logit.py").write_text(content + body.format(layer) + "\n")
    result = own.stage("preflight")
    if last in ("softmax", "sigmoid"):
        assert_refused(result, rf"one_logit\.py: its network ends in {last}, so it returns prob")
    else:
        assert result.returncode == 0, result.stderr
