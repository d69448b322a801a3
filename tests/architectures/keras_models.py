"""Models made by Keras, on PyTorch, and how tests read them."""

from pathlib import Path
from typing import Any

from stages.architectures.keras import keras
from stages.networks.build import Classifier, Statistics, build_network
from tests.factory import dataset_info

layers = keras.layers


def convnet(*, n_classes: int = 10, last: str = "softmax") -> Any:
    """The network of Keras's tutorial for MNIST, with random biases."""
    keras.utils.set_random_seed(0)
    random = keras.initializers.RandomNormal(stddev=0.1)
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu", bias_initializer=random),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu", bias_initializer=random),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(n_classes, activation=last, bias_initializer=random),
        ]
    )


def saved(model: Any, folder: Path) -> Path:
    file = folder / "own.keras"
    model.save(file)
    return file


def network_from(file: Path, n_classes: int = 10, channels: int = 1, **info: Any) -> Classifier:
    about = dataset_info([str(label) for label in range(n_classes)], channels=channels, **info)
    statistics = Statistics((0.0,) * channels, (1.0,) * channels)
    return build_network("keras", about, {}, statistics, file)
