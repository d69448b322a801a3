"""Networks read from ONNX files: onnxruntime's outputs, the original's attributions, or refused."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import timm
import torch
import torchvision
from onnx import helper, numpy_helper
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from stages.base.errors.user import UserError
from stages.explainers import deep
from stages.networks.build import Standardize, Statistics
from stages.networks.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages.networks.predict import predict
from tests.architectures.onnx_models import (
    constant,
    linear,
    model_of,
    network_from,
    random,
    saved,
    whole,
)
from tests.factory import dataset_info

RAW = Statistics((0.0,) * 3, (1 / 255,) * 3)  # the network's input is the pixel
IMAGES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
BACKGROUND = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def small_cnn() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        *(nn.Conv2d(8, 8, 3), nn.GELU(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Dropout(), nn.Linear(8 * 7 * 7, 10)),
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "cnn": small_cnn,
    "resnet": lambda: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10),
    "mobilenet": lambda: torchvision.models.mobilenet_v3_small(width_mult=0.25, num_classes=10),
    "vit": lambda: torchvision.models.VisionTransformer(32, 8, 2, 2, 32, 64, num_classes=10),
    "swin": lambda: torchvision.models.SwinTransformer(
        *([2, 2], 16, [1, 1], [2, 2], [4, 4]), num_classes=10
    ),
    "timm_vit": lambda: timm.create_model("test_vit", num_classes=10, img_size=32),
    "timm_efficientnet": lambda: timm.create_model("test_efficientnet", num_classes=10),
    "timm_convnext": lambda: timm.create_model("test_convnext", num_classes=10),
    "timm_byobnet": lambda: timm.create_model("test_byobnet", num_classes=10),
    "timm_mambaout": lambda: timm.create_model("test_mambaout", num_classes=10),
}


def original(name: str) -> nn.Module:
    """A network with random weights and statistics, in eval mode."""
    torch.manual_seed(0)
    network = NETWORKS[name]()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias):
                assert tensor is not None
                nn.init.normal_(tensor, std=0.3)
            assert module.running_var is not None
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval().requires_grad_(False)


def exported(network: nn.Module, folder: Path, how: str = "dynamo") -> Path:
    """The file that one of PyTorch's exporters writes.

    Args:
        network: Takes images (n, 3, 32, 32).
        folder: Where to write it.
        how: `dynamo`, `plain` (the same, with batch norm and all else as it is), `legacy` (also
            PyTorch's), or `one` (legacy, for a single image).
    """
    file = folder / f"{how}.onnx"
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # has no operator in ONNX
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of both exporters, about themselves
            if how in ("dynamo", "plain"):
                many = ({0: torch.export.Dim("n", min=1)},)
                options = {"external_data": False, "dynamic_shapes": many, "verbose": False}
                options |= {"optimize": how == "dynamo", "dynamo": True}
                torch.onnx.export(network, (IMAGES,), file, **options)  # type: ignore[arg-type]
            else:
                axes = {"x": {0: "n"}} if how == "legacy" else None
                options = {"input_names": ["x"], "dynamic_axes": axes}
                torch.onnx.export(network, (IMAGES[:1],), file, dynamo=False, **options)  # type: ignore[arg-type]
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return file


def by_onnxruntime(file: Path, images: Tensor) -> Any:
    session = onnxruntime.InferenceSession(file)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image[None].numpy()})[0] for image in images])


def attributions(network: nn.Module) -> Any:
    network = network.eval().requires_grad_(False)
    classes = torch.arange(10).expand(len(IMAGES), 10)
    return deep.build(network, BACKGROUND, seed=0)(IMAGES, classes).values


# Written out by the exporter, so that a product takes the place of SiLU, whose rule is another.
WRITTEN_OUT = {"timm_efficientnet", "timm_mambaout"}
# What `dynamo` writes for the others differs from `plain` only by its optimizer, and takes long.
EXPORTED = [(name, "legacy") for name in NETWORKS]
EXPORTED += [(name, "dynamo") for name in ("cnn", "vit", *sorted(WRITTEN_OUT))]
LONG = [(name, "dynamo") for name in NETWORKS if (name, "dynamo") not in EXPORTED]


@pytest.mark.parametrize(
    ("name", "how"), [*EXPORTED, *(pytest.param(*case, marks=pytest.mark.slow) for case in LONG)]
)
def test_a_network_computes_what_onnxruntime_does(name: str, how: str, tmp_path: Path) -> None:
    file = exported(original(name), tmp_path, how)
    expected = by_onnxruntime(file, IMAGES)
    with torch.no_grad():
        ours = network_from(file)(IMAGES)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("cnn", "vit") else pytest.mark.slow)
        for name in NETWORKS
        if name not in WRITTEN_OUT
    ],
)
def test_a_network_is_explained_as_the_original(name: str, tmp_path: Path) -> None:
    network = original(name)
    ours = attributions(network_from(exported(network, tmp_path, "plain")))
    theirs = attributions(nn.Sequential(Standardize(RAW), network))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=3e-7 * np.abs(theirs).max())


@pytest.mark.parametrize("name", ["cnn", "resnet", "timm_vit", "timm_convnext"])
def test_a_network_exported_for_one_image_takes_several(name: str, tmp_path: Path) -> None:
    network = original(name)
    file = exported(network, tmp_path, "one")
    expected = by_onnxruntime(file, IMAGES)
    np.testing.assert_allclose(
        network_from(file).requires_grad_(False)(IMAGES),
        expected,
        rtol=0,
        atol=1e-6 * np.abs(expected).max(),
    )


def test_a_network_that_cannot_take_several_images_is_refused(tmp_path: Path) -> None:
    class Rolled(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            rows = images.flatten(1)[:, :10]
            return rows.permute(1, 0).reshape(10).reshape(1, 10)

    with pytest.raises(UserError, match=r"exported for a batch of fixed size, and does not work"):
        network_from(exported(Rolled(), tmp_path, "one"))


@pytest.mark.parametrize("last", ["Softmax", "Sigmoid", "Identity"])
def test_weights_in_constant_nodes_are_parameters_and_a_last_softmax_is_kept_apart(
    last: str, tmp_path: Path
) -> None:
    file = saved(linear(helper.make_node(last, ["logits"], ["y"])), tmp_path)
    network = network_from(file)
    assert {n: tuple(p.shape) for n, p in network.named_parameters()} == {
        "1.w": (3072, 10),
        "1.b": (10,),
    }
    expected = IMAGES.flatten(1) @ torch.from_numpy(random(3072, 10)) + torch.from_numpy(random(10))
    torch.testing.assert_close(network(IMAGES).detach(), expected, rtol=1e-5, atol=1e-4)


def test_a_softmax_of_old_versions_covers_all_further_axes(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Softmax", ["x"], ["s"]),  # axis 1, so all of an image
        helper.make_node("ReduceMax", ["s"], ["y"], axes=[2, 3], keepdims=0),
    ]
    file = saved(model_of(nodes, [], ["n", 3, 32, 32], ["n", 3], opset=11), tmp_path)
    expected = IMAGES.flatten(1).softmax(1).reshape(IMAGES.shape).amax((2, 3))
    torch.testing.assert_close(network_from(file, 3)(IMAGES), expected)


def test_shapes_that_are_computed_from_the_batch(tmp_path: Path) -> None:
    nodes = [
        constant("zero", whole(0)),
        *(
            constant("rest", whole(-1)),
            constant("w", random(3072, 10)),
            constant("root", np.float32(9)),
        ),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Gather", ["shape", "zero"], ["n"]),
        helper.make_node("Concat", ["n", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["product"]),
        helper.make_node("Sqrt", ["root"], ["three"]),
        helper.make_node("Div", ["product", "three"], ["y"]),
    ]
    file = saved(model_of(nodes, [], ["n", 3, 32, 32], ["n", 10]), tmp_path)
    expected = IMAGES.flatten(1) @ torch.from_numpy(random(3072, 10)) / 3
    torch.testing.assert_close(network_from(file)(IMAGES).detach(), expected, rtol=1e-5, atol=1e-4)


def test_other_shapes_of_images(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    weights = [numpy_helper.from_array(random(768, 10), "w")]
    file = saved(model_of(nodes, weights, ["n", 768], ["n", 10]), tmp_path)
    images = torch.rand(2, 3, 16, 16)
    expected = images.permute(0, 2, 3, 1).flatten(1) @ torch.from_numpy(random(768, 10))
    ours = network_from(file, size=(16, 16))(images)
    torch.testing.assert_close(ours.detach(), expected, rtol=1e-5, atol=1e-4)


def test_the_checkpoint_has_the_file_and_the_trained_weights(tmp_path: Path) -> None:
    network = network_from(exported(original("cnn"), tmp_path))
    before = network(IMAGES).detach()
    network.train()(IMAGES).square().sum().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            assert parameter.grad is not None
            parameter.sub_(0.01 * parameter.grad)
    info = dataset_info(channels=3, size=(32, 32))
    save_checkpoint(Checkpoint(network, "onnx", {}, info, {}), tmp_path / "model")
    loaded = load_checkpoint(torch.device("cpu"), tmp_path / "model").network
    network.eval()
    assert torch.equal(predict(loaded, IMAGES), predict(network, IMAGES))
    assert not torch.equal(predict(network, IMAGES), before)
