"""Images that are equal pixel for pixel are found."""

import numpy as np
import pytest

from stages.artifacts.splits import Names, Split, SplitName
from stages.base.errors.user import UserError
from stages.preparation.duplicates import leak_warning, require_different

RNG = np.random.default_rng(0)


def splits() -> tuple[dict[SplitName, Split], dict[SplitName, Names]]:
    """Different images with their numbers as names."""
    sizes: dict[SplitName, int] = {"train": 20, "validation": 5, "test": 8}
    images = {
        name: Split(RNG.integers(0, 256, (n, 3, 8, 9), np.uint8), np.zeros(n, np.int64))
        for name, n in sizes.items()
    }
    return images, {name: np.arange(n) for name, n in sizes.items()}


def test_different_images_give_no_warning() -> None:
    assert leak_warning(*splits()) == ""


def test_test_images_that_are_training_images_are_named() -> None:
    images, names = splits()
    names["train"] = np.array([f"train/a/{number}.png" for number in range(20)])
    images["test"].images[3] = images["train"].images[17]
    images["test"].images[5] = images["validation"].images[0]
    warning = leak_warning(images, names)
    assert warning.startswith("warning: 2 of 8 test images are training images too, pixel for")
    assert ": 3 = train/a/17.png, 5 = 0; remove" in warning
    assert "\n" not in warning


def test_many_duplicates_are_counted_and_some_are_named() -> None:
    images, names = splits()
    images["test"].images[:] = images["train"].images[:8]
    assert "8 of 8 test images" in leak_warning(images, names)
    assert "4 = 4 and 3 more; remove" in leak_warning(images, names)


def test_training_images_that_are_all_alike_are_rejected() -> None:
    images = splits()[0]["train"].images
    require_different(images)
    images[:] = images[0]
    with pytest.raises(UserError, match=r"the 20 training images are all alike, pixel for pixel"):
        require_different(images)
