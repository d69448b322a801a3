"""Pages on which only some classes have a map, in a real Chromium."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from stages.explorer.document import write_explorer
from stages.figures.run import Run
from tests.runs import with_maps

from .opened import NAMES, canvas, go_to, opened

pytestmark = pytest.mark.browser


def choices(page: Page, name: str) -> list[str]:
    select = page.get_by_role("combobox", name=name, exact=True)
    return [option.inner_text() for option in select.get_by_role("option").all()]


def test_the_most_probable_classes_of_each_image(browser: Browser, folder: Path, run: Run) -> None:
    """Rows, choices and map belong to the image's own three classes."""
    explanation = run.explanation
    order = np.argsort(-explanation.probabilities, axis=1)[:, :3]
    write_explorer(folder / "top.html", with_maps(run, order))
    for page in opened(browser, folder / "top.html"):
        expect(page.locator("#sum-note")).to_contain_text("3 of 10 classes")
        page.get_by_label("Opacity of the map").fill("100")
        for image in (0, 7):
            go_to(page, explanation.names[image])
            own = [NAMES[number] for number in order[image]]
            rows = page.locator("#classes tbody tr th bdi").all_inner_texts()
            assert rows == own
            assert choices(page, "Map of") == ["the predicted class", *own]
            page.keyboard.press("2")
            expect(page.locator("#pixel")).to_contain_text(f"Map of {own[2]}")
            values = explanation.values[image, 0, ..., order[image, 2]].astype(np.float64)
            exact = with_maps(run, order).scale.paint(values).astype(int)
            assert np.abs(canvas(page, "#map") - exact).max() <= 4


def test_a_chosen_class_without_a_map_returns_with_the_next_image_that_has_it(
    browser: Browser, folder: Path, run: Run
) -> None:
    explanation = run.explanation
    order = np.argsort(-explanation.probabilities, axis=1)[:, :2]
    write_explorer(folder / "top.html", with_maps(run, order))
    second = order[0, 1]
    without = np.flatnonzero(~(order == second).any(axis=1))[0]
    for page in opened(browser, folder / "top.html"):
        go_to(page, explanation.names[0])
        page.get_by_role("combobox", name="Map of", exact=True).select_option(NAMES[second])
        go_to(page, explanation.names[without])
        predicted = NAMES[explanation.predicted[without]]
        expect(page.locator("#pixel")).to_contain_text(f"Map of {predicted}.")
        go_to(page, explanation.names[0])
        expect(page.locator("#pixel")).to_contain_text(f"Map of {NAMES[second]}.")


def test_mistakes_whose_true_class_has_no_map(browser: Browser, folder: Path, run: Run) -> None:
    explanation = run.explanation
    write_explorer(folder / "predicted.html", with_maps(run, explanation.predicted[:, None]))
    wrong = np.flatnonzero(explanation.predicted != explanation.labels)[0]
    true, predicted = explanation.labels[wrong], explanation.predicted[wrong]
    for page in opened(browser, folder / "predicted.html"):
        page.get_by_role("button", name=f"true {NAMES[true]}, predicted {NAMES[predicted]}").click()
        expect(page.locator("#verdict")).to_contain_text(f"predicted {NAMES[predicted]}")
        expect(page.locator("#classes tbody tr")).to_have_count(1)
        expect(page.locator("#classes tbody tr").locator("strong")).to_have_count(1)
        assert choices(page, "minus the map of") == ["nothing"], (
            "a class has no contrast with itself"
        )
        expect(page.locator("#class-table tbody")).to_contain_text("–")


def test_the_predicted_class_may_have_no_map(browser: Browser, folder: Path, run: Run) -> None:
    explanation = run.explanation
    some = np.tile([7, 2], (len(explanation.labels), 1))
    write_explorer(folder / "some.html", with_maps(run, some))
    other = np.flatnonzero(~np.isin(explanation.predicted, (7, 2)))[0]
    own = np.flatnonzero(explanation.predicted == 2)[0]
    for page in opened(browser, folder / "some.html"):
        go_to(page, explanation.names[other])
        expect(page.locator("#pixel")).to_contain_text(f"Map of {NAMES[7]}.")
        assert choices(page, "Map of") == [NAMES[7], NAMES[2]]
        go_to(page, explanation.names[own])
        expect(page.locator("#pixel")).to_contain_text(f"Map of {NAMES[2]}.")
        expect(page.get_by_role("combobox", name=re.compile("^Map of"))).to_have_value("predicted")
