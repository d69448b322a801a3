"""Networks of keras.applications, saved by Keras, are explained as they are."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepshap import DeepShap
from stages.architectures.keras import keras
from stages.networks.build import Statistics, build_network
from tests.architectures.keras_models import saved
from tests.factory import dataset_info

STATISTICS = {
    "MobileNetV2": Statistics((0.5,) * 3, (0.25,) * 3),
    "ResNet50": Statistics((0.5,) * 3, (0.25,) * 3),
}


def with_drawn_weights(name: str, side: int) -> Any:
    """Weights with which signals neither vanish nor explode; no bias is 0."""
    model = getattr(keras.applications, name)(input_shape=(side, side, 3), weights=None, classes=4)
    generator = np.random.default_rng(0)
    for variable in model.weights:
        drawn, shape = generator.normal(size=variable.shape), variable.shape
        if variable.name == "kernel":
            one_channel_each = len(shape) == 4 and shape[3] == 1
            fan_in = np.prod(shape[:2] if one_channel_each else shape[:-1])
            variable.assign(drawn * np.sqrt(2 / fan_in))
        elif variable.name in ("beta", "bias"):
            variable.assign(0.1 * drawn)
        elif variable.name == "gamma":
            variable.assign(1 + 0.1 * drawn)
    return model


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50"])
def test_attributions_add_up(name: str, tmp_path: Path) -> None:
    file = saved(with_drawn_weights(name, 32), tmp_path)
    about = dataset_info("abcd", (32, 32), channels=3)
    network = build_network("keras", about, {}, STATISTICS[name], file)
    network.eval().requires_grad_(False)
    images = torch.randint(256, (5, 3, 32, 32), generator=torch.Generator().manual_seed(0)).float()
    values = DeepShap(network, images[2:]).attribute(images[:2]).double()
    outputs = network(images).double()
    change = outputs[:2] - outputs[2:].mean(0)
    magnitude = values.abs().sum((1, 2, 3))
    assert magnitude.max() < 1000 * change.abs().max()
    assert bool(((values.sum((1, 2, 3)) - change).abs() <= 2e-6 * magnitude).all())
