"""Keras's models are modules of PyTorch: they are explained as they are, and their layers named."""

from __future__ import annotations

import os

import pytest
import torch
from torch import Tensor, nn

from deepshap import DeepShap, UnsupportedOperation

os.environ["KERAS_BACKEND"] = "torch"  # before the import
import keras
from keras import layers


class ChannelsLast(nn.Module):
    def __init__(self, model: keras.Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model(x.permute(0, 2, 3, 1))


def network(*middle: keras.Layer) -> nn.Module:
    keras.utils.set_random_seed(0)
    block = keras.Sequential([*middle, layers.Conv2D(4, 2, name="deep")], name="block")
    return ChannelsLast(
        keras.Sequential(
            [
                layers.Input((10, 10, 2)),
                layers.Conv2D(4, 3, activation="relu", name="stem"),
                layers.MaxPooling2D(2),
                block,
                layers.Flatten(),
                layers.Dense(3),
            ]
        )
    ).eval()


def test_a_keras_model_adds_up() -> None:
    model, x, background = network(), torch.rand(2, 2, 10, 10), torch.rand(3, 2, 10, 10)
    values = DeepShap(model, background).attribute(x)
    change = (model(x) - model(background).mean(0)).detach()
    gap = (values.sum((1, 2, 3)) - change).abs() / values.abs().sum((1, 2, 3))
    assert gap.max() < 2e-6
    assert [name for name, _ in model.named_modules() if "stem" in name] == []


def test_a_refusal_names_the_layer_by_its_path() -> None:
    class LargestSoFar(layers.Layer):
        def call(self, x: Tensor) -> Tensor:
            return x.cummax(-1).values

    with pytest.raises(
        UnsupportedOperation, match=r"^cummax at model\.block\.oddly \(LargestSoFar\): "
    ):
        DeepShap(network(LargestSoFar(name="oddly")), torch.rand(3, 2, 10, 10))
