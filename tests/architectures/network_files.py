"""Small networks in files of Keras and ONNX, for images of 28×28 in grey."""

import warnings
from pathlib import Path

import torch
from torch import nn

from stages.architectures.keras import keras

layers = keras.layers


def write_keras(file: Path, n_classes: int = 10, dropout: float = 0.2) -> None:
    keras.utils.set_random_seed(0)
    keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(4, 3, strides=2, activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(dropout),
            layers.Dense(n_classes, activation="softmax"),
        ]
    ).save(file)


def write_onnx(file: Path, n_classes: int = 10) -> None:
    torch.manual_seed(0)
    head = (nn.Flatten(), nn.Linear(676, n_classes), nn.Softmax(1))
    network = nn.Sequential(nn.Conv2d(1, 4, 3, 2), nn.ReLU(), *head)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, about itself
        torch.onnx.export(network.eval(), (torch.ones(1, 1, 28, 28),), file, dynamo=False)


WRITERS = {"keras": write_keras, "onnx": write_onnx}
