"""Every image classifier of transformers is explained in a small size, and its attributions add up.

The library's own list names them. A configuration of few layers and channels is derived from the
default one by its field names, so a family that a new version brings is tested without a change.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

from deepshap import DeepShap, UnsupportedOperation

from .zoo import Case, images, ready, sums

transformers.logging.set_verbosity_error()

FAMILIES = {
    name: family
    for family, names in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES.items()
    for name in ([names] if isinstance(names, str) else names)
}
"""The family of each class, such as `vit` of `ViTForImageClassification`."""

REFUSED = {
    "DinatForImageClassification": "requires the natten library",  # not installed here
    "ImageGPTForImageClassification": "indices",  # reads numbers of colours, not pixels
    "ShieldGemma2ForImageClassification": "indices",  # reads text
    "Siglip2ForImageClassification": "cannot be multiplied",  # reads rows of patches, not pixels
}
"""Part of the message for each class that is refused."""

ONE_LAYER = {"depth", "depths", "num_block_repeats", "stage_num_blocks"}
AN_EIGHTH = {
    "base_attn_unit_dims", "embed_dim", "embed_dims", "embedding_size", "hidden_sizes",
    "neck_hidden_sizes",
}  # fmt: skip
NUMBERS = {
    "bos_token_id": 1,
    "eos_token_id": 2,
    "groups_width": 8,
    "hidden_size": 32,
    "image_size": 64,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "n_embd": 32,
    "n_head": 4,
    "n_layer": 2,
    "num_attention_heads": 4,
    "num_groups": 4,
    "num_hidden_layers": 2,
    "num_labels": 5,
    "pad_token_id": 0,
    "pooler_output_size": 32,
    "projection_dim": 32,
    "projection_size": 32,
    "vocab_size": 64,
    "window_size": 2,
}
FAMILY_OPTIONS: dict[str, dict[str, Any]] = {
    "cvt": {"depth": [1, 2, 3]},
    "dinov2": {"patch_size": 16},
    "efficientnet": {"width_coefficient": 0.25, "depth_coefficient": 0.1, "hidden_dim": 320},
    "hgnet_v2": {
        "stage_in_channels": [6, 16, 64, 128],
        "stage_mid_channels": [6, 12, 24, 48],
        "stage_out_channels": [16, 64, 128, 256],
        "stem_channels": [3, 4, 6],
    },
    "mobilenet_v1": {"depth_multiplier": 0.25},
    "mobilenet_v2": {"depth_multiplier": 0.25},
    "mobilevit": {"num_attention_heads": 2},
    "perceiver": {
        "d_latents": 32,
        "image_size": 16,
        "num_cross_attention_heads": 1,
        "num_latents": 8,
        "num_self_attends_per_block": 1,
    },
    "pp_lcnet": {"scale": 0.25},
    "textnet": {"stem_out_channels": 8},
    "timm_wrapper": {"architecture": "test_resnet"},
}
SIDES = {
    "PerceiverForImageClassificationLearned": 16,
    "PerceiverForImageClassificationFourier": 224,
    "PerceiverForImageClassificationConvProcessing": 224,
}
"""Sides of the images in pixels; 64 for the others."""

QUICK = {
    "BeitForImageClassification",
    "CLIPForImageClassification",
    "DeiTForImageClassificationWithTeacher",
    "LevitForImageClassification",
    "SegformerForImageClassification",
}
"""One class of each kind; the others are slow together, since each makes loops of its own.

ConvNeXt, Swin and ViT are among torchvision's; PVT attends as Segformer does, SigLIP as CLIP.
"""


class Logits(nn.Module):
    """The first tensor of a network's output, which is named `logits` for all but one family."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)[0]


def smaller(field: str, value: Any) -> Any:
    """A smaller value of a field of a configuration; None to keep its default."""
    if isinstance(value, dict):
        return small(value) if field.endswith("_config") else None
    if isinstance(value, list | tuple):
        values = [smaller(field, item) for item in value]
        return values if values and None not in values else None
    if field in ONE_LAYER and isinstance(value, int):
        return 1
    if field in AN_EIGHTH and isinstance(value, int):
        return value // 8
    return NUMBERS.get(field)


def small(fields: dict[str, Any]) -> dict[str, Any]:
    found = {field: smaller(field, value) for field, value in fields.items()}
    return {field: value for field, value in found.items() if value is not None}


def case(name: str) -> Case:
    family = FAMILIES[name]
    config = CONFIG_MAPPING[family]
    options = small(config().to_dict()) | {"num_labels": 5} | FAMILY_OPTIONS.get(family, {})

    def build() -> nn.Module:
        network = getattr(transformers, name)(config(**options))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):  # some families start with weights of 0.02
                module.reset_parameters()
        return Logits(network)

    return Case(build, SIDES.get(name, 64))


ACCEPTED = sorted(FAMILIES.keys() - REFUSED.keys())


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in ACCEPTED],
)
def test_every_image_classifier_adds_up(name: str) -> None:
    sums(ready(case(name)), case(name).side, torch.float32).check(2e-6)


@pytest.mark.parametrize("name", REFUSED)
def test_these_are_still_refused(name: str) -> None:
    with pytest.raises((UnsupportedOperation, ImportError), match=REFUSED[name]):
        DeepShap(case(name).build().eval(), images(3, 64, seed=0))


def test_the_lists_of_these_tests_name_classes_of_the_library() -> None:
    assert set(REFUSED) | QUICK | set(SIDES) <= set(FAMILIES)
    assert set(FAMILY_OPTIONS) <= set(FAMILIES.values())
    assert all(inspect.isclass(getattr(transformers, name)) for name in FAMILIES)
