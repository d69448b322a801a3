"""The section on shortcuts: hidden without a search, else findings whose images can be listed."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from stages.artifacts.shortcuts import FINDING_COLUMNS, STRATEGY_COLUMNS, Shortcuts
from stages.explorer.document import write_explorer
from stages.figures.run import Run

from .opened import cards, numbers, opened

MEMBERS = [2, 5]  # indices among the explained images


def search_of(run: Run) -> Shortcuts:
    """One finding in the explained images, as if they had been searched."""
    explanation = run.explanation
    n_images, channels, height, width = explanation.images.shape
    blocks = (-(-height // 2), -(-width // 2))
    members = np.zeros((1, n_images), bool)
    members[0, MEMBERS] = True
    regions = np.zeros((1, height, width), np.float32)
    regions[0, :4, :4] = 1
    number = int(explanation.predicted[2])
    finding = (number, 2, 0.25, 0.02, 4, 0.5, 0.5, 0.1, 0, 3, 0.5, 0.0, 1e-4, False)
    rows = np.array([0, 1, *MEMBERS])
    return Shortcuts(
        indices=explanation.indices,
        names=explanation.names,
        predicted=explanation.predicted,
        maps=np.ones((n_images, *blocks), np.float32),
        members=members,
        regions=regions,
        example_rows=np.array([[*MEMBERS, -1, -1, -1]]),
        host_rows=np.array([[0, 1, 0]]),
        transplants=np.zeros((1, 3, channels, height, width), np.uint8),
        transplant_odds=np.full((1, 3, 2), 0.5),
        transplant_predicted=np.zeros((1, 3), np.int64),
        typical_rows=np.array([[0, 1, *MEMBERS[:1]], [MEMBERS[1], -1, -1]]),
        strategy_maps=np.ones((2, *blocks), np.float32),
        shown_rows=rows,
        shown_images=explanation.images[rows],
        findings=pd.DataFrame([finding], columns=list(FINDING_COLUMNS)),
        strategies=pd.DataFrame(
            [(finding[0], 3, 0.75, 1.0), (finding[0], 1, 0.25, 0.0)], columns=list(STRATEGY_COLUMNS)
        ),
        about={
            "class_names": explanation.class_names,
            "split": "test",
            "block_px": 2,
            "n_tests": 1,
            "not_searched": {},
        },
    )


@pytest.fixture(scope="module")
def searched(digits: Run) -> Run:
    return replace(digits, shortcuts=search_of(digits))


@pytest.fixture
def searched_page(browser: Browser, tmp_path: Path, searched: Run) -> Iterator[Page]:
    write_explorer(tmp_path / "explorer.html", searched)
    yield from opened(browser, tmp_path / "explorer.html")


def test_the_button_lists_the_members_and_show_all_lists_all(
    searched_page: Page, searched: Run
) -> None:
    assert searched.shortcuts is not None
    everyone = cards(searched_page)
    picture = searched_page.get_by_role("img", name="go by this part of the picture")
    expect(picture).to_have_attribute("alt", searched.shortcuts.sentence(0))
    assert picture.evaluate("image => image.complete && image.naturalWidth > 500")
    searched_page.get_by_role("button", name="List its 2 explained images").click()
    assert cards(searched_page) == numbers(searched, np.array(MEMBERS))
    searched_page.get_by_role("button", name="Show all").click()
    assert cards(searched_page) == everyone


def test_strategies_unfold(searched_page: Page, searched: Run) -> None:
    picture = searched_page.get_by_role("img", name="For each class, its groups of images")
    expect(picture).to_be_hidden()
    searched_page.get_by_text("Strategies: groups of images").click()
    expect(picture).to_be_visible()
    assert picture.evaluate("image => image.complete && image.naturalWidth > 500")


def test_classes_that_do_not_divide_have_no_strategies(
    browser: Browser, tmp_path: Path, searched: Run
) -> None:
    assert searched.shortcuts is not None
    alone = replace(searched.shortcuts, strategies=searched.shortcuts.strategies[:1])
    write_explorer(tmp_path / "explorer.html", replace(searched, shortcuts=alone))
    for page in opened(browser, tmp_path / "explorer.html"):
        expect(page.locator("#findings li")).to_have_count(1)
        expect(page.get_by_text("Strategies: groups of images")).to_be_hidden()


def test_without_a_search_there_is_no_section(page: Page) -> None:
    expect(page.locator("#shortcuts")).to_be_hidden()
