"""Large images and their maps: sizes, colours, outlines, sums over areas."""

import numpy as np
import pytest

from stages.drawing.grain import chosen_grain, grain_choices, readable_grain
from stages.drawing.photographs import (
    PhotoPainter,
    area_sums,
    block_areas,
    enlarged,
    fitted,
    is_tall,
    is_wide,
    outlines,
    sampled,
)
from stages.drawing.scale import Scale, grey_under_map

MM = 25.4 / 160  # a pixel of a picture, printed at 160 dpi


@pytest.mark.parametrize("side", [65, 96, 128, 160, 224, 256, 299, 384, 512, 600])
def test_a_block_of_a_map_is_a_few_millimetres_on_a_sheet(side: int) -> None:
    grain = readable_grain((side, side))
    assert 2 <= grain * 320 / side * MM <= 6
    assert grain in grain_choices((side, side))


def test_small_images_keep_single_pixels_unless_blocks_are_chosen() -> None:
    assert readable_grain((28, 28)) == readable_grain((64, 64)) == 1
    assert grain_choices((28, 28)) == (1, 2, 4, 8)
    assert chosen_grain("auto", (5, 3, 224, 224)) == 16
    assert chosen_grain(4, (5, 3, 224, 224)) == 4


@pytest.mark.parametrize("size", [(224, 224), (27, 754), (754, 27), (300, 451), (65, 1)])
def test_a_fitted_image_fills_one_side_of_its_room_and_keeps_its_shape(
    size: tuple[int, int],
) -> None:
    height, width = fitted(size, (320, 420))
    assert height == 320 or width == 420
    assert 1 <= height <= 320
    assert 1 <= width <= 420
    if min(height, width) > 20:
        assert height / width == pytest.approx(size[0] / size[1], rel=0.05)


def test_strips_are_large_images_with_one_side_more_than_three_times_the_other() -> None:
    assert is_wide((27, 754))
    assert is_tall((754, 27))
    assert not any(f(size) for f in (is_wide, is_tall) for size in ((8, 60), (60, 8), (224, 300)))


@pytest.mark.parametrize("size", [(10, 13), (16, 16)])
def test_sums_over_areas_equal_loops_and_keep_the_total(size: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(3, *size))
    areas = block_areas(size, 4)
    sums = area_sums(maps, areas)
    for number, pixels in enumerate(maps):
        for area in range(sums.shape[1]):
            exact = sum(
                pixels[y, x] for y in range(size[0]) for x in range(size[1]) if areas[y, x] == area
            )
            assert sums[number, area] == pytest.approx(exact)
    columns = -(-size[1] // 4)
    assert areas[9, 12] == 9 // 4 * columns + 12 // 4
    np.testing.assert_allclose(sums.sum(axis=1), maps.sum(axis=(1, 2)))


def test_a_value_of_zero_leaves_the_photograph_and_opacity_grows_with_the_value() -> None:
    scale = Scale(2.0, "red_blue")
    under = np.full((1, 5), 0.7)
    colors = scale.cover(np.array([[0.0, 0.5, 1.0, 2.0, 9.0]]), under)[0].astype(int)
    np.testing.assert_array_equal(colors[0], round(0.7 * 255))
    warm = scale.at(0.8).astype(float)
    shares = (colors[:, 1] - 0.7 * 255) / (warm[1] - 0.7 * 255)
    np.testing.assert_allclose(shares, [0, 0.9 * 0.25**1.5, 0.9 * 0.5**1.5, 0.9, 0.9], atol=0.01)
    np.testing.assert_array_equal(colors[3], np.rint(0.7 * 255 + 0.9 * (warm - 0.7 * 255)))


def test_colors_over_a_photograph_are_warm_for_positive_and_cool_for_negative_values() -> None:
    scale = Scale(1.0, "red_blue")
    positive, negative = scale.cover(np.array([[1.0, -1.0]]), np.full((1, 2), 0.5))[0].astype(int)
    assert positive[0] > positive[2] + 50
    assert negative[2] > negative[0] + 50


def test_areas_within_two_standard_errors_of_zero_keep_a_fifth_of_their_opacity() -> None:
    scale = Scale(1.0, "red_blue")
    under = np.full((1, 1), 1.0)
    value = np.array([[0.8]])
    plain, faded = (
        255 - scale.cover(value, under, errors)[0, 0, 1].astype(float)
        for errors in (np.array([[0.3]]), np.array([[0.41]]))
    )
    assert faded == pytest.approx(0.2 * plain, abs=1)


def test_outlines_are_the_inner_edges_of_the_chosen_areas() -> None:
    areas = block_areas((6, 6), 3)
    edges = outlines(areas, areas == 0)
    exact = np.zeros((6, 6), bool)
    exact[0, :3] = exact[2, :3] = exact[:3, 0] = exact[:3, 2] = True
    np.testing.assert_array_equal(edges, exact)


def test_only_blocks_beyond_the_scale_are_outlined() -> None:
    areas = block_areas((8, 8), 4)
    sums = np.array([[1.0, 2.0, -3.0, 0.5]])
    image = np.full((3, 8, 8), 128, np.uint8)
    scale = Scale(1.0, "red_blue")
    (drawing,) = PhotoPainter(scale, (80, 80)).paint(image, sums[:, areas], areas)
    plain = scale.cover(sampled(sums[:, areas], (80, 80)), grey_under_map(image[None])[0, :1, :1])
    differs = (drawing != plain[0]).any(axis=-1)
    assert not differs[:40, :40].any(), "exactly at the end of the scale"
    assert not differs[40:, 40:].any()
    assert differs[0, 40:].all()
    assert differs[40:, 0].all()
    np.testing.assert_array_equal(drawing[0, 60], scale.at(0.98))
    np.testing.assert_array_equal(drawing[60, 0], scale.at(-0.98))


def test_grey_images_are_enlarged_to_three_equal_channels() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 9, 7)).astype(np.uint8)
    colors = enlarged(image, (90, 70))
    assert colors.shape == (90, 70, 3)
    assert (colors[..., 0] == colors[..., 2]).all()
    np.testing.assert_array_equal(enlarged(image, (9, 7))[..., 1], image[0])
