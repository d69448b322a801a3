"""Test images among the training images, found by their pixels."""

import re
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.artifacts.splits import DatasetInfo, Split, SplitName, save_splits
from tests.conftest import Project, assert_refused
from tools.verdict.duplicates import find_duplicates

COMMAND = ("python", "-m", "tools.verdict.duplicates")


def saved(
    folder: Path, train: NDArray[np.uint8], validation: NDArray[np.uint8], test: NDArray[np.uint8]
) -> Path:
    """Splits with these images, named by their numbers from 1, 101 and 201."""
    images: dict[SplitName, NDArray[np.uint8]]
    images = {"train": train, "validation": validation, "test": test}
    names = {
        split: np.arange(len(array)) + first
        for (split, array), first in zip(images.items(), (1, 101, 201), strict=True)
    }
    splits = {split: Split(array, np.zeros(len(array), int)) for split, array in images.items()}
    info = DatasetInfo("noise", ("a",), 3, (8, 8), (0.5,) * 3, (1.0,) * 3, {})
    save_splits(info, splits, names, folder / "prepared")
    return folder / "prepared"


def noise(n: int, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 8, 8)).astype(np.uint8)


def test_planted_duplicates_are_found_with_their_names(tmp_path: Path) -> None:
    train, validation, test = noise(40, 0), noise(10, 1), noise(20, 2)
    test[3], test[7], test[8] = train[39], validation[2], train[39]
    train[5] = train[39]  # the first of them is named
    folder = saved(tmp_path, train=train, validation=validation, test=test)
    assert find_duplicates(folder) == (
        [
            "test image 204: train image 6",
            "test image 208: validation image 103",
            "test image 209: train image 6",
        ],
        20,
        50,
    )


def test_images_that_differ_in_one_bit_are_no_duplicates(tmp_path: Path) -> None:
    train = noise(40, 0)
    test = train[:5].copy()
    test[np.arange(5), 2, 7, np.arange(5)] ^= 1
    folder = saved(tmp_path, train=train, validation=train[:0], test=test)
    assert find_duplicates(folder) == ([], 5, 40)


def test_the_pixels_of_a_repeated_test_image_alone_are_no_duplicate(tmp_path: Path) -> None:
    test = np.repeat(noise(1, 3), 4, axis=0)
    folder = saved(tmp_path, train=noise(9, 0), validation=noise(2, 1), test=test)
    assert find_duplicates(folder).pairs == []


def test_the_command(ran_project: Project, fresh_project: Project) -> None:
    """On real digits, against a comparison of all pairs."""
    folder = ran_project.root / "data/prepared"
    arrays = [np.load(folder / f"{name}_images.npy") for name in ("train", "validation", "test")]
    train, validation, test = (array.reshape(len(array), -1) for array in arrays)
    others = np.concatenate([train, validation])
    expected = sum((image == others).all(axis=1).any() for image in test)
    printed = ran_project.succeed(*COMMAND)
    assert re.search(rf"^{expected} of 600 test images are among the 600 ", printed, re.M)
    assert_refused(fresh_project.run(*COMMAND), r"^error: data/prepared: no such folder; run dvc")


@pytest.mark.parametrize("split", ["train", "validation"])
def test_each_split_counts(tmp_path: Path, split: str) -> None:
    images = {"train": noise(9, 0), "validation": noise(4, 1), "test": noise(5, 2)}
    images[split][0] = images["test"][0]
    assert len(find_duplicates(saved(tmp_path, **images)).pairs) == 1
