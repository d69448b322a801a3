"""Reading one image, in a real Chromium."""

import re
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from stages.figures.run import Run

from .opened import NAMES, canvas, decimal, go_to, shown

pytestmark = pytest.mark.browser


def test_one_image_is_shown_with_every_probability_and_sum(page: Page, run: Run) -> None:
    explanation = run.explanation
    image = int(np.flatnonzero(explanation.predicted != explanation.labels)[0])
    go_to(page, explanation.names[image])
    expect(page.locator("#verdict")).to_contain_text(NAMES[explanation.labels[image]])
    expect(page.locator("#verdict")).to_contain_text(
        f"✗ predicted {NAMES[explanation.predicted[image]]}"
    )
    rows = page.locator("#classes tbody tr")
    expect(rows).to_have_count(10)
    for number in range(10):
        chance, sums = (rows.nth(number).locator("td").nth(column) for column in (0, 1))
        expect(chance).to_have_text(f"{explanation.probabilities[image, number]:.3f}")
        base, output = explanation.base_values[number], explanation.outputs[image, number]
        parts = re.findall(r"[\d.]+", sums.inner_text())
        exact = (base, explanation.sums[image, number], output)
        for part, value in zip(parts, exact, strict=True):
            assert float(part) == pytest.approx(abs(value), abs=0.006)
        bar = chance.locator(".chance").bounding_box()
        track = chance.locator(".track").bounding_box()
        assert bar
        assert track
        share = explanation.probabilities[image, number]
        assert bar["width"] / track["width"] == pytest.approx(share, abs=0.02)
    np.testing.assert_array_equal(
        canvas(page, "#original"), explanation.images[image, 0][..., None].repeat(3, axis=2)
    )


def test_the_bar_of_a_class_reaches_from_its_base_value_to_its_output(page: Page, run: Run) -> None:
    explanation = run.explanation
    image = 5
    go_to(page, explanation.names[image])
    row = page.locator("#classes tbody tr").nth(int(explanation.predicted[image]))
    bar, tick, track = (
        row.locator("td").nth(1).locator(part).bounding_box()
        for part in (".warm", ".tick", ".track")
    )
    assert bar
    assert tick
    assert track
    ends = np.append(explanation.base_values, explanation.sums + explanation.base_values)
    share = explanation.sums[image].max() / np.ptp(ends)
    assert bar["width"] / track["width"] == pytest.approx(share, abs=0.02)
    assert bar["x"] == pytest.approx(tick["x"] + tick["width"] / 2, abs=1)


def test_the_map_has_the_colors_of_its_values(page: Page, run: Run) -> None:
    go_to(page, run.explanation.names[7])
    page.get_by_label("Opacity of the map").fill("100")
    page.get_by_role("combobox", name="Map of", exact=True).select_option("digit 4")
    values = run.explanation.values[7, 0, ..., 4].astype(np.float64)
    exact = run.scale.paint(values).astype(int)
    assert np.abs(canvas(page, "#map") - exact).max() <= 4  # half a step where rounding differs


def test_a_contrast_is_the_difference_of_two_classes(page: Page, run: Run) -> None:
    go_to(page, run.explanation.names[7])
    page.get_by_label("Opacity of the map").fill("100")
    page.get_by_role("combobox", name="Map of", exact=True).select_option("digit 4")
    page.get_by_role("combobox", name="minus the map of").select_option("digit 9")
    values = run.explanation.values[7, 0].astype(np.float64)
    exact = run.scale.paint(values[..., 4] - values[..., 9]).astype(int)
    assert np.abs(canvas(page, "#map") - exact).max() <= 4
    expect(page.locator("#pixel")).to_contain_text("digit 4 \N{MINUS SIGN} digit 9")


def test_predicted_against_true_follows_from_image_to_image(page: Page, run: Run) -> None:
    explanation = run.explanation
    page.get_by_role("combobox", name="Prediction", exact=True).select_option("wrong")
    page.get_by_role("combobox", name="minus the map of").select_option("the true class")
    for image in np.flatnonzero(explanation.predicted != explanation.labels)[:3]:
        a, b = NAMES[explanation.predicted[image]], NAMES[explanation.labels[image]]
        expect(page.locator("#pixel")).to_contain_text(f"{a} \N{MINUS SIGN} {b}")
        page.keyboard.press("ArrowRight")


def test_the_opacity_slider_goes_from_the_image_to_the_map(page: Page, run: Run) -> None:
    go_to(page, run.explanation.names[3])
    page.get_by_label("Opacity of the map").fill("0")
    image = run.explanation.images[3, 0][..., None].repeat(3, axis=2).astype(int)
    np.testing.assert_array_equal(canvas(page, "#map"), image)
    page.get_by_label("Opacity of the map").fill("100")
    opaque = canvas(page, "#map")
    page.get_by_label("Opacity of the map").fill("90")
    assert np.abs(canvas(page, "#map") - (image + 9 * opaque) / 10).max() <= 1


def test_at_half_opacity_only_strong_values_cover_the_image(page: Page, run: Run) -> None:
    go_to(page, run.explanation.names[3])
    page.get_by_label("Opacity of the map").fill("50")
    half = canvas(page, "#map")
    image = run.explanation.images[3, 0][..., None].repeat(3, axis=2).astype(int)
    values = run.explanation.values[3, 0, ..., run.explanation.predicted[3]].astype(np.float64)
    colors = run.scale.paint(values).astype(int)
    strength = np.clip(np.abs(values) / run.scale.limit, 0, 1)
    weak = strength < 0.1
    assert weak.any()
    assert np.abs(half - image)[weak].max() <= 5, "no white veil"
    expected = image + (colors - image) * (0.5 * strength**1.5)[..., None]
    assert np.abs(half - expected).max() <= 3


def test_a_pale_image_can_have_a_scale_of_its_own(page: Page, run: Run) -> None:
    maps = run.explanation.values.sum(axis=1, dtype=np.float64)  # (n, h, w, k)
    palest = int(np.argmin(np.abs(maps).max(axis=(1, 2, 3))))
    go_to(page, run.explanation.names[palest])
    page.get_by_label("Opacity of the map").fill("100")
    page.get_by_label("Colour scale of this image alone").check()
    limit = np.percentile(np.abs(maps[palest]), 99.9)
    assert limit < run.scale.limit
    shown = page.locator("#grain-note")
    expect(shown).to_contain_text("the 99.9th percentile of |value| over the maps of this image")
    number = re.search(r"±(\S+)", shown.inner_text())
    assert number
    assert float(number[1]) == pytest.approx(limit, rel=0.01)
    own = replace(run.scale, limit=limit)
    exact = own.paint(maps[palest, ..., run.explanation.predicted[palest]]).astype(int)
    assert np.abs(canvas(page, "#map") - exact).max() <= 4
    expect(page).to_have_url(re.compile("scale=image$"))
    page.reload()
    expect(page.get_by_label("Colour scale of this image alone")).to_be_checked()


def test_pointing_at_a_pixel_shows_its_value_for_every_class(page: Page, run: Run) -> None:
    go_to(page, run.explanation.names[3])
    box = page.locator("#map").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 5.5 / 8, box["y"] + box["height"] * 2.5 / 8)
    brightness = run.explanation.images[3, 0, 2, 5]
    expect(page.locator("#pixel")).to_contain_text(f"Row 3, column 6 (brightness {brightness})")
    texts = page.locator("#classes .value").all_inner_texts()
    values = [decimal(text.split()[0]) for text in texts]
    np.testing.assert_allclose(values, run.explanation.values[3, 0, 2, 5], atol=1e-3)
    page.mouse.move(5, 5)
    expect(page.locator("#classes .value").first).to_have_text("–")


def test_pixels_can_be_read_with_the_keyboard(page: Page, run: Run) -> None:
    first = shown(page)
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#pixel")).to_contain_text("Row 5, column 5")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#pixel")).to_contain_text("Row 3, column 4")
    value = decimal(page.locator("#classes .value").nth(6).inner_text().split()[0])
    assert value == pytest.approx(run.explanation.values[0, 0, 2, 3, 6], abs=1e-3)
    for _ in range(9):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#pixel")).to_contain_text("Row 3, column 1 ")
    page.keyboard.press("Escape")
    expect(page.locator("#pixel")).to_contain_text("Point at a pixel, or tap it")
    assert shown(page) == first


def test_arrows_move_between_images(page: Page, run: Run) -> None:
    names = run.explanation.names
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert shown(page) == names[2]
    page.keyboard.press("ArrowLeft")
    assert shown(page) == names[1]
    page.get_by_role("button", name="Previous image").click()
    page.keyboard.press("ArrowLeft")
    assert shown(page) == names[0], "the first stays the first"
    page.get_by_role("button", name="Next image").click()
    assert shown(page) == names[1]


def test_arrows_in_the_gallery_carry_the_focus_along(page: Page, run: Run) -> None:
    go_to(page, run.explanation.names[0])
    page.locator("#gallery [aria-selected=true]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    focused = page.evaluate("document.activeElement.ariaLabel")
    assert f"Test image {shown(page)}," in focused
    assert shown(page) not in run.explanation.names[:3]
    assert page.locator("#gallery [aria-selected=true]").count() == 1
    assert page.locator("#gallery [tabindex='0']").count() == 1


def test_digits_choose_the_class(page: Page) -> None:
    page.keyboard.press("7")
    expect(page.get_by_role("button", name="digit 7 7")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#pixel")).to_contain_text("Map of digit 7")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#pixel")).to_contain_text("Map of digit 7")
    page.get_by_role("button", name="digit 2 2").click()
    expect(page.get_by_role("combobox", name="Map of", exact=True)).to_have_value("2")


def test_keys_typed_into_a_control_stay_in_it(page: Page, run: Run) -> None:
    first = shown(page)
    page.get_by_label("Name of the image").press("ArrowRight")
    page.get_by_label("Opacity of the map").press("ArrowLeft")
    page.get_by_label("Opacity of the map").press("5")
    assert shown(page) == first
    expect(page.get_by_label("Opacity of the map")).to_have_value("89")
    expect(page.get_by_role("combobox", name="Map of", exact=True)).to_have_value("predicted")
