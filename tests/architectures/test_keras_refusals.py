"""Keras files that are damaged, hostile, or no classifier of such images."""

import json
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from stages.architectures.keras import keras
from stages.base.errors.user import UserError
from tests.architectures.keras_models import convnet, network_from, saved

layers = keras.layers


def two_outputs() -> Any:
    image = keras.Input((28, 28, 1))
    flat = layers.Flatten()(image)
    return keras.Model(image, [layers.Dense(10)(flat), layers.Dense(10)(flat)])


def two_inputs() -> Any:
    images = keras.Input((28, 28, 1)), keras.Input((28, 28, 1))
    return keras.Model(images, layers.Dense(10)(layers.Flatten()(layers.Add()(images))))


def integers() -> Any:
    image = keras.Input((28, 28, 1), dtype="uint8")
    return keras.Model(image, layers.Dense(10)(layers.Flatten()(layers.Rescaling(1 / 255)(image))))


def half_precision() -> Any:
    return keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Flatten(), layers.Dense(10, dtype="float16")]
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (two_outputs, "has 1 inputs and 2 outputs, expected one of each"),
        (two_inputs, "has 2 inputs and 1 outputs, expected one of each"),
        (integers, "computes in uint8 for its input, expected float32"),
        (half_precision, "computes in float16, expected float32"),
        (lambda: convnet(n_classes=7), r"shape \(1, 7\), expected shape \(1, 10\), one logit per "
         "class; choose another model.weights"),
        (
            lambda: keras.Sequential([keras.Input((32, 32, 1)), layers.Flatten()]),
            r"takes images of 32×32×1, got 28×28 pixels with 1 channel; set preprocess.image_size",
        ),
    ],
)  # fmt: skip
def test_networks_that_are_no_classifier_of_such_images(
    make: Any, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=f"own.keras: .*{message}"):
        network_from(saved(make(), tmp_path))


class Hostile:
    def __reduce__(self) -> Any:
        return os.system, ("touch ran",)


def with_lambda(file: Path) -> None:
    image = keras.Input((28, 28, 1))
    hidden = layers.Lambda(lambda x: (os.system("touch ran"), x)[1])(image)
    keras.Model(image, layers.Dense(10)(layers.Flatten()(hidden))).save(file)
    Path("ran").unlink(missing_ok=True)


def bomb(file: Path) -> None:
    convnet().save(file)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50_000_000))


def truncated(file: Path) -> None:
    convnet().save(file)
    file.write_bytes(file.read_bytes()[:-1000])


def with_damaged_weights(file: Path) -> None:
    convnet().save(file)
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content[:5000] if name.endswith(".h5") else content)


def with_class_of_a_module(file: Path) -> None:
    """A configuration that names any function of Python."""
    convnet().save(file)
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    config["config"]["layers"][1] = {
        "module": "os", "class_name": "system", "config": {"command": "touch ran"},
        "registered_name": None, "build_config": {"input_shape": [None, 28, 28, 1]},
    }  # fmt: skip
    parts["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (with_lambda, "Keras cannot load it: .*Lambda.* code in a file"),
        (bomb, r"unpacks to 50,\d+,\d+ bytes, more than 10 times its size"),
        (truncated, "not a .keras file, or damaged"),
        (with_damaged_weights, "Keras cannot load it"),
        (with_class_of_a_module, "Keras cannot load it"),
        (lambda file: file.write_bytes(pickle.dumps(Hostile())), "not a .keras file, or damaged"),
        (lambda file: torch.save({"a": torch.ones(2)}, file), "Keras cannot load it"),
        (lambda file: file.write_bytes(b""), "not a .keras file, or damaged"),
    ],
)
def test_bad_files_are_refused_and_nothing_in_them_runs(
    make: Any, message: str, here: Path
) -> None:
    file = Path("own.keras")
    make(file)
    with pytest.raises(UserError, match=f"^own.keras: {message}"):
        network_from(file)
    assert not Path("ran").exists()
