"""Networks of transformers: built from the entries of their config.json."""

import importlib.metadata
import sys
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageClassification

from stages.architectures.transformers import NAMES
from stages.artifacts.splits import DatasetInfo
from stages.attribution.description import describe
from stages.base.errors.user import UserError
from stages.base.tracking.plugins import libraries_of_plugin
from stages.networks.build import as_published, build_network
from stages.networks.checkpoint import Checkpoint
from stages.params.explain import Explain
from tests.architectures.test_libraries import check
from tests.factory import dataset_info

VIT = {
    "model_type": "vit",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "patch_size": 8,
}
RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
CONVNEXT = {"model_type": "convnext", "hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1]}
PVT = {
    "model_type": "pvt_v2",
    "hidden_sizes": [8] * 4,
    "num_attention_heads": [1] * 4,
    "depths": [1] * 4,
}
TOWER = {"vision_config": {**VIT, "model_type": "siglip_vision_model"}}


def info(channels: int = 3, size: tuple[int, int] = (32, 32), n_classes: int = 4) -> DatasetInfo:
    names = [f"class {label}" for label in range(n_classes)]
    return dataset_info(names, size, channels, mean=0.5, std=0.2)


@pytest.mark.parametrize("entries", [VIT, RESNET, CONVNEXT])
def test_logits_and_names_of_weights_are_those_of_transformers(entries: dict[str, Any]) -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model(**entries, num_labels=4, num_channels=3, image_size=32)
    theirs = AutoModelForImageClassification.from_config(config).eval()
    ours = build_network("transformers", info(), entries).eval()
    as_published(ours).load_state_dict(theirs.state_dict())
    images = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)
    expected = theirs((images / 255 - 0.5) / 0.2).logits
    torch.testing.assert_close(ours(images), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("entries", "channels", "size"),
    [
        (VIT, 1, (32, 32)),
        (VIT, 3, (32, 48)),
        ({**VIT, "image_size": 32, "num_channels": 3, "num_labels": 4}, 3, (32, 32)),
        (
            {**VIT, "image_size": [32, 32], "id2label": {"0": "a", "1": "b", "2": "c", "3": "d"}},
            3,
            (32, 32),
        ),
        ({"model_type": "textnet"}, 1, (64, 64)),  # its configuration has no channels
        ({"model_type": "siglip", **TOWER}, 1, (32, 32)),
        (
            {
                "model_type": "pvt_v2",
                "hidden_sizes": [8] * 4,
                "num_attention_heads": [1] * 4,
                "depths": [1] * 4,
            },
            3,
            (32, 64),
        ),
    ],
)
def test_channels_size_and_classes_follow_from_the_data(
    entries: dict[str, Any], channels: int, size: tuple[int, int]
) -> None:
    check("transformers", entries)
    network = build_network("transformers", info(channels, size), entries).eval()
    images = torch.randint(256, (2, channels, *size), dtype=torch.uint8)
    assert network(images).shape == (2, 4)


def test_one_logit_for_two_classes() -> None:
    network = build_network("transformers", info(n_classes=2), {**VIT, "num_labels": 1}).eval()
    assert as_published(network).classifier.out_features == 1  # type: ignore[union-attr]
    images = torch.randint(256, (3, 3, 32, 32), dtype=torch.uint8)
    logits = network(images)
    assert logits.shape == (3, 2)
    assert not logits[:, 0].any()


@pytest.mark.parametrize(
    ("architectures", "expected"),
    [
        ({}, "DeiTForImageClassification"),
        (
            {"architectures": ["DeiTForImageClassificationWithTeacher"]},
            "DeiTForImageClassificationWithTeacher",
        ),
    ],
)
def test_one_of_several_classes_of_networks(architectures: dict[str, Any], expected: str) -> None:
    entries = {**VIT, "model_type": "deit", **architectures}
    network = build_network("transformers", info(), entries)
    assert type(as_published(network)).__name__ == expected


@pytest.mark.parametrize(
    ("entries", "channels", "message"),
    [
        (
            {"num_labels": 7},
            3,
            r"options: num_labels, or id2label, gives 7 classes, .* has 4",
        ),
        ({"id2label": {"0": "a"}}, 3, r"num_labels, or id2label, gives 1 classes"),
        (
            {"image_size": 224},
            3,
            r"options\.image_size: is 224, but the images have 32; remove",
        ),
        (
            {"num_channels": 3},
            1,
            r"options\.num_channels: is 3, but the images have 1; .*color",
        ),
    ],
)
def test_entries_that_differ_from_the_data(
    entries: dict[str, Any], channels: int, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        build_network("transformers", info(channels), {**VIT, **entries})
    assert "fix build()" not in str(caught.value)


def test_entries_of_a_part_that_differ_from_the_data() -> None:
    tower = {**TOWER["vision_config"], "image_size": 224}
    with pytest.raises(UserError, match=r"options\.vision_config\.image_size: is 224, but the im"):
        build_network("transformers", info(), {"model_type": "siglip", "vision_config": tower})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"model\.options\.model_type: missing"),
        (
            {"model_type": "resnett"},
            r"network \(got 'resnett'\); .* of transformers's \d+: resnet",
        ),
        ({"model_type": "bert"}, r"model_type: unknown network \(got 'bert'\)"),
        (
            {**VIT, "hiden_size": 3},
            r"options\.hiden_size: is not in the .* vit; .* hidden_size\?",
        ),
        ({**VIT, "xyz": 3}, r"options\.xyz: is not in the configuration of vit; known: arch"),
        ({**VIT, "auto_map": {"AutoModel": "own.Own"}}, r"options\.auto_map: is not in the conf"),
        ({**VIT, "hidden_size": "a"}, r"model_type: vit does not accept .* expected int, got str"),
        ({**RESNET, "layer_type": "wide"}, r"model_type: resnet does not accept the other options"),
    ],
)
def test_options_that_are_rejected(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check("transformers", options)


def test_entries_of_a_real_config_that_change_nothing() -> None:
    others = {
        "architectures": ["ViTForImageClassification"],
        "dtype": "float16",
        "torch_dtype": "float16",
        "transformers_version": "4.18.0",
        "_name_or_path": "somewhere",
        "label2id": {"a": 0, "b": 1, "c": 2, "d": 3},
    }
    check("transformers", {**VIT, **others})
    network = build_network("transformers", info(), {**VIT, **others})
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


def test_without_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    monkeypatch.delitem(sys.modules, "stages.architectures.transformers")
    message = r"architecture transformers: .*; transformers is an extra: .*'\.\[transformers\]'"
    with pytest.raises(UserError, match=message):
        check("transformers", VIT)


def test_the_explanation_names_the_version_of_the_library() -> None:
    def versions(architecture: str, options: dict[str, Any]) -> dict[str, str]:
        about = info()
        network = build_network(architecture, about, options)
        checkpoint = Checkpoint(network, architecture, options, about, {})
        found: dict[str, str] = describe(checkpoint, Explain.model_construct(), {})["versions"]
        return found

    assert set(versions("lenet", {})) == {"torch", "shap", "numpy"}
    assert versions("transformers", VIT)["transformers"] == importlib.metadata.version(
        "transformers"
    )
    assert libraries_of_plugin("architectures", "timm") == ["timm"]


# Types whose networks do not map images to logits.
OTHERS = {
    "dinat": "needs the library natten",
    "imagegpt": "takes clusters of colours",
    "shieldgemma2": "takes text, too",
    "siglip2": "takes patches",
}


# Reads values while it runs, which the meta device has not.
SMALL_PERCEIVER = {
    "d_latents": 32,
    "num_latents": 8,
    "num_self_attends_per_block": 1,
    "num_cross_attention_heads": 1,
    "num_self_attention_heads": 4,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_type_maps_images_to_logits(name: str) -> None:
    about = info(size=(256, 256) if name == "swinv2" else (224, 224))
    options = SMALL_PERCEIVER if name == "perceiver" else {}
    with torch.device("cpu" if options else "meta"):
        if name in OTHERS:
            with pytest.raises(UserError):
                build_network("transformers", about, {"model_type": name})
            return
        network = build_network("transformers", about, {"model_type": name, **options}).eval()
        assert network(torch.zeros(2, 3, *about.image_size)).shape == (2, 4)
