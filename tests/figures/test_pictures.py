"""Properties of all pictures: captions, names, text that neither overlaps nor is cut off."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from stages.drawing.board import Board
from stages.figures.class_means import ClassMeans, draw_class_means, draw_means
from stages.figures.contrasts import (
    draw_contrast,
    draw_contrasts,
    picture_of_mistakes,
    picture_of_pair,
)
from stages.figures.run import Run
from stages.figures.samples import draw_sample_board, draw_samples
from stages.figures.sheets import draw_sheet, draw_sheets
from tests.drawing.drawn import caption, texts
from tests.runs import random_run, with_names

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


def test_captions_name_unit_background_method_and_colors(digits: Run) -> None:
    _samples, *maps = boards(replace(digits, colormap="orange_purple"))
    for board in maps:
        words = caption(board)
        assert "in logits per pixel" in words
        assert "100 training images (random draw)" in words
        assert "by linear" in words
        assert "purple lowers, orange raises" in words
        assert "red" not in words.replace("predicted", "").split()


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
def test_all_text_lies_inside_the_picture_without_overlap(shape: tuple[int, ...]) -> None:
    run = random_run(*shape)
    names = [f"{number} a very long name of many words" for number in range(len(run.class_names))]
    for board in boards(with_names(run, names)):
        boxes = [line.box for line in board.lines if line.text]
        for left, top, right, bottom in boxes:
            assert 0 <= left <= right <= board.width
            assert 0 <= top <= bottom <= board.height
        for number, box in enumerate(boxes):
            for other in boxes[number + 1 :]:
                across = min(box[2], other[2]) - max(box[0], other[0])
                down = min(box[3], other[3]) - max(box[1], other[1])
                assert across <= 1 or down <= 4, "two texts overlap"


def test_samples_show_the_first_training_image_of_each_class_with_its_name(digits: Run) -> None:
    names = [f"digit {number}" for number in range(10)]
    board = draw_sample_board(with_names(digits, names))
    assert len(board.thumbnails) == 10
    assert set(names) <= set(texts(board))
    assert "training split" in caption(board)
    zoom = board.thumbnails[3].colors.shape[0] // 8
    images, labels = digits.training
    first = images[labels == 3][0, 0]
    np.testing.assert_array_equal(board.thumbnails[3].colors[::zoom, ::zoom, 0], first)
