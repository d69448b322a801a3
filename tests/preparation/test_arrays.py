"""Images of any size and colour become arrays of one shape."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages.base.errors.user import UserError
from stages.datasets.base.contract import RawImages
from stages.preparation.arrays import converted, shape_of_first, to_arrays
from stages.preparation.splitting import Selection

from .options import options

RNG = np.random.default_rng(0)


def images_of(*shapes: tuple[int, int, int]) -> list[NDArray[np.uint8]]:
    return [RNG.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


def arrays_of(images: Any, **changes: Any) -> NDArray[np.uint8]:
    raw = RawImages(images, np.zeros(len(images), np.int64))
    selection = Selection(raw, np.arange(len(images)))
    shape = shape_of_first(selection, options(**changes), None)
    return to_arrays(selection, options(**changes), shape).images


def test_images_of_one_shape_are_unchanged() -> None:
    images = np.stack(images_of((3, 9, 8), (3, 9, 8)))
    assert np.array_equal(arrays_of(images), images)
    assert np.array_equal(arrays_of(list(images)), images)
    assert np.array_equal(arrays_of(images, image_size=[9, 8], color="rgb"), images)


def test_labels_belong_to_the_selected_images() -> None:
    images = images_of((1, 8, 9), (1, 8, 9), (1, 8, 9))
    for raw in (images, np.stack(images)):
        selection = Selection(RawImages(raw, np.array([4, 5, 6])), np.array([0, 2]))
        found = to_arrays(selection, options(), shape_of_first(selection, options(), None))
        assert found.labels.tolist() == [4, 6]
        np.testing.assert_array_equal(found.images, np.stack(images)[[0, 2]])


def test_grey_is_the_luma_of_itu_r_bt_601() -> None:
    """The weights in Pillow's documentation."""
    (image,) = images_of((3, 9, 8))
    expected = np.tensordot([0.299, 0.587, 0.114], image, axes=1)
    (grey,) = arrays_of([image], color="grey")
    assert np.abs(grey[0] - expected).max() <= 1


def test_rgb_of_grey_repeats_the_channel() -> None:
    (image,) = images_of((1, 9, 8))
    assert np.array_equal(arrays_of([image], color="rgb")[0], np.repeat(image, 3, axis=0))


@pytest.mark.parametrize(("given", "expected"), [(10, (10, 10)), ([9, 14], (9, 14))])
def test_different_sizes_become_equal(given: Any, expected: tuple[int, int]) -> None:
    arrays = arrays_of(
        images_of((3, 20, 30), (1, 8, 9), (3, 40, 11)), image_size=given, color="rgb"
    )
    assert arrays.shape == (3, 3, *expected)


def test_halving_is_close_to_the_mean_of_neighbours() -> None:
    """All downscaling methods agree on a smooth image."""
    rows, columns = np.mgrid[:32, :48]
    image = (3 * rows + 2 * columns).astype(np.uint8)
    means = image.reshape(16, 2, 24, 2).mean(axis=(1, 3))
    half = converted(image[None], None, (16, 24))[0]
    assert np.abs(half[1:-1, 1:-1] - means[1:-1, 1:-1]).max() <= 1
    theirs = Image.fromarray(image).resize((24, 16), Image.Resampling.BILINEAR)
    assert np.array_equal(half, np.asarray(theirs))


@pytest.mark.parametrize("channels", [2, 4, 13])
def test_each_channel_is_resized_by_itself(channels: int) -> None:
    images = np.stack(images_of((channels, 20, 30), (channels, 20, 30)))
    assert np.array_equal(arrays_of(images), images)
    resized = arrays_of(images, image_size=[9, 14])
    assert resized.shape == (2, channels, 9, 14)
    for channel in range(channels):
        alone = arrays_of(images[:, [channel]], image_size=[9, 14])
        assert np.array_equal(resized[:, [channel]], alone)
    with pytest.raises(
        UserError, match=rf"preprocess\.color: must be null for images of {channels}"
    ):
        arrays_of(images, color="grey")


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            (1, 9, 9),
            "differ in size: 1 has 9×9 pixels in grey, the first training image 9×8 pixels in "
            "grey, and 2 of 4 images of its split differ .* set preprocess.image_size, such as im",
        ),
        (
            (3, 9, 8),
            "differ in colours: 1 has 9×8 pixels in colour, the first training image 9×8 pixels in "
            "grey, .* equal, set preprocess.color, such as color: rgb$",
        ),
        (
            (3, 8, 9),
            r"differ in size and colours: 1 has 8×9 pixels in colour, .* set "
            r"preprocess.image_size, such as image_size: 224 \(resizing squashes\) and preprocess.",
        ),
    ],
)
def test_only_the_properties_that_differ_are_named(
    second: tuple[int, int, int], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        arrays_of(images_of((1, 9, 8), second, second, (1, 9, 8)))


def test_an_image_of_another_size_is_named_by_its_file() -> None:
    images = images_of((1, 300, 350), (1, 300, 350), (1, 741, 1135))
    names = [f"train/cats/{number}.jpg" for number in range(3)]
    selection = Selection(RawImages(images, np.zeros(3, np.int64), names), np.arange(3))
    with pytest.raises(
        UserError,
        match=r"images differ in size: train/cats/2\.jpg has 741×1135 pixels in grey, the first "
        r"training image 300×350 pixels in grey, and 1 of 3 images .* image_size: 224",
    ):
        to_arrays(selection, options(), (1, 300, 350))


def test_images_that_are_too_small_are_rejected_or_enlarged() -> None:
    images = images_of((1, 20, 7))
    with pytest.raises(
        UserError, match=r"images of 20×7 pixels, expected at least 8×8; set prepro"
    ):
        arrays_of(images)
    assert arrays_of(images, image_size=8).shape == (1, 1, 8, 8)
