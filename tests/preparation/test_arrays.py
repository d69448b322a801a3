"""Images of any form become arrays of one form."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages.base.errors.user import UserError
from stages.datasets.base.contract import RawImages
from stages.preparation.arrays import converted, shape_of_first, to_arrays
from stages.preparation.splitting import Part

from .options import options

RNG = np.random.default_rng(0)


def images_of(*shapes: tuple[int, int, int]) -> list[NDArray[np.uint8]]:
    return [RNG.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


def arrays_of(images: Any, **changes: Any) -> NDArray[np.uint8]:
    part = Part(RawImages(images, np.zeros(len(images), np.int64)), np.arange(len(images)))
    shape = shape_of_first(part, options(**changes))
    return to_arrays(part, options(**changes), shape).images


def test_images_of_one_form_stay_as_they_are() -> None:
    images = np.stack(images_of((3, 9, 8), (3, 9, 8)))
    assert np.array_equal(arrays_of(images), images)
    assert np.array_equal(arrays_of(list(images)), images)
    assert np.array_equal(arrays_of(images, image_size=[9, 8], color="rgb"), images)


def test_labels_are_those_of_the_positions_chosen() -> None:
    images = images_of((1, 8, 9), (1, 8, 9), (1, 8, 9))
    for raw in (images, np.stack(images)):
        part = Part(RawImages(raw, np.array([4, 5, 6])), np.array([0, 2]))
        found = to_arrays(part, options(), shape_of_first(part, options()))
        assert found.labels.tolist() == [4, 6]
        np.testing.assert_array_equal(found.images, np.stack(images)[[0, 2]])


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
    half = converted(image[None], None, (16, 24))[0]
    assert np.abs(half[1:-1, 1:-1] - blocks[1:-1, 1:-1]).max() <= 1
    theirs = Image.fromarray(image).resize((24, 16), Image.Resampling.BILINEAR)
    assert np.array_equal(half, np.asarray(theirs))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            (1, 9, 9),
            "differ in size: one has 9×9 pixels in grey, the first 9×8 pixels in grey; "
            "set preprocess.image_size to",
        ),
        (
            (3, 9, 8),
            "differ in colours: one has 9×8 pixels in colour, the first 9×8 pixels in grey; "
            "set preprocess.color to",
        ),
        (
            (3, 8, 9),
            "differ in size and colours: one has 8×9 pixels in colour, the first 9×8 pixels in "
            "grey; set preprocess.image_size and preprocess.color to",
        ),
    ],
)
def test_what_differs_is_named_and_nothing_else(second: tuple[int, int, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        arrays_of(images_of((1, 9, 8), second))


def test_images_that_are_too_small_are_refused_or_enlarged() -> None:
    images = images_of((1, 20, 7))
    with pytest.raises(
        UserError, match=r"images of 20×7 pixels, expected at least 8×8; set prepro"
    ):
        arrays_of(images)
    assert arrays_of(images, image_size=8).shape == (1, 1, 8, 8)
