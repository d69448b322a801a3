"""Every network in stages/architectures, for every form of images."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from stages.artifacts.splits import DatasetInfo
from stages.base.errors.user import UserError
from stages.base.tracking.plugins import file_suffix, plugin_names
from stages.explainers import deep, shap_deep
from stages.networks import build as build_module
from stages.networks.build import build_network
from stages.networks.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages.networks.predict import predict
from tests.factory import dataset_info
from tests.plugin_modules import add_plugin

# Networks that are files have their own tests: test_keras.py and test_onnx.py.
ARCHITECTURES = [name for name in plugin_names("architectures") if file_suffix(name) is None]
# By hand: two 3×3 convolutions with halvings need ((10 - 2) / 2 - 2) / 2 = 1, two of 5×5 need
# ((16 - 4) / 2 - 4) / 2 = 1, one of 3×3 needs (4 - 2) / 2 = 1.
SMALLEST = {"convnet": 10, "lenet": 16, "single_conv": 4}
# For libraries: one network stands for all of them.
OPTIONS: dict[str, dict[str, Any]] = {
    "timm": {"name": "test_resnet"},
    "torchvision": {"name": "resnet18"},
    "transformers": {
        "model_type": "resnet",
        "embedding_size": 8,
        "hidden_sizes": [8, 16],
        "depths": [1, 1],
    },
}
# shap.DeepExplainer is not additive for these: attention, group norm, in-place ReLU, modules used
# twice.
NOT_BY_SHAP = {"photonet", "timm", "torchvision", "transformers", "vit"}
EXPLAINED = [(name, deep) for name in ARCHITECTURES]
EXPLAINED += [(name, shap_deep) for name in ARCHITECTURES if name not in NOT_BY_SHAP]


def info(channels: int, size: tuple[int, int], n_classes: int) -> DatasetInfo:
    names = tuple(f"class {label}" for label in range(n_classes))
    return dataset_info(names, size, channels, mean=0.5, std=0.2)


@pytest.mark.parametrize("n_classes", [2, 200])
@pytest.mark.parametrize("size", [(8, 8), (16, 16), (28, 28), (33, 20)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_network_accepts_every_form_of_images(
    name: str, channels: int, size: tuple[int, int], n_classes: int
) -> None:
    if min(size) < SMALLEST.get(name, 8):
        with pytest.raises(UserError, match="too small for this network"):
            build_network(name, info(channels, size, n_classes), {})
        return
    options = OPTIONS.get(name, {})
    network = build_network(name, info(channels, size, n_classes), options).train()
    images = torch.randint(256, (3, channels, *size), dtype=torch.uint8)
    logits = network(images)
    assert logits.shape == (3, n_classes)
    logits.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    assert any(p.grad is not None and p.grad.any() for p in network.parameters())


@pytest.mark.parametrize(("name", "smallest"), SMALLEST.items())
@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 40), (40, 3)])
def test_too_small_images_report_the_smallest_size(
    name: str, smallest: int, height: int, width: int
) -> None:
    expected = f"{max(height, smallest)}×{max(width, smallest)}"
    with pytest.raises(UserError, match=f"images of {height}×{width} .* works is {expected}: set"):
        build_network(name, info(1, (height, width), 10), {})


def test_number_of_parameters() -> None:
    network = build_network("single_conv", info(1, (28, 28), 10), {})
    expected = (9 + 1) * 32 + (32 * 13 * 13 + 1) * 256 + (256 + 1) * 10
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def use(monkeypatch: pytest.MonkeyPatch, build: Any) -> str:
    add_plugin(monkeypatch, "architectures.own", build)
    return "own"


def test_a_network_that_fails_at_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(7, n_classes))

    message = "own.py: does not work for images of 1×28×28 and 10 classes: RuntimeError: mat1 and"
    with pytest.raises(UserError, match=message):
        build_network(use(monkeypatch, build), info(1, (28, 28), 10), {})


def test_a_network_with_another_number_of_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, 7))

    with pytest.raises(
        UserError, match=r"output of shape \(1, 7\), expected shape \(1, 10\), one logit per class"
    ):
        build_network(use(monkeypatch, build), info(1, (28, 28), 10), {})


def test_a_network_whose_output_is_not_a_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    class Two(nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return images, images

    with pytest.raises(
        UserError, match=r"own\.py: .* an output of type tuple, expected shape \(1, 1"
    ):
        build_network(use(monkeypatch, lambda *_: Two()), info(1, (28, 28), 10), {})


@pytest.mark.parametrize(("largest", "found"), [(20, True), (19, False)])
def test_the_search_for_the_smallest_size_has_a_limit(
    monkeypatch: pytest.MonkeyPatch, largest: int, found: bool
) -> None:
    def build(channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, n_classes, 20), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )

    monkeypatch.setattr(build_module, "_LARGEST_SIDE_PX", largest)
    message = "smallest size that works is 20×20" if found else "does not work for images of 1×9×9"
    with pytest.raises(UserError, match=message):
        build_network(use(monkeypatch, build), info(1, (9, 9), 10), {})


def test_options_are_restored_from_the_checkpoint(tmp_path: Any) -> None:
    about = info(3, (12, 12), 4)
    options: dict[str, Any] = {"widths": [4, 6], "blocks": 2}
    network = build_network("resnet", about, options)
    folder = tmp_path / "model"
    save_checkpoint(Checkpoint(network, "resnet", options, about, {"seed": 1}), folder)
    checkpoint = load_checkpoint(torch.device("cpu"), folder)
    loaded = checkpoint.network
    images = torch.randint(256, (2, 3, 12, 12), dtype=torch.uint8)
    assert torch.equal(predict(loaded, images), predict(network.eval(), images))
    assert (checkpoint.architecture, checkpoint.options) == ("resnet", options)
    assert (checkpoint.info, checkpoint.parameters) == (about, {"seed": 1})
    assert sum(isinstance(module, nn.Conv2d) for module in loaded.modules()) == 2 + 2 * 2


def randomised(network: nn.Module) -> nn.Module:
    """The network with random statistics and offsets, as after training, instead of 0 and 1."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias):
                assert tensor is not None
                nn.init.normal_(tensor, std=0.3)
            for tensor in (module.running_var, module.weight):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.5, 1.5)
    return network.eval().requires_grad_(False)


def residual_network() -> nn.Module:
    torch.manual_seed(0)
    options = {"widths": [4, 6, 8], "blocks": 2}
    return randomised(build_network("resnet", info(1, (12, 12), 5), options))


def test_resnet_matches_the_paper() -> None:
    network = residual_network()
    weights = [tensor for name, tensor in network[1].state_dict().items() if "num_b" not in name]
    remaining = iter(weights)

    def convolved(features: Tensor, stride: int) -> Tensor:
        features = F.conv2d(features, next(remaining), stride=stride, padding=1)
        scale, shift, mean, variance = (next(remaining)[:, None, None] for _ in range(4))
        return (features - mean) / (variance + 1e-5).sqrt() * scale + shift

    images = torch.rand(4, 1, 12, 12) * 255
    features = convolved((images / 255 - 0.5) / 0.2, 1).relu()
    for _ in range(2):
        features = convolved(features, 2).relu()
        for _ in range(2):
            inner = convolved(features, 1).relu()
            features = (features + convolved(inner, 1)).relu()
    logits = features.mean(dim=(2, 3)) @ next(remaining).T + next(remaining)
    assert next(remaining, None) is None
    torch.testing.assert_close(network(images), logits, rtol=1e-4, atol=1e-4)


def test_resnet_is_traceable_and_uses_each_module_once() -> None:
    network = residual_network()
    traced = fx.symbolic_trace(network)
    images = torch.rand(2, 1, 12, 12) * 255
    assert torch.equal(traced(images), network(images))
    calls = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")
    assert set(calls.values()) == {1}
    functions = {node.target for node in traced.graph.nodes if node.op == "call_function"}
    assert F.relu not in functions


@pytest.mark.parametrize("channels", [1, pytest.param(3, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("name", "method"), EXPLAINED)
def test_every_network_can_be_explained(name: str, method: Any, channels: int) -> None:
    """Attributions of the pixels sum to the differences of the outputs."""
    torch.manual_seed(0)
    network = randomised(build_network(name, info(channels, (17, 16), 4), OPTIONS.get(name, {})))
    images = torch.rand(3, channels, 17, 16) * 255
    background = torch.rand(6, channels, 17, 16) * 255
    classes = torch.arange(4).expand(3, 4)
    values = method.build(network, background, seed=0)(images, classes).values
    assert values.shape == (3, channels, 17, 16, 4)
    change = (network(images) - network(background).mean(dim=0)).numpy()
    np.testing.assert_allclose(values.sum(axis=(1, 2, 3)), change, atol=1e-3 * np.abs(change).max())
