"""Folders with small networks of transformers and timm, as the libraries write them for the hub."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import save_for_hf
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForImageClassification,
    ConvNextImageProcessor,
    MobileNetV2ImageProcessor,
    ViTImageProcessor,
)

SIDE_PX = 32
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SHAPES: dict[str, dict[str, Any]] = {
    "resnet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    "vit": {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "patch_size": 8,
        "image_size": SIDE_PX,
    },
    "convnext": {"hidden_sizes": [8, 16, 16, 16], "depths": [1, 1, 1, 1], "image_size": SIDE_PX},
}
PROCESSORS = {
    "resnet": ConvNextImageProcessor(
        size={"shortest_edge": SIDE_PX}, crop_pct=0.875, image_mean=MEAN, image_std=STD
    ),
    "vit": ViTImageProcessor(size={"height": SIDE_PX, "width": SIDE_PX}),  # 0.5 and 0.5
    "convnext": MobileNetV2ImageProcessor(  # crops after it resized
        size={"shortest_edge": 40}, crop_size={"height": SIDE_PX, "width": SIDE_PX}, image_mean=MEAN
    ),
}


def publish(
    folder: Path, family: str, classes: Sequence[str] | int = 10, num_channels: int = 3
) -> Path:
    """A network with random weights, as its authors publish it on the hub."""
    n_classes = classes if isinstance(classes, int) else len(classes)
    follows = {"num_labels": n_classes, "num_channels": num_channels}
    config = AutoConfig.for_model(family, **SHAPES[family], **follows)
    if not isinstance(classes, int):
        config.id2label = dict(enumerate(classes))
        config.label2id = {name: label for label, name in enumerate(classes)}
    torch.manual_seed(0)
    network = AutoModelForImageClassification.from_config(config)
    vary(network)
    network.save_pretrained(folder)
    PROCESSORS[family].save_pretrained(folder)
    return folder


def vary(network: nn.Module) -> None:
    """Give all entries values as after training, so that outputs depend on each of them."""
    with torch.no_grad():
        for name, entry in network.state_dict().items():
            if entry.is_floating_point():
                positive = "running_var" in name
                entry.add_(torch.rand_like(entry) if positive else torch.randn_like(entry) * 0.1)


def publish_timm(folder: Path) -> Path:
    """timm's smallest network, with random weights."""
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=10, global_pool="max")
    vary(network)
    arguments = {"num_classes": 10, "in_chans": 3, "global_pool": "max"}
    save_for_hf(network, folder, model_args=arguments, safe_serialization=True)
    return folder


def edit(file: Path, **changes: Any) -> None:
    """Change entries of a JSON file; None removes one."""
    content = {**json.loads(file.read_text()), **changes}
    file.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))


def truncate(folder: Path) -> None:
    """Cut the weights' file off, as an interrupted download does."""
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
