"""Error bars on the page, in a real Chromium."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from stages.explorer.document import write_explorer
from stages.figures.run import Run
from tests.runs import random_run

from .opened import NAMES, canvas, decimal, go_to, opened

pytestmark = pytest.mark.browser


def point_at(page: Page, row: int, column: int) -> None:
    box = page.locator("#map").bounding_box()
    assert box
    x, y = (column + 0.5) / 8, (row + 0.5) / 8
    page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)


def errors_of(run: Run) -> np.ndarray:
    assert run.explanation.errors is not None
    return run.explanation.errors.astype(np.float64)


def test_pointing_at_a_pixel_shows_its_value_and_error(page: Page, run: Run) -> None:
    explanation = run.explanation
    go_to(page, explanation.names[3])
    point_at(page, 2, 5)
    texts = page.locator("#classes .value").all_inner_texts()
    shown = [[decimal(part) for part in text.replace("±", "").split()] for text in texts]
    np.testing.assert_allclose([v for v, _ in shown], explanation.values[3, 0, 2, 5], atol=1e-3)
    np.testing.assert_allclose([e for _, e in shown], errors_of(run)[3, 2, 5], atol=1e-3)
    predicted = explanation.predicted[3]
    value, error = page.locator("#pixel").inner_text().split(NAMES[predicted])[1].split("±")
    assert decimal(value) == pytest.approx(explanation.values[3, 0, 2, 5, predicted], abs=1e-3)
    assert decimal(error) == pytest.approx(errors_of(run)[3, 2, 5, predicted], abs=1e-3)


def test_the_error_of_a_contrast_is_at_most_the_sum_of_both_errors(page: Page, run: Run) -> None:
    go_to(page, run.explanation.names[3])
    page.get_by_role("combobox", name="Map of", exact=True).select_option("digit 4")
    page.get_by_role("combobox", name="minus the map of").select_option("digit 9")
    point_at(page, 2, 5)
    text = page.locator("#pixel").inner_text()
    assert "at most ±" in text
    bound = errors_of(run)[3, 2, 5, [4, 9]].sum()
    assert decimal(text.split("±")[1]) == pytest.approx(bound, abs=2e-3)


def test_a_switch_fades_values_within_two_standard_errors(page: Page, run: Run) -> None:
    go_to(page, run.explanation.names[7])
    page.get_by_label("Opacity of the map").fill("100")
    page.get_by_role("combobox", name="Map of", exact=True).select_option("digit 4")
    plain = canvas(page, "#map")
    page.get_by_label("Fade values within 2 standard errors of 0").check()
    faded = canvas(page, "#map")
    values, errors = run.explanation.values[7, 0, ..., 4], errors_of(run)[7, ..., 4]
    ratio = np.abs(values) / np.where(errors > 0, errors, np.inf)
    clearly = (errors > 0.02 * errors.max()) & (np.abs(ratio - 2) > 0.2)  # allow for 8-bit rounding
    noise, signal = clearly & (ratio < 2), clearly & (ratio > 2)
    assert noise.any()
    assert signal.any()
    np.testing.assert_array_equal(faded[signal], plain[signal])
    middle = run.scale.table[len(run.scale.table) // 2].astype(int)
    left = np.abs(faded - middle)[noise]
    np.testing.assert_allclose(left, 0.2 * np.abs(plain - middle)[noise], atol=1)
    page.get_by_label("Fade values within 2 standard errors of 0").uncheck()
    np.testing.assert_array_equal(canvas(page, "#map"), plain)


def test_the_switch_starts_as_the_parameter_is_set(
    browser: Browser, folder: Path, run: Run
) -> None:
    write_explorer(folder / "faded.html", replace(run, fade=True))
    for page in opened(browser, folder / "faded.html"):
        expect(page.get_by_label("Fade values within 2 standard errors of 0")).to_be_checked()


def test_a_page_without_error_bars_states_it(browser: Browser, folder: Path) -> None:
    write_explorer(folder / "none.html", random_run(2, 1, 8, 8, 3))
    for page in opened(browser, folder / "none.html"):
        expect(page.locator("#fade")).to_be_hidden()
        expect(page.locator("#exactness")).to_contain_text("No error bars")
        point_at(page, 2, 5)
        expect(page.locator("#pixel")).to_contain_text("Row 3, column 6")
        expect(page.locator("#pixel")).not_to_contain_text("±")
