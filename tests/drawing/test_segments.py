"""Segments of images: connected regions whose edges follow the image's."""

import sys

import numpy as np
import pytest
from scipy import ndimage

from stages.drawing.segments import N_SEGMENTS, can_segment, middles, segments_of

pytest.importorskip("skimage", reason="needs scikit-image, the extra `segments`")


def two_halves() -> np.ndarray:
    """Red left of column 37, blue right of it (3, 80, 100)."""
    image = np.zeros((3, 80, 100), np.uint8)
    image[0, :, :37] = 220
    image[2, :, 37:] = 220
    return image


@pytest.mark.parametrize("channels", [1, 3])
def test_regions_are_numbered_from_0_connected_and_about_as_many_as_asked_for(
    channels: int,
) -> None:
    smooth = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(3, 90, 120)), (0, 6, 6))
    image = np.clip(128 + 900 * smooth, 0, 255).astype(np.uint8)[:channels]
    regions = segments_of(image)
    assert regions.shape == (90, 120)
    numbers = np.unique(regions)
    np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
    assert N_SEGMENTS / 3 <= len(numbers) <= 2 * N_SEGMENTS
    for number in numbers:
        assert ndimage.label(regions == number)[1] == 1


def test_no_region_crosses_a_sharp_edge() -> None:
    regions = segments_of(two_halves())
    left, right = np.unique(regions[:, :35]), np.unique(regions[:, 39:])
    assert not set(left) & set(right)


def test_the_middle_of_a_region_lies_inside_it() -> None:
    ring = np.ones((9, 9), np.int64)
    ring[3:6, 3:6] = 0
    for number, (row, column) in enumerate(middles(ring)):
        assert ring[row, column] == number
    assert middles(ring)[0].tolist() == [4, 4]


def test_the_same_image_gives_the_same_regions() -> None:
    np.testing.assert_array_equal(segments_of(two_halves()), segments_of(two_halves()))


def test_without_scikit_image_nothing_can_be_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_segment()
    monkeypatch.setitem(sys.modules, "skimage", None)  # as if not installed
    assert not can_segment()
