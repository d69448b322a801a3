from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from stages.figures import sheets
from stages.figures.board import Board
from stages.figures.class_means import ClassMeans, draw_class_means, draw_means
from stages.figures.contrasts import (
    draw_contrast,
    draw_contrasts,
    picture_of_mistakes,
    picture_of_pair,
)
from stages.figures.run import Run
from stages.figures.samples import draw_sample_board, draw_samples
from stages.figures.sheets import SheetLayout, draw_sheet, draw_sheets
from stages.summary.classes import shown_classes
from stages.summary.contrasts import contrasts_of_mistakes

from .runs import random_run, with_images, with_names

HOSTILE = [
    "$x$",
    "<img src=x onerror=alert(1)>",
    "猫",
    "犬",
    "",
    "a\nb",
    "\udc80",
    "w" * 99,
    "%s",
    "\\",
]


def texts(board: Board) -> list[str]:
    return [text.get_text() for text in board.figure.texts]


def caption(board: Board) -> str:
    return " ".join(texts(board))


def frames(board: Board, label: str) -> int:
    return sum(artist.get_label() == label for artist in board.figure.artists)


def boards(run: Run) -> list[Board]:
    """One picture of each kind."""
    means = ClassMeans(run)
    classes = means.classes[: 4 * means.columns]
    pictures = [picture_of_mistakes(run), picture_of_pair(run)]
    return [
        draw_sample_board(run),
        draw_sheet(run, 0),
        draw_means(means, classes),
        *(draw_contrast(run, picture) for picture in pictures if picture),
    ]


def test_a_sheet_has_an_image_and_a_map_for_each_class_in_each_row(digits: Run) -> None:
    board = draw_sheet(digits, 0)
    assert len(board.figure.images) == 10 * (1 + 10)
    last = draw_sheet(digits, len(digits.explanation.labels) - 3)
    assert len(last.figure.images) == 3 * (1 + 10)


def test_every_tile_shows_the_image_and_the_map_it_stands_for(digits: Run) -> None:
    explanation = digits.explanation
    board = draw_sheet(digits, 0)
    zoom = board.figure.images[0].get_array().shape[0] // 8
    rows = [tile.get_array()[::zoom, ::zoom] for tile in board.figure.images]
    np.testing.assert_array_equal(rows[11 * 4][..., 0], explanation.images[4, 0])
    white = explanation.images[4, 0] == 0  # the faint negative adds nothing there
    for number in range(10):
        exact = digits.scale.paint(explanation.values[4, 0, ..., number].astype(np.float64))
        np.testing.assert_array_equal(rows[11 * 4 + 1 + number][white], exact[white])


def test_the_predicted_class_is_framed_and_the_true_one_where_it_differs(digits: Run) -> None:
    wrong = digits.explanation.predicted != digits.explanation.labels
    start = int(np.flatnonzero(wrong)[0])
    n_wrong = wrong[start : start + 10].sum()
    board = draw_sheet(digits, start)
    assert frames(board, "predicted") == 10
    assert frames(board, "true") == n_wrong > 0
    assert frames(board, "other") == 100 - 10 - n_wrong


def test_rows_say_true_class_prediction_probability_and_sums(digits: Run) -> None:
    board = draw_sheet(digits, 0)
    words = texts(board)
    explanation = digits.explanation
    for image in range(10):
        assert f"test image {explanation.indices[image]}" in words
        assert f"true: {explanation.labels[image]}" in words
        assert f"{explanation.probabilities[image].max():.3f}" in words
        total = f"{explanation.sums[image].max():+.2f}".replace("-", "\N{MINUS SIGN}")
        assert total in words
    assert words.count("✓") + words.count("✗") == 10


def test_one_color_bar_spans_the_scale_of_the_run(digits: Run) -> None:
    maps = np.abs(digits.explanation.values.sum(axis=1))
    limit = np.percentile(maps, 99.9)
    for start in (0, 10):
        board = draw_sheet(digits, start)
        assert len(board.figure.axes) == 1
        np.testing.assert_allclose(board.figure.axes[0].get_xlim(), (-limit, limit), rtol=1e-6)
    assert f"±{limit:.3g}" in caption(board)


def test_captions_name_unit_background_method_and_colors(digits: Run) -> None:
    _samples, *maps = boards(replace(digits, colormap="orange_purple"))
    for board in maps:
        words = caption(board)
        assert "in logits per pixel" in words
        assert "100 training images (random draw)" in words
        assert "by linear" in words
        assert "purple lowers, orange raises" in words
        assert "red" not in words.replace("predicted", "").split()


def test_sheets_stop_at_a_dozen_and_say_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sheets.ON_SHEETS == 12 * sheets.MOST_ROWS
    monkeypatch.setattr(sheets, "ON_SHEETS", 20)  # the rule, without the wait
    run = random_run(31, 1, 8, 8, 10)
    paths = draw_sheets(folder, run)
    assert [path.name for path in paths] == ["sheet_000.png", "sheet_001.png"]
    assert sorted(folder.iterdir()) == sorted(paths)
    board = draw_sheet(run, 0)
    assert "explained images 1 to 10 of 31; the sheets show the first 20" in texts(board)


def test_of_two_hundred_classes_the_top_ones_are_drawn_and_named(folder: Path) -> None:
    run = random_run(3, 3, 16, 16, 200)
    board = draw_sheet(run, 0)
    assert len(board.figure.images) == 3 * (1 + 10)
    assert "Of 200 classes each row shows the 10 most probable" in caption(board)
    assert "summed over the colour channels" in caption(board)
    assert "probability per pixel" in caption(board)
    shown = shown_classes(run.explanation.probabilities, run.explanation.labels)
    assert all(str(number) in caption(board) for number in shown[0])
    assert board.width < 1300


def test_large_images_are_averaged_and_the_caption_says_so() -> None:
    run = random_run(1, 3, 300, 400, 3)
    board = draw_sheet(run, 0)
    assert "Each drawn pixel is the mean of 2 by 2." in caption(board)
    tile = board.figure.images[0].get_array()
    assert tile.shape == (150, 200, 3)
    corner = run.explanation.images[0, :, :2, :2].mean(axis=(1, 2))
    np.testing.assert_allclose(tile[0, 0], corner, atol=0.5)


@pytest.mark.parametrize("shape", [(2, 1, 8, 8, 10), (2, 3, 9, 30, 10)])
def test_no_class_name_breaks_a_picture(shape: tuple[int, ...], folder: Path) -> None:
    run = with_names(random_run(*shape), HOSTILE)
    paths = [
        *draw_sheets(folder, run),
        *draw_class_means(folder, run),
        *draw_contrasts(folder, run),
        *draw_samples(folder, run),
    ]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert all(imread(path).std() > 0 for path in paths)


@pytest.mark.parametrize(
    "shape",
    [
        (30, 1, 8, 8, 10),
        (12, 3, 64, 64, 2),
        (12, 3, 9, 64, 2),
        (12, 3, 64, 9, 4),
        (60, 1, 8, 8, 40),
    ],
)
def test_nothing_is_written_outside_the_picture(shape: tuple[int, ...]) -> None:
    """Every word lies on the board, and none in another's place."""
    run = random_run(*shape)
    names = [f"{number} a very long name of many words" for number in range(len(run.class_names))]
    for board in boards(with_names(run, names)):
        boxes = [text.get_window_extent() for text in board.figure.texts if text.get_text()]
        for box in boxes:
            assert box.x0 >= 0
            assert box.x1 <= board.width
            assert box.y0 >= 0
            assert box.y1 <= board.height
        for number, box in enumerate(boxes):
            for other in boxes[number + 1 :]:
                across = min(box.x1, other.x1) - max(box.x0, other.x0)
                down = min(box.y1, other.y1) - max(box.y0, other.y0)
                assert across <= 1 or down <= 4, "two texts overlap"


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 28, 28), (3, 32, 32), (3, 224, 224)])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_tiles_fill_the_width_of_a_sheet(shape: tuple[int, int, int], n_classes: int) -> None:
    run = random_run(1, *shape, n_classes)
    board = draw_sheet(run, 0)
    *_, last = board.figure.images
    tile = last.get_array().shape[1]
    room = board.width - sheets.LABEL
    assert (1 + n_classes) * tile > (0.75 if n_classes < 10 else 0.6) * room
    assert board.width - (last.ox + tile) < 60
    if n_classes < 10:
        assert tile > 160


@pytest.mark.parametrize("n_classes", [2, 5])
def test_class_means_and_contrasts_of_photographs_grow_too(n_classes: int) -> None:
    run = random_run(24, 3, 64, 64, n_classes)
    means = draw_means(ClassMeans(run), np.arange(n_classes))
    top_row = [tile.get_array() for tile in means.figure.images[::3]]
    assert sum(tile.shape[1] for tile in top_row) > 0.6 * means.width
    picture = picture_of_mistakes(run)
    assert picture
    board = draw_contrast(run, picture)
    assert board.figure.images[0].get_array().shape == (128, 128, 3)
    tiles = sum(tile.get_array().shape[1] for tile in board.figure.images[:8])
    assert tiles > 0.7 * board.width


@pytest.mark.parametrize("shape", [(1, 28, 28, 10), (3, 64, 64, 2), (3, 224, 224, 2)])
def test_a_sheet_prints_on_one_page(shape: tuple[int, int, int, int]) -> None:
    run = random_run(12, *shape)
    layout = SheetLayout.of(run)
    assert 5 <= layout.n_rows <= 10
    board = draw_sheet(run, 0)
    assert board.height < 1.9 * board.width
    assert len(board.figure.images) == layout.n_rows * (1 + shape[3])


def test_class_means_show_three_tiles_for_each_class_on_a_scale_of_their_own(
    digits: Run, folder: Path
) -> None:
    explanation, summary = digits.explanation, digits.summary
    paths = draw_class_means(folder, digits)
    assert [path.name for path in paths] == ["class_means_000.png"]
    limit = float(np.percentile(summary.mean_strengths, 99.9))
    board = draw_means(ClassMeans(digits), np.arange(10))
    assert len(board.figure.images) == 30
    np.testing.assert_allclose(board.figure.axes[0].get_xlim(), (-limit, limit), rtol=1e-6)
    count = int((explanation.labels == 6).sum())
    assert f"n = {count}" in texts(board)


def test_classes_without_an_explained_image_are_left_out(digits: Run) -> None:
    means = ClassMeans(with_images(digits, np.flatnonzero(digits.explanation.labels < 4)))
    board = draw_means(means, means.classes)
    assert len(board.figure.images) == 12
    assert "6 classes have no explained image" in caption(board)


def test_two_hundred_class_means_fill_several_pictures(folder: Path) -> None:
    paths = draw_class_means(folder, random_run(400, 1, 8, 8, 90))
    assert [path.name for path in paths] == [f"class_means_{number:03d}.png" for number in range(3)]


def test_a_contrast_is_the_difference_of_its_two_maps(digits: Run) -> None:
    explanation = digits.explanation
    contrast = contrasts_of_mistakes(explanation)[0]
    picture = picture_of_mistakes(digits)
    assert picture
    board = draw_contrast(digits, replace(picture, contrasts=[contrast]))
    assert len(board.figure.images) == 4
    image, a, b = contrast
    values = explanation.values[image, 0].astype(np.float64)
    exact = digits.scale.paint(values[..., a] - values[..., b])
    zoom = board.figure.images[3].get_array().shape[0] // 8
    drawn = board.figure.images[3].get_array()[::zoom, ::zoom]
    white = explanation.images[image, 0] == 0
    np.testing.assert_array_equal(drawn[white], exact[white])
    assert frames(board, "predicted") == frames(board, "true") == 1
    difference = explanation.sums[image, a] - explanation.sums[image, b]
    assert f"{difference:+.2f}".replace("-", "\N{MINUS SIGN}") in texts(board)


def test_without_a_mistake_there_is_no_contrast_to_draw(digits: Run, folder: Path) -> None:
    right = np.flatnonzero(digits.explanation.predicted == digits.explanation.labels)
    perfect = np.eye(10, dtype=np.float32)[digits.predictions.labels]
    predictions = replace(digits.predictions, probabilities=perfect)
    paths = draw_contrasts(folder, replace(with_images(digits, right), predictions=predictions))
    assert paths == []
    assert list(folder.iterdir()) == []


def test_samples_show_the_first_training_image_of_each_class_with_its_name(digits: Run) -> None:
    names = [f"digit {number}" for number in range(10)]
    board = draw_sample_board(with_names(digits, names))
    assert len(board.figure.images) == 10
    assert set(names) <= set(texts(board))
    assert "training split" in caption(board)
    zoom = board.figure.images[3].get_array().shape[0] // 8
    images, labels = digits.training
    first = images[labels == 3][0, 0]
    np.testing.assert_array_equal(board.figure.images[3].get_array()[::zoom, ::zoom, 0], first)
