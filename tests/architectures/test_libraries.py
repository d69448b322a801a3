"""Networks of torchvision and timm: names and options are checked before any stage runs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from stages.architectures import timm, torchvision
from stages.artifacts.splits import DatasetInfo
from stages.base.errors.user import UserError
from stages.base.params.reading import check_params
from stages.base.params.sections import StageParams
from stages.networks.build import build_network
from stages.params.model import Model
from tests.conftest import ROOT
from tests.factory import dataset_info

CLASSES = tuple("abcd")
FRESH = {"weights": None, "skip_weights": [], "standardize": "training"}


class Params(StageParams):
    model: Model


def check(architecture: str, options: dict[str, Any]) -> None:
    """Check options as `python -m stages.check` does."""
    model = {"architecture": architecture, "options": options, **FRESH}
    check_params({"model": model}, Params, Path("params.yaml"))


def info(channels: int, size: tuple[int, int]) -> DatasetInfo:
    return dataset_info(CLASSES, size, channels, mean=0.5, std=0.2)


@pytest.mark.parametrize(
    ("architecture", "options"),
    [
        ("torchvision", {"name": "resnet18"}),
        ("torchvision", {"name": "resnet18", "zero_init_residual": True}),
        ("torchvision", {"name": "googlenet", "dropout": 0.1}),
        ("torchvision", {"name": "vit_b_16", "dropout": 0.1}),
        ("torchvision", {"name": "mobilenet_v3_small", "width_mult": 0.5}),
        ("timm", {"name": "convnext_atto", "depths": [1, 1, 1, 1], "dims": [8, 8, 8, 8]}),
        ("timm", {"name": "vit_tiny_patch16_224", "class_token": False, "global_pool": "avg"}),
    ],
)
def test_options_that_a_network_accepts(architecture: str, options: dict[str, Any]) -> None:
    check(architecture, options)


@pytest.mark.parametrize(
    ("architecture", "options", "message"),
    [
        ("torchvision", {}, r"model\.options\.name: missing"),
        ("timm", {}, r"model\.options\.name: missing"),
        ("torchvision", {"name": 18}, r"model\.options\.name: must be a string \(got 18\)"),
        (
            "torchvision",
            {"name": "resnet19"},
            r"name: unknown network \(got 'resnet19'\); the closest of torchvision's \d+: resn",
        ),
        ("torchvision", {"name": "fcn_resnet50"}, r"name: unknown network \(got 'fcn_resnet50'\)"),
        ("timm", {"name": "resnet18.a1_in1k"}, r"the closest of timm's \d+: resnet18, "),
        (
            "torchvision",
            {"name": "resnet18", "zero_init": True},
            r"name: resnet18 does not accept the other options: .*'zero_init'; its class ResNet "
            r"accepts .*zero_init_residual",
        ),
        (
            "timm",
            {"name": "convnext_atto", "depth": [1]},
            r"name: convnext_atto does not accept .*'depth'; its class ConvNeXt accepts .*depths",
        ),
        (
            "torchvision",
            {"name": "resnet18", "weights": "DEFAULT", "num_classes": 3},
            r"options\.weights: is not an option \(use model\.weights\); remove it\n"
            r"  model\.options\.num_classes: must be 1, for one logit and two classes \(got 3\)",
        ),
        ("timm", {"name": "resnet18", "pretrained": True}, r"options\.pretrained: is not an opt"),
    ],
)
def test_options_that_a_network_rejects(
    architecture: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        check(architecture, options)


def test_other_networks_are_checked_without_importing_torch() -> None:
    code = (
        "import sys; from stages.params.model import Model; "
        "Model(architecture='vit', options={}, weights=None, skip_weights=[], "
        "standardize='training'); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_options_reach_the_network() -> None:
    network = torchvision.build(3, (32, 32), 4, name="resnet18", zero_init_residual=True)
    assert not network.layer1[0].bn2.weight.any()  # type: ignore[index, union-attr, operator]
    options = {"depths": [1, 0, 0, 1], "dims": [8, 8, 8, 24]}
    network = timm.build(3, (32, 32), 4, name="convnext_atto", **options)
    assert [len(stage.blocks) for stage in network.stages] == [1, 0, 0, 1]  # type: ignore
    assert network.head.fc.in_features == 24  # type: ignore[union-attr]


@pytest.mark.parametrize(("size", "patches"), [((32, 32), 4), ((32, 48), 6)])
def test_a_network_of_patches_is_built_for_the_size_of_the_images(
    size: tuple[int, int], patches: int
) -> None:
    network = timm.build(3, size, 4, name="test_vit")  # patches of 16
    assert network.patch_embed.num_patches == patches  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vit_b_16", {"image_size": 96}),
        ("maxvit_t", {"input_size": (64, 96)}),
        ("resnet18", {}),
    ],
)
def test_networks_for_one_size_get_the_size(
    monkeypatch: pytest.MonkeyPatch, name: str, expected: dict[str, Any]
) -> None:
    """Through the argument of torchvision's builder."""
    given: dict[str, Any] = {}

    def get_model(name: str, **arguments: Any) -> nn.Module:
        given.update(arguments)
        return nn.Sequential()

    monkeypatch.setattr(torchvision.models, "get_model", get_model)
    torchvision.build(3, (64, 96), 4, name=name)
    assert given == {"num_classes": 4, **expected}


@pytest.mark.parametrize(("plugin", "name"), [(torchvision, "resnet18"), (timm, "test_vit")])
def test_grey_images_are_repeated_in_three_channels(plugin: Any, name: str) -> None:
    torch.manual_seed(0)
    grey = plugin.build(1, (32, 32), 4, name=name).eval()
    torch.manual_seed(0)
    colour = plugin.build(3, (32, 32), 4, name=name).eval()
    images = torch.randn(2, 1, 32, 32)
    torch.testing.assert_close(grey(images), colour(images.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize(
    ("architecture", "name", "size", "smallest"),
    [
        # A 3×3 convolution without padding halves the size. Three 3×3 pools, padded at the end,
        # halve it again and need 2 pixels: pool 3 needs 2, pool 2 needs 4, pool 1 needs 8, and
        # the image 17.
        ("torchvision", "squeezenet1_1", (8, 8), (17, 17)),
        ("torchvision", "squeezenet1_1", (16, 40), (17, 40)),
        ("timm", "test_vit", (28, 28), (32, 32)),  # patches of 16
        ("timm", "test_vit", (33, 32), (48, 48)),
    ],
)
def test_too_small_images_report_the_smallest_size(
    architecture: str, name: str, size: tuple[int, int], smallest: tuple[int, int]
) -> None:
    message = f"images of {size[0]}×{size[1]} .* that works is {smallest[0]}×{smallest[1]}: set"
    with pytest.raises(UserError, match=message):
        build_network(architecture, info(1, size), {"name": name})
    build_network(architecture, info(1, smallest), {"name": name})


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_networks_with_auxiliary_outputs_have_one_output(name: str) -> None:
    network = torchvision.build(1, (75, 75), 4, name=name).train()
    assert network(torch.randn(2, 1, 75, 75)).shape == (2, 4)


def test_without_timm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.delitem(sys.modules, "stages.architectures.timm")
    message = r"architecture timm: .*timm.*; timm is an extra: install it with .*'\.\[timm\]'"
    with pytest.raises(UserError, match=message):
        check("timm", {"name": "resnet18"})
    check("convnet", {})
