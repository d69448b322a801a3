import numpy as np
import pytest

from stages.drawing.layout import GAP
from stages.drawing.thumbnails import Fit, average


@pytest.mark.parametrize(
    "size", [(8, 8), (28, 28), (32, 24), (64, 64), (224, 224), (97, 200), (8, 300)]
)
def test_a_thumbnail_fits_the_given_side_and_fills_at_least_half(size: tuple[int, int]) -> None:
    fit = Fit.of(size, 90)
    assert 45 <= max(fit.height, fit.width) <= 90
    image = np.zeros((*(-(-side // fit.factor) for side in size), 3), np.uint8)
    assert fit.enlarge(image).shape == (fit.height, fit.width, 3)
    assert fit.factor == 1 or fit.zoom == 1, "never averaged and enlarged"


@pytest.mark.parametrize("size", [(28, 28), (64, 64), (224, 224), (300, 400), (64, 9)])
@pytest.mark.parametrize("columns", [2, 3, 5, 11])
def test_thumbnails_fill_their_row(size: tuple[int, int], columns: int) -> None:
    fit = Fit.in_row(size, 1024, columns, 224)
    longest = max(fit.height, fit.width)
    assert longest <= 224
    room = 1024 // columns - GAP
    if fit.factor == 1:
        assert longest + max(size) > min(room, 224), "one more enlargement would not fit"
    else:
        assert longest * 2 > min(room, 224)


@pytest.mark.parametrize(
    ("side", "thumbnail"),
    [(8, 88), (28, 84), (32, 96), (50, 100), (64, 128), (70, 70), (96, 96), (224, 112), (500, 125)],
)
def test_a_readable_thumbnail_is_at_least_84_pixels_where_that_fits_into_128(
    side: int, thumbnail: int
) -> None:
    fit = Fit.readable((side, side), 128)
    assert fit.height == fit.width == thumbnail
    assert fit.factor == 1 or fit.zoom == 1, "never averaged and enlarged"


@pytest.mark.parametrize("factor", [1, 2, 3, 5])
def test_average_equals_the_mean_of_every_square(factor: int) -> None:
    values = np.random.default_rng(0).normal(size=(2, 7, 10))
    means = average(values, factor)
    for top in range(0, 7, factor):
        for left in range(0, 10, factor):
            square = values[:, top : top + factor, left : left + factor]
            np.testing.assert_allclose(
                means[:, top // factor, left // factor], square.mean(axis=(1, 2))
            )


def test_average_keeps_the_type() -> None:
    images = np.full((1, 3, 9, 9), 255, np.uint8)
    assert average(images, 2).dtype == np.uint8
    assert (average(images, 2) == 255).all()
