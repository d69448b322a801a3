"""Pictures of class means and contrasts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.figures.chosen_contrasts import contrasts_of_mistakes
from stages.figures.class_means import ClassMeans, draw_class_means, draw_means
from stages.figures.contrasts import (
    draw_contrast,
    draw_contrasts,
    picture_of_mistakes,
    picture_of_pair,
)
from stages.figures.run import Run
from tests.drawing.drawn import caption, frames, texts
from tests.runs import random_run, with_files, with_images, with_maps


@pytest.mark.parametrize("n_classes", [2, 5])
def test_thumbnails_of_photographs_fill_class_means_and_contrasts(n_classes: int) -> None:
    run = random_run(24, 3, 64, 64, n_classes)
    means = draw_means(ClassMeans(run), np.arange(n_classes))
    top_row = [thumbnail.colors for thumbnail in means.thumbnails[::3]]
    assert sum(thumbnail.shape[1] for thumbnail in top_row) > 0.6 * means.width
    picture = picture_of_mistakes(run)
    assert picture
    board = draw_contrast(run, picture)
    assert board.thumbnails[0].colors.shape == (128, 128, 3)
    thumbnails = sum(thumbnail.colors.shape[1] for thumbnail in board.thumbnails[:8])
    assert thumbnails > 0.7 * board.width


def test_class_means_show_three_thumbnails_for_each_class_with_their_own_scale(
    digits: Run, folder: Path
) -> None:
    explanation, summary = digits.explanation, digits.summary
    paths = draw_class_means(folder, digits)
    assert [path.name for path in paths] == ["class_means_000.png"]
    limit = float(np.percentile(summary.mean_strengths, 99.9))
    board = draw_means(ClassMeans(digits), np.arange(10))
    assert len(board.thumbnails) == 30
    assert board.bars[0].scale.limit == pytest.approx(limit)
    count = int((explanation.labels == 6).sum())
    assert f"n = {count}" in texts(board)


def test_classes_without_an_explained_image_are_left_out(digits: Run) -> None:
    means = ClassMeans(with_images(digits, np.flatnonzero(digits.explanation.labels < 4)))
    board = draw_means(means, means.classes)
    assert len(board.thumbnails) == 12
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
    assert len(board.thumbnails) == 4
    image_index, a, b = contrast
    values = explanation.values[image_index, 0].astype(np.float64)
    exact = digits.scale.paint(values[..., a] - values[..., b])
    zoom = board.thumbnails[3].colors.shape[0] // 8
    drawn = board.thumbnails[3].colors[::zoom, ::zoom]
    white = explanation.images[image_index, 0] == 0
    np.testing.assert_array_equal(drawn[white], exact[white])
    assert frames(board, "predicted") == frames(board, "true") == 1
    difference = explanation.sums[image_index, a] - explanation.sums[image_index, b]
    assert f"{difference:+.2f}".replace("-", "\N{MINUS SIGN}") in texts(board)


def test_a_contrast_has_the_title_of_its_image(digits: Run) -> None:
    files = [f"cats/{number}.jpg" for number in range(len(digits.explanation.names))]
    for run, called in (
        (digits, [f"Test image {name}" for name in digits.explanation.names]),
        (with_files(digits, files), files),
    ):
        picture = picture_of_mistakes(run)
        assert picture
        words = texts(draw_contrast(run, picture))
        assert all(called[contrast.image_index] in words for contrast in picture.contrasts)


def test_without_a_mistake_no_contrast_is_drawn(digits: Run, folder: Path) -> None:
    right = np.flatnonzero(digits.explanation.predicted == digits.explanation.labels)
    perfect = np.eye(10, dtype=np.float32)[digits.predictions.labels]
    predictions = replace(digits.predictions, probabilities=perfect)
    paths = draw_contrasts(folder, replace(with_images(digits, right), predictions=predictions))
    assert paths == []
    assert list(folder.iterdir()) == []


def test_class_means_include_only_images_with_a_map_of_their_class(
    digits: Run, folder: Path
) -> None:
    explanation = digits.explanation
    predicted = with_maps(digits, explanation.predicted[:, None])
    board = draw_means(ClassMeans(predicted), np.arange(10))
    right = explanation.labels[explanation.predicted == explanation.labels]
    for count in np.bincount(right):
        assert f"n = {count}" in texts(board)
    assert "over its n explained images with a map of it" in caption(board)
    wrong = with_images(predicted, np.flatnonzero(explanation.predicted != explanation.labels))
    assert draw_class_means(folder, wrong) == []


def test_a_contrast_finds_the_maps_of_its_classes_at_any_map_index(digits: Run) -> None:
    every = picture_of_pair(digits)
    assert every
    order = np.argsort(-digits.explanation.probabilities, axis=1)
    shuffled = picture_of_pair(with_maps(digits, order))
    assert shuffled == every
    boards = [draw_contrast(run, every) for run in (digits, with_maps(digits, order))]
    assert texts(boards[0]) == texts(boards[1])
    for a, b in zip(*(board.thumbnails for board in boards), strict=True):
        np.testing.assert_array_equal(a.colors, b.colors)


def test_the_most_confused_pair_is_chosen_among_explained_classes(digits: Run) -> None:
    every = picture_of_pair(digits)
    assert every
    _, plus, _ = every.contrasts[0]
    others = np.setdiff1d(np.arange(10), [plus])
    n_images = len(digits.explanation.labels)
    some = picture_of_pair(with_maps(digits, np.tile(others, (n_images, 1))))
    assert some
    assert "between explained classes" in some.caption
    assert all(plus not in contrast[1:] for contrast in some.contrasts)
