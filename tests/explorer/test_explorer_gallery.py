"""Finding images, in a real Chromium."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from stages.figures.run import Run

from .opened import NAMES, cards, numbers, shown

pytestmark = pytest.mark.browser


def test_the_gallery_lists_every_explained_image(page: Page, run: Run) -> None:
    n = len(run.explanation.labels)
    assert cards(page) == [int(index) for index in run.explanation.names]
    expect(page.locator("#count")).to_have_text(f"{n} images")
    expect(page.locator("#held")).to_be_empty()


def test_filter_by_true_class(page: Page, run: Run) -> None:
    page.get_by_role("combobox", name="True class").select_option("digit 3")
    assert cards(page) == numbers(run, run.explanation.labels == 3)


def test_filter_by_predicted_class(page: Page, run: Run) -> None:
    page.get_by_role("combobox", name="Predicted class").select_option("digit 8")
    assert cards(page) == numbers(run, run.explanation.predicted == 8)


def test_filter_by_right_and_wrong(page: Page, run: Run) -> None:
    wrong = run.explanation.predicted != run.explanation.labels
    page.get_by_role("combobox", name="Prediction", exact=True).select_option("wrong")
    assert cards(page) == numbers(run, wrong)
    page.get_by_role("combobox", name="Prediction", exact=True).select_option("right")
    assert cards(page) == numbers(run, ~wrong)
    page.get_by_role("button", name="Show all").click()
    assert len(cards(page)) == len(wrong)


def test_search_by_number(page: Page, run: Run) -> None:
    page.get_by_label("Name of the image").fill("11")
    assert cards(page) == [int(i) for i in run.explanation.names if "11" in str(i)]
    page.get_by_label("Name of the image").fill("999999")
    expect(page.locator("#count")).to_contain_text("None of")


def test_sort_by_confidence(page: Page, run: Run) -> None:
    confidence = run.explanation.probabilities.max(axis=1)
    page.get_by_role("combobox", name="Sorted by").select_option("confidence, highest first")
    assert cards(page) == numbers(run, np.argsort(-confidence, kind="stable"))
    page.get_by_role("combobox", name="Sorted by").select_option("confidence, lowest first")
    assert cards(page) == numbers(run, np.argsort(confidence, kind="stable"))


def test_sort_by_surprise(page: Page, run: Run) -> None:
    chances = run.explanation.probabilities[
        np.arange(len(run.explanation.labels)), run.explanation.labels
    ]
    page.get_by_role("combobox", name="Sorted by").select_option("surprise, highest first")
    order = np.argsort(chances, kind="stable")
    assert cards(page) == numbers(run, order)
    assert shown(page) == run.explanation.names[order[0]]


def test_a_cell_of_the_confusion_matrix_lists_its_images(page: Page, run: Run) -> None:
    predictions = run.predictions.predicted
    own = run.explanation.predicted
    wrong = np.flatnonzero(own != run.explanation.labels)[0]
    true, predicted = run.explanation.labels[wrong], own[wrong]
    count = int(((run.predictions.labels == true) & (predictions == predicted)).sum())
    chosen = (run.explanation.labels == true) & (own == predicted)
    name = (
        f"true {NAMES[true]}, predicted {NAMES[predicted]}: {count} of the test split, "
        f"{chosen.sum()} on"
    )
    cell = page.get_by_role("button", name=name)
    expect(cell).to_have_text(str(count))
    cell.click()
    assert cards(page) == numbers(run, chosen)
    expect(page.locator("#count")).to_be_in_viewport()
    expect(cell).to_have_attribute("aria-pressed", "true")
    cell.click()
    assert len(cards(page)) == len(own)


def test_the_confusion_matrix_counts_the_whole_test_split(page: Page, run: Run) -> None:
    cells = page.locator("#matrix td").all_inner_texts()
    predictions = run.predictions.predicted
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (run.predictions.labels, predictions), 1)
    assert [int(cell) for cell in cells] == counts.ravel().tolist()
