"""Channels: the map of each channel, for images of other than 1 or 3 channels."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from stages.artifacts.explanation import POSITIVE
from stages.drawing.board import Board
from stages.drawing.grain import block_sums
from stages.drawing.layout import MARGIN, NARROWEST_PAGE, SIDE_NOTE_TOP, TITLE_TOP
from stages.drawing.text import CENTERED, QUIET, TITLE, UNDER_THUMBNAIL
from stages.drawing.thumbnails import Fit, Painter
from stages.figures import captions
from stages.figures.footer import Footer
from stages.figures.labels import write_label
from stages.figures.run import Run

MOST_IMAGES = 10  # drawn: the first that have a map of their predicted class
SIDE = 84  # of a thumbnail in pixels, at most
LABEL = 158  # pixels from the margin to the first column, for the text about an image
FIRST_ROW_TOP = 48
HEAD, UNDER_ROW, BETWEEN = 20, 24, 4  # above the images, below their maps, between the two


def draw_channels(folder: Path, run: Run) -> list[Path]:
    """Draw `channels.png`: images and the maps of their predicted class, channel by channel.

    Returns:
        The files written; none for images of 1 or 3 channels, or without such a map.
    """
    explanation = run.explanation
    if explanation.images.shape[1] in (1, 3):
        return []
    map_indices = explanation.map_indices(explanation.measured)
    images = np.flatnonzero(map_indices >= 0)[:MOST_IMAGES]
    if not len(images):
        return []
    path = folder / "channels.png"
    draw_images(run, {int(image): int(map_indices[image]) for image in images}).save(path)
    return [path]


def draw_images(run: Run, map_of: dict[int, int]) -> Board:
    """A picture of these images, by the map index that is drawn of each."""
    n_channels, fit = run.explanation.images.shape[1], Fit.of(run.image_size, (SIDE, SIDE))
    width = max(NARROWEST_PAGE, 2 * MARGIN + LABEL + (1 + n_channels) * fit.column)
    row = HEAD + 2 * fit.height + BETWEEN + UNDER_ROW
    footer = Footer(_caption(run), width)
    board = Board(width, FIRST_ROW_TOP + len(map_of) * row + footer.height)
    board.write(MARGIN, TITLE_TOP, "Evidence, channel by channel", TITLE)
    note = f"{len(map_of)} of {len(run.explanation.labels):,} explained images"
    board.write(width - MARGIN, SIDE_NOTE_TOP, note, replace(QUIET, align="right"))
    for number, (image, map_index) in enumerate(map_of.items()):
        corner = MARGIN, FIRST_ROW_TOP + number * row
        _draw_image(board, run, fit, (image, map_index), corner)
    footer.draw(board, run.scale, run.explanation.about, run.is_fine)
    return board


def _draw_image(
    board: Board, run: Run, fit: Fit, which: tuple[int, int], corner: tuple[int, int]
) -> None:
    """Draw an image with all channels together, then with each; `corner` is the top left."""
    (image, map_index), (x, y), explanation = which, corner, run.explanation
    write_label(board, run, image, (x, y + HEAD), LABEL - 16)
    by_channel = np.asarray(explanation.values[image][..., map_index], np.float64)
    parts = [("all", explanation.images[image], by_channel.sum(axis=0))]
    for channel, values in enumerate(by_channel):
        name = f"channel {channel + 1}"
        parts.append((name, explanation.images[image, channel : channel + 1], values))
    painter, x = Painter(run.scale, fit, run.dark), x + LABEL
    for name, pixels, values in parts:
        photo, map_ = painter.paint(pixels, block_sums(values[None], run.grain))
        middle, map_top = x + fit.width / 2, y + HEAD + fit.height + BETWEEN
        board.write(middle, y, name, CENTERED)
        board.thumbnail(x, y + HEAD, photo)
        board.thumbnail(x, map_top, map_)
        total = captions.signed(float(values.sum()), explanation.about)
        board.write(middle, map_top + fit.height + BETWEEN, total, UNDER_THUMBNAIL)
        x += fit.column


def _caption(run: Run) -> str:
    noun = f"the predicted {run.nouns[0]}"
    if run.explanation.one_logit:
        noun = f"class {run.class_names[POSITIVE]}"
    return (
        "Above: the image as the mean of its channels, and each channel. Below: maps of "
        f"{noun}, of all channels together and of each, which add up pixel by pixel; under each "
        f"map its sum. {captions.scale_sentence(run)}"
    )
