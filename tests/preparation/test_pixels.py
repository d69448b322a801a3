"""Pixels of more than 8 bits become 8 by a range that is chosen, not guessed."""

from typing import Any

import numpy as np
import pytest

from stages.base.errors.user import UserError
from stages.preparation.pixels import chosen_range, eight_bits

from .options import options


def ranges(*pairs: tuple[float, float]) -> Any:
    return np.array(pairs, np.float64)


def test_sixteen_bits_are_rounded_to_the_nearest_level() -> None:
    values = np.arange(1 << 16, dtype=np.uint16)[None, None]
    nearest = (values.astype(int) + 128) // 257  # 65535 = 255 · 257
    assert np.array_equal(eight_bits(values, None), nearest)


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_a_range_becomes_0_to_255_and_all_beyond_is_cut(kind: type[np.generic]) -> None:
    values = np.array([[[100, 150, 200, 300, 0]]]).astype(kind)
    assert eight_bits(values, (100, 200)).tolist() == [[[0, 128, 255, 255, 0]]]


def test_twelve_bits_keep_all_256_levels() -> None:
    values = np.arange(4096, dtype=np.uint16)[None, None]
    assert len(np.unique(eight_bits(values, (0, 4095)))) == 256
    assert len(np.unique(eight_bits(values, None))) == 17


def test_eight_bits_stay_as_they_are() -> None:
    image = np.arange(256, dtype=np.uint8)[None, None]
    assert eight_bits(image, (0, 4095)) is image


def test_numbers_without_a_range_of_their_own_need_one() -> None:
    with pytest.raises(UserError, match=r"pixels are float32, .*set preprocess\.pixel_range: data"):
        eight_bits(np.zeros((1, 8, 8), np.float32), None)


@pytest.mark.parametrize(
    ("setting", "found"),
    [("full", None), ("data", (5, 4000)), ([-1, 4095], (-1, 4095))],
)
def test_the_setting_decides(setting: Any, found: Any) -> None:
    deep = ranges((5, 4000), (np.nan, np.nan), (10, 3000))
    assert chosen_range(deep, None, options(pixel_range=setting).pixel_range) == found


def test_a_range_far_below_16_bits_must_be_chosen() -> None:
    """One saturated pixel does not hide that all other images have 12 bits."""
    message = r"0 … 65,535, far below the 65,535 of 16 bits: half .* at most 17 of 256 levels; set "
    with pytest.raises(UserError, match=message + r"preprocess\.pixel_range: data to turn 0 into"):
        chosen_range(ranges((0, 4095), (0, 65535), (0, 4095)), None, None)
    with pytest.raises(UserError, match=r"-0\.5 … 1, far below .*at most 1 of 256 levels"):
        chosen_range(ranges((-0.5, 1)), None, None)
    assert chosen_range(ranges((0, 40_000), (100, 65_000)), None, None) is None
    assert chosen_range(None, None, None) is None


def test_ranges_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UserError, match=r"all training images have 8; set it to null"):
        chosen_range(None, None, (0, 4095))
    with pytest.raises(UserError, match=r"all pixels of the training images are 7; is it"):
        chosen_range(ranges((7, 7), (7, 7)), None, "data")


@pytest.mark.parametrize("value", ["auto", [1], [2, 1], [0, float("nan")], [0, True], 5, [1, 1]])
def test_invalid_settings_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"must be null, full, data or \[low, high\]"):
        options(pixel_range=value)
