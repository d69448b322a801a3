"""Every classification network of torchvision is explained, and its attributions add up."""

import warnings
from functools import partial

import pytest
import torch
import torchvision
from torch import nn

from .small_torchvision import SMALL
from .zoo import Case, ready, sums

NAMES = torchvision.models.list_models(module=torchvision.models)
SIDES = {"alexnet": 63, "inception_v3": 75, "maxvit_t": 224}
"""The smallest images that these networks accept, in pixels; the others accept 32."""
VIT_SIDES = {"vit_b_32": 64, "vit_l_32": 64, "vit_h_14": 28}
"""Vision transformers are built for one image size, here two patches a side."""
N_CALIBRATION = {"efficientnet_v2_l": 128}
"""Over 217 norms, the error of statistics from 32 images grows beyond the digits of float32."""

ONE_PER_FAMILY = {
    "alexnet": "alexnet",
    "convnext": "convnext_tiny",
    "densenet": "densenet121",
    "efficientnet": "efficientnet_b0",
    "googlenet": "googlenet",
    "inception": "inception_v3",
    "maxvit": "maxvit_t",
    "mnasnet": "mnasnet0_5",
    "mobilenetv2": "mobilenet_v2",
    "mobilenetv3": "mobilenet_v3_small",
    "regnet": "regnet_x_400mf",
    "resnet": "resnet18",
    "shufflenetv2": "shufflenet_v2_x0_5",
    "squeezenet": "squeezenet1_1",
    "swin_transformer": "swin_v2_t",
    "vgg": "vgg11_bn",
    "vision_transformer": "vit_b_16",
}


def case(name: str) -> Case:
    if name.startswith("vit_"):
        side = VIT_SIDES.get(name, 32)
        return Case(partial(build, name, image_size=side), side)
    return Case(partial(build, name), SIDES.get(name, 32), N_CALIBRATION.get(name, 32))


def build(name: str, **options: int) -> nn.Module:
    with warnings.catch_warnings():  # two old networks warn that their initialisation will change
        warnings.simplefilter("ignore", FutureWarning)
        return torchvision.models.get_model(name, weights=None, num_classes=10, **options)


ONE_WIDTH = ("alexnet", "googlenet", "inception", "vgg")
SLOW = {
    "efficientnet": "as mobilenetv3, with SiLU",
    "googlenet": "as squeezenet",
    "inception": "as squeezenet",
    "mnasnet": "as mobilenetv2",
    "regnet": "as resnet, with gates as in mobilenetv3",
    "vgg": "as alexnet",
}
"""Families that are slow together, whose operations another family has, too."""

QUICK = {name: Case(build) for name, build in SMALL.items()} | {
    family: case(ONE_PER_FAMILY[family]) for family in ONE_WIDTH
}


def test_every_family_has_a_network_in_the_lists() -> None:
    families = {torchvision.models.get_model_builder(name).__module__ for name in NAMES}
    assert {family.rpartition(".")[2] for family in families} == set(ONE_PER_FAMILY)
    assert set(ONE_PER_FAMILY) <= set(QUICK)
    assert len(NAMES) >= 80


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in QUICK]
)
def test_a_small_network_of_each_family_adds_up(name: str) -> None:
    sums(ready(QUICK[name]), QUICK[name].side, torch.float32).check(2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_network_adds_up(name: str) -> None:
    sums(ready(case(name)), case(name).side, torch.float32).check(2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_PER_FAMILY.values())
def test_a_network_of_each_family_adds_up_in_float64(name: str) -> None:
    sums(ready(case(name)), case(name).side, torch.float64).check(1e-12)
