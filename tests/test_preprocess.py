"""Images of any form become arrays of one form."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages.core.errors import UserError
from stages.datasets.base.contract import Images, Pictures
from stages.params.preprocess import Preprocess
from stages.preprocess import divide, first_shape, reformed, require_sound, to_arrays

RNG = np.random.default_rng(0)
DEFAULTS: dict[str, Any] = {
    "validation_fraction": 0.25,
    "test_fraction": 0.2,
    "image_size": None,
    "color": None,
    "limit": None,
}


def options(**changes: Any) -> Preprocess:
    return Preprocess.model_validate(DEFAULTS | changes)


def images_of(*shapes: tuple[int, int, int]) -> list[NDArray[np.uint8]]:
    return [RNG.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


def arrays_of(images: Any, **changes: Any) -> NDArray[np.uint8]:
    pictures = Pictures(images, np.zeros(len(images), np.int64))
    positions = np.arange(len(images))
    shape = first_shape(pictures, positions, options(**changes))
    return to_arrays(pictures, positions, options(**changes), shape).images


def test_images_of_one_form_stay_as_they_are() -> None:
    images = np.stack(images_of((3, 9, 8), (3, 9, 8)))
    assert np.array_equal(arrays_of(images), images)
    assert np.array_equal(arrays_of(list(images)), images)
    assert np.array_equal(arrays_of(images, image_size=[9, 8], color="rgb"), images)


def test_grey_is_the_brightness_of_television() -> None:
    """ITU-R BT.601, the weights that Pillow names in its documentation."""
    (image,) = images_of((3, 9, 8))
    expected = np.tensordot([0.299, 0.587, 0.114], image, axes=1)
    (grey,) = arrays_of([image], color="grey")
    assert np.abs(grey[0] - expected).max() <= 1


def test_rgb_of_grey_is_grey_three_times() -> None:
    (image,) = images_of((1, 9, 8))
    assert np.array_equal(arrays_of([image], color="rgb")[0], np.repeat(image, 3, axis=0))


@pytest.mark.parametrize(("given", "expected"), [(10, (10, 10)), ([9, 14], (9, 14))])
def test_mixed_sizes_become_one(given: Any, expected: tuple[int, int]) -> None:
    arrays = arrays_of(
        images_of((3, 20, 30), (1, 8, 9), (3, 40, 11)), image_size=given, color="rgb"
    )
    assert arrays.shape == (3, 3, *expected)


def test_halving_is_the_mean_of_neighbours_nearly() -> None:
    """A smooth image, where every way to make it smaller agrees."""
    rows, columns = np.mgrid[:32, :48]
    image = (3 * rows + 2 * columns).astype(np.uint8)
    blocks = image.reshape(16, 2, 24, 2).mean(axis=(1, 3))
    half = reformed(image[None], options(image_size=[16, 24]))[0]
    assert np.abs(half[1:-1, 1:-1] - blocks[1:-1, 1:-1]).max() <= 1
    theirs = Image.fromarray(image).resize((24, 16), Image.Resampling.BILINEAR)
    assert np.array_equal(half, np.asarray(theirs))


@pytest.mark.parametrize(
    ("second", "sizes"), [((1, 9, 9), "1×9×9"), ((3, 9, 8), "3×9×8"), ((1, 8, 9), "1×8×9")]
)
def test_images_that_differ_are_refused(second: tuple[int, int, int], sizes: str) -> None:
    message = f"one is {sizes}, the first is 1×9×8; set preprocess.image_size and preprocess.color"
    with pytest.raises(UserError, match=message):
        arrays_of(images_of((1, 9, 8), second))


def test_images_that_are_too_small_are_refused_or_enlarged() -> None:
    images = images_of((1, 20, 7))
    with pytest.raises(
        UserError, match=r"images of 20×7 pixels, expected at least 8×8; set prepro"
    ):
        arrays_of(images)
    assert arrays_of(images, image_size=8).shape == (1, 1, 8, 8)


def data_set(train: list[int], test: list[int] | None, n_classes: int = 2) -> Images:
    parts = [
        Pictures(np.zeros((len(labels), 1, 8, 8), np.uint8), np.array(labels, np.int64))
        for labels in (train, test or [])
    ]
    names = tuple(f"class {label}" for label in range(n_classes))
    return Images(parts[0], None if test is None else parts[1], names)


def test_a_test_split_is_split_off_where_there_is_none() -> None:
    labels = [0] * 60 + [1] * 40
    images = data_set(labels, None)
    parts = {name: positions for name, (_, positions) in divide(images, options(), 0).items()}
    assert {name: len(positions) for name, positions in parts.items()} == {
        "train": 60,
        "validation": 20,
        "test": 20,
    }
    together = np.concatenate(list(parts.values()))
    assert sorted(together) == list(range(100))
    shares = {name: np.mean(np.array(labels)[positions]) for name, positions in parts.items()}
    assert all(share == pytest.approx(0.4) for share in shares.values())
    again, other = (divide(images, options(), seed)["test"][1] for seed in (0, 1))
    assert np.array_equal(again, parts["test"])
    assert not np.array_equal(other, parts["test"])


def test_a_limit_holds_for_both_splits() -> None:
    images = data_set([0, 1] * 50, [0, 1] * 30)
    sizes = {name: len(p) for name, (_, p) in divide(images, options(limit=20), 0).items()}
    assert sizes == {"train": 15, "validation": 5, "test": 20}


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (data_set([0, 0], [0], 1), "1 class, expected at least 2"),
        (data_set([0, 1, 2], [0]), r"1 train labels, such as 2, name none of the 2 classes 0 … 1"),
        (data_set([0, 1], [0, -1]), r"1 test labels, such as -1, name none of the 2 classes"),
        (data_set([0, 1, 1], [2], 4), r"no training image of class 2, class 3; add some"),
    ],
)
def test_what_no_classifier_can_learn_from(images: Images, message: str) -> None:
    with pytest.raises(UserError, match=message):
        require_sound(images)


def test_too_few_images_of_a_class() -> None:
    with pytest.raises(UserError, match=r"preprocess\.test_fraction: cannot divide 5 images of 2"):
        divide(data_set([0, 0, 0, 0, 1], None), options(), 0)
    with pytest.raises(UserError, match=r"preprocess\.validation_fraction: cannot divide 5 images"):
        divide(data_set([0, 0, 0, 0, 1], [0]), options(), 0)
