"""Grain, addresses and the guide, in a real Chromium."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from stages.drawing.grain import block_sums, spread
from stages.drawing.scale import Scale
from stages.explorer.document import write_explorer
from stages.figures.run import Run

from .opened import NAMES, canvas, decimal, go_to, opened, shown

pytestmark = pytest.mark.browser


def sums_shown(page: Page) -> list[float]:
    return [decimal(text.split()[0]) for text in page.locator("#classes .value").all_inner_texts()]


def test_blocks_show_the_sums_of_their_pixels(page: Page, run: Run) -> None:
    go_to(page, run.explanation.names[7])
    page.get_by_label("Opacity of the map").fill("100")
    page.get_by_role("combobox", name="Map of", exact=True).select_option("digit 4")
    page.get_by_role("combobox", name="Grain of the map").select_option("sums of 4 × 4 pixels")
    maps = run.explanation.values[7, 0].astype(np.float64).transpose(2, 0, 1)
    sums = block_sums(maps, 4)
    scale = Scale(run.summary.limits[4], run.colormap, 4)
    exact = scale.paint(spread(sums[4], 4, (8, 8))).astype(int)
    assert np.abs(canvas(page, "#map") - exact).max() <= 4  # half a step where rounding differs
    expect(page.locator("#ends")).to_contain_text(f"+{scale.limit:.3g}")
    page.locator("#map").focus()
    page.keyboard.press("ArrowUp")  # the first press selects the middle
    expect(page.locator("#pixel")).to_contain_text("Rows 5 to 8, columns 5 to 8")
    page.keyboard.press("ArrowUp")
    expect(page.locator("#pixel")).to_contain_text("Rows 1 to 4, columns 5 to 8")
    np.testing.assert_allclose(sums_shown(page), sums[:, 0, 1], atol=2e-3)


def test_the_page_starts_with_the_grain_of_the_run(
    browser: Browser, folder: Path, run: Run
) -> None:
    write_explorer(folder / "coarse.html", replace(run, grain=2))
    for page in opened(browser, folder / "coarse.html"):
        expect(page.get_by_role("combobox", name="Grain of the map")).to_have_value("2")


def expect_hash(page: Page, end: str) -> None:
    expect(page).to_have_url(re.compile(f"{re.escape(end)}$"))


def test_the_address_follows_the_view_and_the_back_button_works(page: Page, run: Run) -> None:
    first, second = run.explanation.names[[3, 7]]
    go_to(page, first)
    expect_hash(page, f"#image={first}")
    page.get_by_role("combobox", name="Map of", exact=True).select_option("digit 4")
    expect_hash(page, f"#image={first}&class=4")
    page.get_by_role("combobox", name="minus the map of").select_option("digit 9")
    expect_hash(page, f"#image={first}&class=4&minus=9")
    go_to(page, second)
    expect_hash(page, f"#image={second}&class=4&minus=9")
    page.go_back()
    expect(page.get_by_role("heading", name=f"Test image {first}", exact=True)).to_be_visible()
    page.go_back()
    expect(page.locator("#pixel")).to_contain_text(re.compile(r"^Map of digit 4\."))
    page.go_forward()
    expect(page.locator("#pixel")).to_contain_text("digit 4 \N{MINUS SIGN} digit 9")


def test_an_address_opens_its_view(browser: Browser, page_file: Path, run: Run) -> None:
    index = run.explanation.names[9]
    page = browser.new_page()
    page.goto(f"{page_file.as_uri()}#image={index}&class=3&minus=8&grain=4")
    expect(page.locator("#pixel")).to_contain_text("digit 3 \N{MINUS SIGN} digit 8")
    assert shown(page) == index
    expect(page.get_by_role("combobox", name="Grain of the map")).to_have_value("4")
    page.goto(f"{page_file.as_uri()}#image=999999&class=<b>&grain=toString")
    expect(page.get_by_role("heading", name="Test image").last).to_be_visible()
    expect(page.locator("#missing")).to_contain_text("no image named 999999")
    assert shown(page) == run.explanation.names[0], "what the page lacks is left as at the start"
    page.close()


def test_an_address_reaches_an_image_that_the_filters_hide(page: Page, run: Run) -> None:
    explanation = run.explanation
    right = int(explanation.names[explanation.predicted == explanation.labels][0])
    page.get_by_role("combobox", name="Prediction", exact=True).select_option("wrong")
    page.evaluate(f"location.hash = '#image={right}'")
    expect(page.get_by_role("heading", name=f"Test image {right}", exact=True)).to_be_visible()
    expect(page.get_by_role("combobox", name="Prediction", exact=True)).to_have_value("")


def test_the_most_probable_other_class_is_a_choice(page: Page, run: Run) -> None:
    go_to(page, run.explanation.names[7])
    page.get_by_role("combobox", name="minus the map of").select_option(
        "the most probable other class"
    )
    first, second = np.argsort(-run.explanation.probabilities[7])[:2]
    words = f"{NAMES[first]} \N{MINUS SIGN} {NAMES[second]}"
    expect(page.locator("#pixel")).to_contain_text(words)


def test_a_class_is_never_contrasted_with_itself(page: Page, run: Run) -> None:
    explanation = run.explanation
    wrong, right = (
        int(np.flatnonzero((explanation.predicted == explanation.labels) == outcome)[0])
        for outcome in (False, True)
    )
    go_to(page, explanation.names[wrong])
    page.get_by_role("combobox", name="minus the map of").select_option("the true class")
    go_to(page, explanation.names[right])
    name = NAMES[explanation.predicted[right]]
    expect(page.locator("#pixel")).to_contain_text(
        f"Map of {name}. A class cannot be contrasted with itself"
    )


def test_the_guide_marks_the_strongest_pixels_of_its_example(page: Page, run: Run) -> None:
    explanation = run.explanation
    right = np.flatnonzero(explanation.predicted == explanation.labels)
    own = [explanation.values[i, 0, ..., explanation.predicted[i]] for i in right]
    image = right[np.argmax([min(values.max(), -values.min()) for values in own])]
    page.get_by_text("How to read this").click()
    values = explanation.values[image, 0, ..., explanation.predicted[image]]
    expect(page.locator("#raising")).to_contain_text(f"A: +{values.max():.3f} logits")
    lowest = f"{values.min():.3f}".replace("-", "\N{MINUS SIGN}")
    expect(page.locator("#lowering")).to_contain_text(f"B: {lowest} logits")
    box, mark = (page.locator(part).bounding_box() for part in ("#example-map", ".mark >> nth=0"))
    assert box
    assert mark
    y, x = np.unravel_index(values.argmax(), values.shape)
    assert mark["x"] + mark["width"] / 2 - box["x"] == pytest.approx(
        box["width"] * (x + 0.5) / 8, abs=2
    )
    assert mark["y"] + mark["height"] / 2 - box["y"] == pytest.approx(
        box["height"] * (y + 0.5) / 8, abs=2
    )
    mean = explanation.background.mean(axis=0)
    np.testing.assert_allclose(canvas(page, "#example-background")[..., 0], mean[0], atol=0.51)


def test_a_choice_while_the_address_changes_is_kept(page: Page) -> None:
    """The browser reports the new address late; by then it is that of the image before."""
    page.evaluate(
        """() => {
            const cards = document.querySelectorAll("#gallery li");
            navigation.addEventListener("navigate", () => cards[2].click(), { once: true });
            cards[1].click();
        }"""
    )
    chosen = page.locator("#gallery li").nth(2)
    expect(chosen).to_have_attribute("aria-selected", "true")
    page.wait_for_timeout(500)
    expect(chosen).to_have_attribute("aria-selected", "true")
    page.go_back()
    expect(page.locator("#gallery li").nth(1)).to_have_attribute("aria-selected", "true")
    page.go_forward()
    expect(chosen).to_have_attribute("aria-selected", "true")
