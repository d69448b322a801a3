import numpy as np
import pytest

from stages.drawing.layout import GAP
from stages.drawing.thumbnails import Fit


@pytest.mark.parametrize("size", [(8, 8), (28, 28), (32, 24), (64, 64), (224, 224), (97, 200)])
def test_a_thumbnail_fits_the_given_side_and_fills_at_least_half(size: tuple[int, int]) -> None:
    fit = Fit.of(size, (90, 90))
    assert 45 <= max(fit.height, fit.width) <= 90
    image = np.zeros((3, *size), np.uint8)
    assert fit.photo(image).shape == (fit.height, fit.width, 3)


def test_pixels_of_a_small_image_become_squares() -> None:
    image = np.random.default_rng(0).integers(0, 256, (3, 5, 7)).astype(np.uint8)
    fit = Fit.of((5, 7), (30, 30))
    assert (fit.height, fit.width) == (20, 28)
    thumbnail = fit.photo(image)
    for row in range(20):
        for column in range(28):
            np.testing.assert_array_equal(thumbnail[row, column], image[:, row // 4, column // 4])


@pytest.mark.parametrize("size", [(28, 28), (64, 64), (224, 224), (300, 400), (64, 9)])
@pytest.mark.parametrize("columns", [2, 3, 5, 11])
def test_thumbnails_fill_their_row(size: tuple[int, int], columns: int) -> None:
    fit = Fit.in_row(size, 1024, columns, 224)
    longest = max(fit.height, fit.width)
    assert longest <= 224
    room = 1024 // columns - GAP
    assert longest + max(size) > min(room, 224), "one more enlargement would not fit"


@pytest.mark.parametrize(("side", "thumbnail"), [(8, 88), (28, 84), (32, 96), (50, 100), (64, 128)])
def test_a_readable_thumbnail_is_at_least_84_pixels_where_that_fits_into_128(
    side: int, thumbnail: int
) -> None:
    fit = Fit.readable((side, side), 128)
    assert fit.height == fit.width == thumbnail
