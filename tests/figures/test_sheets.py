"""Contact sheets: thumbnails, frames, text and their positions."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.artifacts.explanation import UNKNOWN
from stages.figures import sheets
from stages.figures.displayed_maps import shown_maps
from stages.figures.run import Run
from stages.figures.sheets import SheetLayout, draw_sheet, draw_sheets
from tests.drawing.drawn import caption, frames, texts
from tests.runs import random_run, with_files, with_maps, with_names


def test_a_sheet_has_an_image_and_a_map_for_each_class_in_each_row(digits: Run) -> None:
    board = draw_sheet(digits, 0)
    assert len(board.thumbnails) == 10 * (1 + 10)
    last = draw_sheet(digits, len(digits.explanation.labels) - 3)
    assert len(last.thumbnails) == 3 * (1 + 10)


def test_every_thumbnail_shows_its_image_or_map(digits: Run) -> None:
    explanation = digits.explanation
    board = draw_sheet(digits, 0)
    zoom = board.thumbnails[0].colors.shape[0] // 8
    rows = [thumbnail.colors[::zoom, ::zoom] for thumbnail in board.thumbnails]
    np.testing.assert_array_equal(rows[11 * 4][..., 0], explanation.images[4, 0])
    white = explanation.images[4, 0] == 0  # not darkened by the faint negative
    for number in range(10):
        exact = digits.scale.paint(explanation.values[4, 0, ..., number].astype(np.float64))
        np.testing.assert_array_equal(rows[11 * 4 + 1 + number][white], exact[white])


def test_the_predicted_class_is_framed_and_the_true_one_if_it_differs(digits: Run) -> None:
    wrong = digits.explanation.predicted != digits.explanation.labels
    start = int(np.flatnonzero(wrong)[0])
    n_wrong = wrong[start : start + 10].sum()
    board = draw_sheet(digits, start)
    assert frames(board, "predicted") == 10
    assert frames(board, "true") == n_wrong > 0
    assert frames(board, "other") == 100 - 10 - n_wrong


def test_rows_have_true_class_prediction_probability_and_sums(digits: Run) -> None:
    board = draw_sheet(digits, 0)
    words = texts(board)
    explanation = digits.explanation
    for index in range(10):
        assert f"Test image {explanation.names[index]}" in words
        assert f"true: {explanation.labels[index]}" in words
        assert f"{explanation.probabilities[index].max():.3f}" in words
        total = f"{explanation.sums[index].max():+.2f}".replace("-", "\N{MINUS SIGN}")
        assert total in words
    assert words.count("✓") + words.count("✗") == 10


def test_a_users_own_pictures_have_a_name_and_no_true_class() -> None:
    run = with_files(random_run(2, 1, 8, 8, 3), ["photo.png", "Straße 猫.jpg"])
    unknown = replace(run.explanation, labels=np.full(2, UNKNOWN))
    board = draw_sheet(replace(run, explanation=unknown), 0)
    words = texts(board)
    assert "photo.png" in words
    assert any("Straße □.jpg" in word for word in words)
    assert not [word for word in words if word.startswith(("Test image", "true:", "✓", "✗"))]
    assert "true class" not in caption(board)


def test_rows_name_the_file_of_each_image(digits: Run) -> None:
    n_images = len(digits.explanation.labels)
    files = [f"cats/{number}.jpg" for number in range(n_images)]
    files[3] = f"cats/{'long ' * 50}name.jpg"
    files[5] = "猫/5.jpg"
    run = with_files(digits, files)
    positions = run.explanation.indices + 100  # by which explain.images can name them
    elsewhere = replace(run.explanation, indices=positions)
    words = texts(draw_sheet(replace(run, explanation=elsewhere), 0))
    assert {f"cats/{number}.jpg" for number in (0, 1, 2, 4, 6, 7, 8, 9)} < set(words)
    assert any(re.fullmatch(r"cats/long.*….*name\.jpg", word) for word in words)
    assert f"#{positions[5]} □/5.jpg" in words
    assert not any("Test image" in word for word in words)


def test_one_color_bar_spans_the_scale_of_the_run(digits: Run) -> None:
    maps = np.abs(digits.explanation.values.sum(axis=1))
    limit = np.percentile(maps, 99.9)
    for start in (0, 10):
        board = draw_sheet(digits, start)
        assert len(board.bars) == 1
        assert board.bars[0].scale.limit == pytest.approx(limit)
    assert f"±{limit:.3g}" in caption(board)


def test_sheets_stop_at_a_dozen_with_a_note(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sheets.ON_SHEETS == 12 * sheets.MOST_ROWS
    monkeypatch.setattr(sheets, "ON_SHEETS", 20)  # fewer images, to save time
    run = random_run(31, 1, 8, 8, 10)
    paths = draw_sheets(folder, run)
    assert [path.name for path in paths] == ["sheet_000.png", "sheet_001.png"]
    assert sorted(folder.iterdir()) == sorted(paths)
    board = draw_sheet(run, 0)
    assert "explained images 1 to 10 of 31; the sheets show the first 20" in texts(board)


def test_only_the_top_of_two_hundred_classes_are_drawn_and_named(folder: Path) -> None:
    run = random_run(3, 3, 16, 16, 200)
    board = draw_sheet(run, 0)
    assert len(board.thumbnails) == 3 * (1 + 10)
    assert "Each row shows the 10 most probable of 200 classes" in caption(board)
    assert "summed over the colour channels" in caption(board)
    assert "probability per pixel" in caption(board)
    shown = shown_maps(run.explanation)
    assert all(str(number) in caption(board) for number in shown[0])
    assert board.width < 1300


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_thumbnails_fill_the_width_of_a_sheet(shape: tuple[int, int, int], n_classes: int) -> None:
    run = random_run(1, *shape, n_classes)
    board = draw_sheet(run, 0)
    *_, last = board.thumbnails
    thumbnail = last.colors.shape[1]
    room = board.width - sheets.LABEL
    assert (1 + n_classes) * thumbnail > (0.75 if n_classes < 10 else 0.6) * room
    assert board.width - (last.x + thumbnail) < 60
    if n_classes < 10:
        assert thumbnail > 160


@pytest.mark.parametrize("shape", [(1, 28, 28, 10), (3, 64, 64, 2)])
def test_a_sheet_prints_on_one_page(shape: tuple[int, int, int, int]) -> None:
    run = random_run(12, *shape)
    layout = SheetLayout.of(run)
    assert 5 <= layout.n_rows <= 10
    board = draw_sheet(run, 0)
    assert board.height < 1.9 * board.width
    assert len(board.thumbnails) == layout.n_rows * (1 + shape[3])


def test_rows_with_different_classes_have_their_own_class_names(digits: Run) -> None:
    """The three most probable classes of each image."""
    explanation = digits.explanation
    order = np.argsort(-explanation.probabilities, axis=1)[:, :3]
    top = with_names(with_maps(digits, order), [f"digit {number}" for number in range(10)])
    board = draw_sheet(top, 0)
    n_rows = SheetLayout.of(top).n_rows
    assert len(board.thumbnails) == n_rows * (1 + 3)
    zoom = board.thumbnails[0].colors.shape[0] // 8
    thumbnails = [thumbnail.colors[::zoom, ::zoom] for thumbnail in board.thumbnails]
    heads = [line for line in board.lines if line.text.startswith("digit ")]
    centered = [line.text for line in heads if line.style.align == "center"]
    assert centered == [f"digit {number}" for number in order[:n_rows].ravel()]
    for row in range(n_rows):
        white = explanation.images[row, 0] == 0
        for column, number in enumerate(order[row]):
            exact = top.scale.paint(explanation.values[row, 0, ..., number].astype(np.float64))
            np.testing.assert_array_equal(thumbnails[4 * row + 1 + column][white], exact[white])
    assert "3 of 10 classes are explained for each image" in caption(board)


def test_a_list_of_classes_heads_all_rows_in_the_given_order(digits: Run) -> None:
    n_images = len(digits.explanation.labels)
    two = with_maps(digits, np.tile([7, 2], (n_images, 1)))
    board = draw_sheet(two, 0)
    centered = [line for line in board.lines if line.style.align == "center"]
    assert [line.text for line in centered[:2]] == ["7", "2"]
    assert SheetLayout.of(two).shared_names


def test_pixels_within_two_standard_errors_are_pale_if_enabled(digits: Run) -> None:
    explanation = digits.explanation
    plain, faded = draw_sheet(digits, 0), draw_sheet(replace(digits, fade=True), 0)
    assert "within two standard errors" in caption(faded)
    assert "within two standard errors" not in caption(plain)
    zoom = plain.thumbnails[0].colors.shape[0] // 8
    thumbnails = [
        [thumbnail.colors[::zoom, ::zoom].astype(int) for thumbnail in board.thumbnails]
        for board in (plain, faded)
    ]
    middle = digits.scale.table[len(digits.scale.table) // 2].astype(int)
    for number in range(10):
        values = explanation.values[4, 0, ..., number]
        noise = np.abs(values) <= 2 * explanation.errors[4, ..., number]
        white = explanation.images[4, 0] == 0
        before, after = (board_thumbnails[11 * 4 + 1 + number] for board_thumbnails in thumbnails)
        np.testing.assert_array_equal(before[~noise], after[~noise])
        distances = [np.abs(colors - middle)[noise & white] for colors in (before, after)]
        np.testing.assert_allclose(distances[1], 0.2 * distances[0], atol=0.51)
        assert 0 < noise.sum() < noise.size


def test_without_error_bars_nothing_is_faded() -> None:
    run = random_run(2, 1, 8, 8, 3)
    plain, faded = draw_sheet(run, 0), draw_sheet(replace(run, fade=True), 0)
    assert caption(plain) == caption(faded)
    for a, b in zip(plain.thumbnails, faded.thumbnails, strict=True):
        np.testing.assert_array_equal(a.colors, b.colors)
