"""The description and the arrays that preprocess writes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stages import download, preprocess
from stages.artifacts.splits import DatasetInfo, Split
from stages.datasets.base.raw import RawInfo
from tests.conftest import run_stages

from .preparation.options import DEFAULTS

DATA = {"dataset": "arrays", "options": {}, "skip_damaged": False}


def described(images: NDArray[np.uint8]) -> DatasetInfo:
    params = preprocess.Params.model_validate({"seed": 3, "preprocess": DEFAULTS})
    train = Split(images, np.zeros(len(images), np.int64))
    return preprocess.describe(RawInfo("Own", {"data": DATA}), train, ("a", "b"), params)


def test_pixel_statistics_are_on_the_scale_of_0_to_1() -> None:
    """Channels: half of the pixels white, all pixels equal, a quarter of the images white."""
    images = np.zeros((4, 3, 8, 10), np.uint8)
    images[:, 0, ::2] = 255
    images[:, 1] = 51
    images[0, 2] = 255
    info = described(images)
    assert info.mean == pytest.approx((1 / 2, 1 / 5, 1 / 4))
    assert info.std == pytest.approx((1 / 2, 1, 3**0.5 / 4))
    assert (info.channels, info.image_size) == (3, (8, 10))


def test_statistics_of_many_images_are_computed_in_float64() -> None:
    """4 million pixels of 255 and one of 0: a float32 sum is wrong in the fifth digit of std."""
    images = np.full((1, 1, 2000, 2000), 255, np.uint8)
    images[0, 0, 0, 0] = 0
    info = described(images)
    share = 1 / images.size
    assert info.mean[0] == pytest.approx(1 - share, rel=1e-12)
    assert info.std[0] == pytest.approx((share * (1 - share)) ** 0.5, rel=1e-9)


def test_the_description_has_the_parameters_of_all_stages_so_far() -> None:
    info = described(np.zeros((1, 1, 8, 8), np.uint8))
    assert (info.name, info.class_names) == ("Own", ("a", "b"))
    assert info.parameters == {"data": DATA, "seed": 3, "preprocess": DEFAULTS}


@pytest.fixture
def prepared(here: Path) -> dict[str, Any]:
    """Content of data/prepared by file name, for 40 training and 12 test images."""
    rng = np.random.default_rng(0)
    arrays = {
        name: rng.integers(0, 256, (n, 8, 9, 3), np.uint8)
        for name, n in (("x_train", 40), ("x_test", 12))
    }
    np.savez(
        here / "Own.npz",
        **arrays,
        y_train=np.arange(40) % 2,
        y_test=np.arange(12) % 2,
        class_names=np.array(["a", "b"]),
    )
    data = {"dataset": "arrays", "source": "Own.npz"}
    run_stages({"data": data, "preprocess": {"validation_fraction": 0.25}}, (download, preprocess))
    files = {path.name: path for path in (here / "data/prepared").iterdir()}
    description = json.loads(files.pop("dataset.json").read_text())
    return {name: np.load(path) for name, path in files.items()} | {"": description} | arrays


def test_each_split_has_its_images_labels_and_names(prepared: dict[str, Any]) -> None:
    for split, source, size in (
        ("train", "train", 30),
        ("validation", "train", 10),
        ("test", "test", 12),
    ):
        images, labels, names = (
            prepared.pop(f"{split}_{field}.npy") for field in ("images", "labels", "names")
        )
        assert (images.dtype, labels.dtype, names.dtype) == (np.uint8, np.int64, np.int64)
        published = prepared[f"x_{source}"].transpose(0, 3, 1, 2)
        assert len(np.unique(names)) == size
        np.testing.assert_array_equal(images, published[names])
        np.testing.assert_array_equal(labels, names % 2)
    assert prepared.keys() == {"", "x_train", "x_test"}


def test_test_images_among_the_training_images_give_one_warning(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of 16 test images four, whether they become training or validation images."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 9), np.uint8)
    tested = np.concatenate([images[[30, 3, 17, 8]], 255 - images[:12]])
    splits = {"x_train": images, "y_train": np.arange(40) % 2}
    np.savez("own.npz", **splits, x_test=tested, y_test=np.arange(16) % 2)
    data = {"dataset": "arrays", "source": "own.npz"}
    run_stages({"data": data, "preprocess": {"validation_fraction": 0.25}}, (download, preprocess))
    (warning,) = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: 4 of 16 test images are training images too, pixel for")
    assert ": 0 = 30, 1 = 3, 2 = 17, 3 = 8; " in warning


def test_the_description_has_the_statistics_of_the_training_split(prepared: dict[str, Any]) -> None:
    info, images = prepared[""], prepared["train_images.npy"]
    assert info.pop("mean") == pytest.approx((images / 255).mean(axis=(0, 2, 3)).tolist())
    assert info.pop("std") == pytest.approx((images / 255).std(axis=(0, 2, 3)).tolist())
    parameters = info.pop("parameters")
    assert parameters.pop("preprocess")["validation_fraction"] == 0.25
    assert parameters == {"data": DATA, "seed": 0}
    assert info == {
        "name": "Own",
        "class_names": ["a", "b"],
        "channels": 3,
        "image_size": [8, 9],
    } | {"pixel_range": None}
