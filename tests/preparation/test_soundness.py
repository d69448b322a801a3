"""Data that no classifier can be trained on is rejected."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.base.errors.user import UserError
from stages.datasets.base.contract import Dataset, RawImages
from stages.preparation.soundness import require_sound

from .datasets import dataset


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            dataset([0, 0], [0], 1),
            r"number of classes must be at least 2 \(got 1\); add another class",
        ),
        (
            dataset([0, 1, 2], [0]),
            r"train labels must be 0 … 1 for 2 classes \(1 are not, such as 2\); fix the",
        ),
        (
            dataset([0, 1], [0, -1]),
            r"test labels must be 0 … 1 for 2 classes \(1 are not, such as -1\)",
        ),
        (dataset([0, 1, 1], [2], 4), r"no training images of class 2, class 3; add some"),
    ],
)
def test_unusable_classes_and_labels_are_rejected(data: Dataset, message: str) -> None:
    with pytest.raises(UserError, match=message):
        require_sound(data)


def test_the_labels_of_a_validation_split_are_checked() -> None:
    sound = dataset([0, 1], [0])
    data = replace(sound, validation=dataset([0, 2], None).train)
    with pytest.raises(UserError, match=r"validation labels must be 0 … 1 for 2 classes"):
        require_sound(data)


def test_classes_that_share_a_name_are_rejected() -> None:
    sound = dataset([0, 1], [0])
    with pytest.raises(UserError, match=r"class names must differ \(got 'cat' twice\); rename one"):
        require_sound(Dataset(sound.train, sound.test, ("cat", "cat")))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a/1.png", "a/1.png"], r"test images must differ \(got 'a/1\.png' twice\); fix the"),
        ([4, 4], r"test images must differ \(got '4' twice\)"),
        (["a/1.png"], r"must be 2 strings or integers \(got <U7 of shape \(1,\)\); fix the"),
        ([Path("1.png"), Path("2.png")], r"must be 2 strings or integers \(got object of"),
    ],
)
def test_invalid_image_names_are_rejected(names: Any, message: str) -> None:
    sound = dataset([0, 1], [0, 1])
    train, test, class_names = sound.train, sound.test, sound.class_names
    with pytest.raises(UserError, match=message):
        require_sound(Dataset(train, test._replace(names=names), class_names))


def test_images_without_labels_are_rejected() -> None:
    images = RawImages(np.zeros((3, 1, 8, 8), np.uint8), np.array([0, 1]))
    with pytest.raises(UserError, match="3 train images but 2 labels; each image needs"):
        require_sound(Dataset(images, None, ("a", "b")))


@pytest.mark.parametrize(
    ("images", "got"),
    [
        (np.zeros((2, 1, 8, 8)), r"float64 of shape \(1, 8, 8\)"),
        (np.zeros((2, 8, 8), np.uint8), r"uint8 of shape \(8, 8\)"),
        (np.zeros((2, 14, 8, 8), np.uint8), r"uint8 of shape \(14, 8, 8\)"),
        (np.zeros((2, 3, 0, 8), np.uint8), r"uint8 of shape \(3, 0, 8\)"),
        (["a.png", "b.png"], "str"),
    ],
)
def test_invalid_images_are_rejected(images: Any, got: str) -> None:
    labelled = RawImages(images, np.array([0, 1]))
    kind = "in uint8 with 1 to 13 channels"
    message = rf"train images must be arrays .* {kind} \(the first is {got}\); fix read\(\)"
    with pytest.raises(UserError, match=message):
        require_sound(Dataset(labelled, None, ("a", "b")))


@pytest.mark.parametrize(
    ("labels", "got"),
    [
        ([0, 1], "list"),
        (np.array([0.0, 1.0]), r"float64 of shape \(2,\)"),
        (np.array([[0], [1]]), r"int64 of shape \(2, 1\)"),
        (np.array(["a", "b"]), r"<U1 of shape \(2,\)"),
    ],
)
def test_invalid_labels_are_rejected(labels: Any, got: str) -> None:
    labelled = RawImages(np.zeros((2, 1, 8, 8), np.uint8), labels)
    message = rf"train labels must be an array \(n,\) of integers \(got {got}\); fix read"
    with pytest.raises(UserError, match=message):
        require_sound(Dataset(labelled, None, ("a", "b")))


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_sound_data_passes(kind: type[np.integer]) -> None:
    for channels in (1, 3):
        images = np.zeros((3, channels, 8, 8), np.uint8)
        labelled = RawImages(images, np.array([0, 1, 1], kind), ["a", "b", "c"])
        require_sound(Dataset(labelled, labelled, ("a", "b")))
