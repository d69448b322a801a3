"""Channels: a map of each, which add up to the map of all."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.figures.channel_sheets import draw_channels, draw_images
from stages.figures.run import Run
from tests.drawing.drawn import texts
from tests.runs import random_run


def signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", "\N{MINUS SIGN}")


@pytest.mark.parametrize("size", [(8, 8), (96, 70)])
@pytest.mark.parametrize("n_channels", [2, 13])
def test_each_channel_has_its_image_its_map_and_its_sum(
    n_channels: int, size: tuple[int, int]
) -> None:
    run = random_run(3, n_channels, *size, 4, output="logits")
    predicted = run.explanation.map_indices(run.explanation.predicted)
    board = draw_images(run, dict(enumerate(predicted.tolist())))
    assert len(board.thumbnails) == 3 * (1 + n_channels) * 2
    shown = texts(board)
    for image, map_index in enumerate(predicted):
        sums = run.explanation.values[image][..., map_index].sum(axis=(1, 2), dtype=np.float64)
        assert {signed(value) for value in (*sums, sums.sum())} <= set(shown)
    columns = {thumbnail.x for thumbnail in board.thumbnails}
    assert len(columns) == 1 + n_channels
    assert all(
        thumbnail.x + thumbnail.colors.shape[1] <= board.width for thumbnail in board.thumbnails
    )


def test_a_channel_is_shown_as_it_is() -> None:
    run = random_run(1, 5, 8, 8, 3)
    board = draw_images(run, {0: 0})
    photos = board.thumbnails[::2]
    for channel in range(5):
        colors = photos[1 + channel].colors
        zoom = len(colors) // 8
        assert np.array_equal(colors[::zoom, ::zoom, 0], run.explanation.images[0, channel])


@pytest.mark.parametrize("n_channels", [1, 3])
def test_grey_and_colour_images_have_no_such_picture(tmp_path: Path, n_channels: int) -> None:
    assert draw_channels(tmp_path, random_run(2, n_channels, 8, 8, 3)) == []


def without_predicted(run: Run) -> Run:
    """The same maps, said to be of a class that is not predicted."""
    explanation = run.explanation
    other = (explanation.predicted[:, None] + 1) % len(explanation.base_values)
    changed = replace(explanation, classes=other, values=explanation.values[..., :1])
    return replace(run, explanation=changed)


def test_images_without_a_map_of_the_predicted_class_are_left_out(tmp_path: Path) -> None:
    run = random_run(2, 4, 8, 8, 3)
    (path,) = draw_channels(tmp_path, run)
    assert path == tmp_path / "channels.png"
    assert draw_channels(tmp_path, without_predicted(run)) == []
