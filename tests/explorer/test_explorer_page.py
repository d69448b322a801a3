"""The whole page, in a real Chromium: texts, accessibility, security."""

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from stages.explorer.document import write_explorer
from stages.figures.run import Run
from tests.runs import random_run

from .opened import NAMES, canvas, opened

pytestmark = pytest.mark.browser


def test_the_page_describes_the_run(page: Page) -> None:
    expect(page).to_have_title(re.compile("digits, linear"))
    tables = page.locator("#run-tables")
    for words in (
        "data set digits",
        "network linear",
        "method linear",
        "100 training images, random draw",
        "train.learning_rate 0.001",
        "train.note <b>bold</b>",
        "seed 7",
        "report.colormap red_blue",
        "report.fade false",
        "evaluate.accuracy 0.912346",
        "explain.top_class_agreement",
        "explain.additivity_error_log10",
        "numpy 2",
    ):
        expect(tables).to_contain_text(re.compile(re.escape(words).replace(r"\ ", r"\s*")))
    expect(page.locator("#map-words")).to_contain_text("in logits per pixel")
    expect(page.locator("#exactness")).to_contain_text("Values are rounded to ±")


def test_the_data_set_has_its_usual_name(page: Page) -> None:
    """The explanation's name of the data set, instead of the parameter's value `image_folder`."""
    expect(page).to_have_title("digits, linear: evidence for and against each class")
    expect(page.locator("#headline")).to_contain_text("digits, linear ·")
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("image_folder")


def test_the_table_of_classes_has_the_exact_numbers(page: Page, run: Run) -> None:
    table = page.get_by_role("table", name="How well each class is predicted and explained")
    heads = table.get_by_role("columnheader").all_inner_texts()
    assert heads == [
        "class",
        "test images",
        "precision",
        "recall",
        "F1",
        "top-class agreement",
        "strength (logits)",
    ]
    names = table.get_by_role("rowheader").all_inner_texts()
    assert names == NAMES
    labels, predictions = run.predictions.labels, run.predictions.predicted
    explained, sums = run.explanation.predicted, run.explanation.sums
    rows = [row.get_by_role("cell").all_inner_texts() for row in table.get_by_role("row").all()]
    for number, cells in enumerate(rows[1:]):
        right = ((labels == number) & (predictions == number)).sum()
        precision, recall = right / (predictions == number).sum(), right / (labels == number).sum()
        agreement = (sums[explained == number].argmax(axis=1) == number).mean()
        exact = (precision, recall, 2 * precision * recall / (precision + recall), agreement)
        assert cells[0] == str((labels == number).sum())
        assert cells[1:5] == [f"{value:.3f}" for value in exact]
    recalls = [float(cells[2]) for cells in rows[1:]]
    lowest = table.get_by_role("row").nth(1 + int(np.argmin(recalls)))
    expect(lowest.get_by_role("cell").nth(2).locator("strong")).to_have_count(1)


def test_the_table_of_classes_is_readable_on_a_phone(look: Page) -> None:
    lines = look.locator("#class-table td").evaluate_all(
        """cells => cells.map((cell) => {
          const text = document.createRange();
          text.selectNodeContents(cell);
          return new Set([...text.getClientRects()].map((box) => Math.round(box.bottom))).size;
        })"""
    )
    assert len(lines) == 60
    assert set(lines) == {1}, "no number is broken into lines"


def test_names_that_look_like_markup_are_shown_as_text(page: Page) -> None:
    for name in NAMES[:2]:
        expect(page.locator("#classes").get_by_text(name)).to_be_visible()
        expect(page.locator("#matrix").get_by_text(name).first).to_be_visible()
    assert page.locator("img").count() == 0
    assert page.locator("#classes script, #matrix script").count() == 0


def test_even_a_script_on_the_page_cannot_fetch(browser: Browser, page_file: Path) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    blocked = page.evaluate(
        "fetch('https://example.com').then(() => 'sent', (error) => error.message)"
    )
    assert "fetch" in blocked.lower()
    page.close()


def test_nothing_is_wider_than_the_window(look: Page) -> None:
    assert look.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    outside = look.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((e) =>
          !e.closest(".scroll") && e.getBoundingClientRect().right > window.innerWidth + 0.5
        ).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []


CONTRASTS = """() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  function rgba(css) {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = css;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  }
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
  function ground(element) {
    if (!element) return [255, 255, 255];
    return over(rgba(getComputedStyle(element).backgroundColor), ground(element.parentElement));
  }
  function luminance(color) {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = color.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!(own || element.matches("select, input")) || !element.checkVisibility()) continue;
    const below = ground(element);
    const text = over(rgba(getComputedStyle(element).color), below);
    const [a, b] = [luminance(text), luminance(below)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = `${element.tagName} ${element.className} ${element.textContent.slice(0, 30)}`;
    if (contrast < 4.5) found[name] = contrast;
  }
  return found;
}"""


def test_every_text_has_enough_contrast(look: Page) -> None:
    look.keyboard.press("3")
    assert look.evaluate(CONTRASTS) == {}


def test_every_control_is_reached_by_the_tab_key_and_shows_its_focus(page: Page) -> None:
    seen: list[str] = []
    for _ in range(200):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
              const e = document.activeElement;
              const { outlineStyle, outlineWidth } = getComputedStyle(e);
              return [e.id || e.ariaLabel || e.textContent, outlineStyle, parseFloat(outlineWidth)];
            }"""
        )
        if focus[0] in seen or page.evaluate("document.activeElement === document.body"):
            break
        seen.append(focus[0])
        assert focus[1] != "none", focus
        assert focus[2] >= 2, focus
    for control in ("true", "predicted", "outcome", "order", "search", "clear", "map", "for"):
        assert control in seen
    assert "against" in seen
    assert {"opacity", "fade"} <= set(seen)
    assert any(name.startswith("Test image") for name in seen)
    assert any(name.startswith("true ") and "on this page" in name for name in seen)


def test_every_control_has_a_name_for_a_screen_reader(page: Page) -> None:
    tree = page.locator("body").aria_snapshot()
    controls = re.findall(
        r"- (button|combobox|slider|searchbox|listbox|application|option)\b(.*)", tree
    )
    assert len(controls) > 30
    assert [control for control in controls if '"' not in control[1]] == []


def test_many_classes_and_colors_are_shown(browser: Browser, folder: Path) -> None:
    run = random_run(12, 3, 16, 24, 200)
    write_explorer(folder / "many.html", run)
    for page in opened(browser, folder / "many.html"):
        expect(page.locator("#classes tbody tr")).to_have_count(10)
        expect(page.locator("#sum-note")).to_contain_text("10 of 200 classes")
        expect(page.locator("#confusion-note")).to_contain_text("The 20 of 200 classes")
        n_tested = len(np.unique(run.predictions.labels))  # others have no F1
        expect(page.locator("#class-table tbody tr")).to_have_count(n_tested)
        expect(page.locator("#by-class-note")).to_contain_text(
            f"The {n_tested} of 200 classes with the lowest F1."
        )
        expect(page.locator("#class-table tbody")).to_contain_text("–")
        image = run.explanation.images[0].transpose(1, 2, 0)
        np.testing.assert_array_equal(canvas(page, "#original"), image)
        page.keyboard.press("4")
        ranked = np.argsort(-run.explanation.probabilities[0], kind="stable")
        expect(page.locator("#pixel")).to_contain_text(f"Map of class number {ranked[4]}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
