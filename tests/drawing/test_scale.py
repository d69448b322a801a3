import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.drawing.scale import (
    COLORMAPS,
    STEPS,
    Scale,
    brightness_under_map,
    is_dark,
    luma,
    to_rgb,
)

# Machado, Oliveira & Fernandes 2009, severity 1.0, on linear RGB.
COLOR_BLINDNESS = {
    "none": np.eye(3),
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritan": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def to_lab(colors: NDArray[np.uint8], blindness: str) -> NDArray[np.float64]:
    """CIELAB of sRGB colours (n, 3) as seen with a colour blindness, D65 white."""
    srgb = colors / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ np.transpose(COLOR_BLINDNESS[blindness]), 0, 1)
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = linear @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize(("name", "blindness"), list(itertools.product(COLORMAPS, COLOR_BLINDNESS)))
def test_colors_of_raising_and_lowering_differ_with_any_color_vision(
    name: str, blindness: str
) -> None:
    lab = to_lab(Scale(1.0, name).table, blindness)
    half = STEPS // 2
    strength = np.arange(half // 4, half + 1)  # from a quarter of the limit on
    distance = np.linalg.norm(lab[half + strength] - lab[half - strength], axis=1)
    assert distance.min() > 15  # 2.3 is just noticeable


@pytest.mark.parametrize("name", COLORMAPS)
def test_stronger_is_darker_on_both_sides(name: str) -> None:
    lightness = to_lab(Scale(1.0, name).table, "none")[:, 0]
    half = STEPS // 2
    assert lightness[half] > 95
    assert (np.diff(lightness[half:]) <= 0.5).all()
    assert (np.diff(lightness[: half + 1]) >= -0.5).all()


def test_zero_has_the_middle_color_and_values_beyond_the_limit_the_end_color() -> None:
    scale = Scale(0.5, "red_blue")
    colors = scale.paint(np.array([[-9.0, -0.5, 0.0, 0.5, 9.0]]))[0]
    np.testing.assert_array_equal(colors, scale.table[[0, 0, STEPS // 2, -1, -1]])
    assert colors[0][2] > colors[0][0]  # blue lowers
    assert colors[-1][0] > colors[-1][2]  # red raises


def test_the_image_under_a_map_darkens_it_by_its_brightness() -> None:
    scale = Scale(1.0, "red_blue")
    maps = np.array([[1.0, 1.0]])
    painted = scale.paint(maps, np.array([[1.0, 0.9]]))
    np.testing.assert_array_equal(painted[0, 0], scale.table[-1])
    np.testing.assert_array_equal(painted[0, 1], np.rint(scale.table[-1] * 0.9))


def test_a_dark_image_is_drawn_under_its_map_as_a_negative() -> None:
    image = np.zeros((1, 1, 8, 8), np.uint8)
    image[..., 3, 3] = 255
    assert is_dark(image)
    assert brightness_under_map(image, dark=True)[0, 0, 0] == 1
    assert brightness_under_map(image, dark=True)[0, 3, 3] < 1
    assert not is_dark(255 - image)
    assert not is_dark(image.repeat(3, axis=1)), "colour images are never inverted"


@pytest.mark.parametrize("channels", [2, 4, 13])
def test_other_images_are_shown_as_the_mean_of_their_channels(channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, channels, 5, 6), dtype=np.uint8)
    mean = images.astype(np.float64).mean(axis=1)
    for color in np.moveaxis(to_rgb(images), 3, 0):
        assert np.abs(color - mean).max() <= 0.5
    np.testing.assert_allclose(luma(images), mean / 255, rtol=1e-12)
    assert is_dark(images // 4)
    assert not is_dark(255 - images // 4)


def test_grey_is_converted_to_rgb_and_rgb_is_unchanged() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(1, 1, 8, 8)
    np.testing.assert_array_equal(to_rgb(grey)[0], grey[0, 0][..., None].repeat(3, axis=2))
    color = np.arange(192, dtype=np.uint8).reshape(1, 3, 8, 8)
    np.testing.assert_array_equal(to_rgb(color)[0], color[0].transpose(1, 2, 0))


def test_an_unknown_color_map_or_an_invalid_limit_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"colormap must be one of red_blue, .* \(got 'jet'\)"):
        Scale(1.0, "jet")
    for limit in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"a number above 0 \(got"):
            Scale(limit, "red_blue")
