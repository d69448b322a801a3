"""Photographs with several labels an image, or of a network with one logit: sheets and page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from stages.artifacts.explanation import POSITIVE
from stages.explorer.document import write_explorer
from stages.figures.photo_sheets import draw_photo_sheet
from stages.figures.run import Run
from stages.figures.segment_sheets import draw_segment_sheet
from tests.drawing.drawn import caption, texts

from .opened import opened
from .photograph_runs import photographs

N_LABELS = 30
PROBABILITIES = ((3, 0.9), (7, 0.8), (11, 0.6), (20, 0.2))  # of the first image; 0.01 of others


@pytest.fixture(scope="module")
def labelled() -> Run:
    """Labels 3, 7 and 20 are true of the first image, 3, 7 and 11 are predicted."""
    run = photographs(3, (96, 128), N_LABELS, 3)
    probabilities = np.full((3, N_LABELS), 0.01, np.float32)
    for number, probability in PROBABILITIES:
        probabilities[0, number] = probability
    labels = np.zeros((3, N_LABELS), np.int64)
    labels[0, [3, 7, 20]] = 1
    classes = np.argsort(-probabilities, axis=1, kind="stable")[:, :3]
    values = run.explanation.values.copy()
    values[..., 1] = values[..., 0]  # alike, but not a question of one label or the other
    about = {**run.explanation.about, "parameters": {"data": {"labels": "multiple"}}}
    explanation = replace(
        run.explanation,
        probabilities=probabilities,
        labels=labels,
        classes=classes,
        values=values,
        about=about,
    )
    predictions = replace(
        run.predictions, probabilities=probabilities, labels=labels, metrics={"accuracy": 0.5}
    )
    return replace(run, explanation=explanation, predictions=predictions)


@pytest.fixture(scope="module")
def one_logit() -> Run:
    """The first image is predicted as the class without a map."""
    run = photographs(3, (96, 128), 2, 1)
    probabilities = np.array([[0.7, 0.3], [0.1, 0.9], [0.6, 0.4]], np.float32)
    explanation = replace(
        run.explanation,
        probabilities=probabilities,
        classes=np.full((3, 1), POSITIVE),
        about={**run.explanation.about, "one_logit": True},
    )
    return replace(run, explanation=explanation)


def test_a_card_lists_all_true_labels_and_marks_the_predicted_ones(labelled: Run) -> None:
    board = draw_photo_sheet(labelled, 0)
    names = labelled.class_names
    assert any(text.startswith(f"true: {names[3]}, {names[7]}"[:20]) for text in texts(board))
    marks = [line.text for line in board.lines if line.text in ("✓", "✗")][:3]
    assert marks == ["✓", "✓", "✗"]
    assert [thumbnail.frame for thumbnail in board.thumbnails[1:4]] == ["predicted"] * 3


def test_labels_are_not_subtracted_from_each_other(labelled: Run) -> None:
    board = draw_photo_sheet(labelled, 0)
    assert not [text for text in texts(board) if " \N{MINUS SIGN} " in text]
    assert "most probable labels" in caption(board)
    assert "difference follows" not in caption(board)


def test_sheets_say_which_class_the_one_logit_is_of(one_logit: Run) -> None:
    sentence = "The network has one logit, of class species 1: what lowers it is evidence for"
    assert sentence in caption(draw_photo_sheet(one_logit, 0))
    pytest.importorskip("skimage")
    text = caption(draw_segment_sheet(one_logit, 0))
    assert sentence in text
    assert "next class" not in text


@pytest.mark.browser
def test_the_page_shows_photographs_with_several_labels(
    browser: Browser, tmp_path: Path, labelled: Run
) -> None:
    write_explorer(tmp_path / "explorer.html", labelled)
    names = labelled.class_names
    for page in opened(browser, tmp_path / "explorer.html"):
        page.set_default_timeout(20_000)
        expect(page.locator("#gallery img")).to_have_count(3)
        true, predicted = (", ".join(names[k] for k in ks) for ks in ((3, 7, 20), (3, 7, 11)))
        expect(page.locator("#verdict")).to_contain_text(f"true labels {true}")
        expect(page.locator("#verdict")).to_contain_text(f"predicted {predicted}")
        expect(page.locator("#confusion")).to_be_hidden()
        page.locator("#search").fill(names[20])  # a true label that is not predicted
        expect(page.locator("#gallery li")).to_have_count(1)
        offered = page.locator("#true option").all_inner_texts()
        assert offered == ["any", *(names[k] for k in (3, 7, 11, 20))]


@pytest.mark.browser
def test_the_page_shows_photographs_of_one_logit(
    browser: Browser, tmp_path: Path, one_logit: Run
) -> None:
    write_explorer(tmp_path / "explorer.html", one_logit)
    for page in opened(browser, tmp_path / "explorer.html"):
        page.set_default_timeout(20_000)
        expect(page.locator("#gallery img")).to_have_count(3)
        expect(page.locator("#ends span").first).to_contain_text("for species 0")
        expect(page.locator("#ends span").last).to_contain_text("for species 1")
        expect(page.locator("#map-words")).to_contain_text("one logit, of class species 1")
