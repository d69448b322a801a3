"""One unmodified network of each timm family is explained, and its attributions add up."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import timm
import torch

from .zoo import Case, ready, sums, sums_by_own_outputs


def case(name: str, side: int = 32, *, sized: bool = False, **options: Any) -> Case:
    """A network with ten outputs; `sized` networks are built for one image size."""
    if sized:
        options["img_size"] = side
    return Case(partial(timm.create_model, name, num_classes=10, **options), side)


FAMILIES = {
    "beit": case("beit_base_patch16_224", sized=True),
    "cait": case("cait_xxs24_224", sized=True),
    "coatnet": case("coatnet_nano_rw_224", 64, sized=True),
    "convit": case("convit_tiny", sized=True),
    "convnext": case("convnext_atto"),
    "convnextv2": case("convnextv2_atto"),
    "cspnet": case("cspresnet50"),
    "davit": case("davit_tiny"),
    "deit": case("deit_tiny_distilled_patch16_224", sized=True),
    "dla": case("dla46_c"),
    "dpn": case("dpn68"),
    "edgenext": case("edgenext_xx_small", 64),
    "efficientvit": case("efficientvit_b0", 64),
    "efficientvit_msra": case("efficientvit_m0", 64, sized=True),
    "eva02": case("eva02_tiny_patch14_224", 28, sized=True),
    "fastvit": case("fastvit_t8", 64),
    "focalnet": case("focalnet_tiny_srf"),
    "ghostnet": case("ghostnet_050"),
    "gmlp": case("gmlp_ti16_224", sized=True),
    "hrnet": case("hrnet_w18_small"),
    "inception_next": case("inception_next_atto"),
    "levit": case("levit_128s", 64, sized=True),
    "metaformer": case("caformer_s18"),
    "mixer": case("mixer_s32_224", 64, sized=True),
    "mobilenetv4": case("mobilenetv4_conv_small_035"),
    "mobilevit": case("mobilevit_xxs", 64),
    "mobilevitv2": case("mobilevitv2_050", 64),
    "mvitv2": case("mvitv2_tiny", 64),
    "nest": case("nest_tiny", 64, sized=True),
    "nf_resnet": case("nf_resnet26"),
    "poolformer": case("poolformer_s12"),
    "pvt_v2": case("pvt_v2_b0"),
    "regnety": case("regnety_002"),
    "repvgg": case("repvgg_a0"),
    "repvit": case("repvit_m0_9"),
    "res2net": case("res2net50_26w_4s"),
    "resmlp": case("resmlp_12_224", sized=True),
    "resnest": case("resnest14d"),
    "resnet": case("resnet10t"),
    "resnetv2": case("resnetv2_50"),
    "rexnet": case("rexnet_100"),
    "sequencer2d": case("sequencer2d_s", layers=(1, 1, 1, 1)),
    "sknet": case("skresnet18"),
    "swiftformer": case("swiftformer_xs", 64),
    "swin": case("swin_tiny_patch4_window7_224", 56, sized=True),
    "swinv2": case("swinv2_tiny_window8_256", 64, sized=True),
    "tiny_vit": case("tiny_vit_5m_224", 64),
    "tnt": case("tnt_s_patch16_224", sized=True),
    "twins": case("twins_svt_small", 64),
    "visformer": case("visformer_tiny", 64, sized=True),
    "vit": case("vit_tiny_patch16_224", sized=True),
    "volo": case("volo_d1_224", 64, sized=True),
    "vovnet": case("ese_vovnet19b_slim_dw"),
    "xcit": case("xcit_nano_12_p16_224", sized=True),
}

MAKE_CONSTANTS_IN_FLOAT32 = {"edgenext", "efficientvit", "xcit"}

SHALLOW = {
    "eva02": case("eva02_tiny_patch14_224", 28, sized=True, depth=2),
    "xcit": case("xcit_nano_12_p16_224", sized=True, depth=2),
}


@pytest.mark.parametrize("family", SHALLOW)
def test_shallow_networks_add_up(family: str) -> None:
    sums(ready(SHALLOW[family]), SHALLOW[family].side, torch.float32).check(2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_of_each_family_adds_up(family: str) -> None:
    sums(ready(FAMILIES[family]), FAMILIES[family].side, torch.float32).check(2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_network_of_each_family_adds_up_in_float64(family: str) -> None:
    network, side = ready(FAMILIES[family]), FAMILIES[family].side
    own = family in MAKE_CONSTANTS_IN_FLOAT32
    found = sums_by_own_outputs(network, side) if own else sums(network, side, torch.float64)
    found.check(1e-12)
