"""One training image of each class, with the class name."""

from pathlib import Path

import numpy as np

from stages.artifacts.splits import occurs
from stages.drawing.board import Board
from stages.drawing.layout import FOLDED_LINE, MARGIN, TITLE_TOP
from stages.drawing.photographs import is_tall, is_wide
from stages.drawing.text import CENTERED, QUIET, TITLE, fold, shorten
from stages.drawing.thumbnails import Fit
from stages.figures.run import Run

PER_ROW = 10
ROW_WIDTH = 1040  # pixels
GAP = 8  # between thumbnails
SMALLEST_CELL, LARGEST_THUMBNAIL = 96, 224
TALL = 600  # height of images much taller than wide
NARROWEST = 640  # so that the caption fits
CAPTION_TOP, FIRST_ROW_TOP = 42, 70
UNDER_THUMBNAIL_TOP = 5  # from a thumbnail to its name
UNDER_ROW = 46  # two lines of a name, and space to the next row


def draw_samples(folder: Path, run: Run) -> list[Path]:
    """Draw the first training image of each class as `samples.png`.

    Returns:
        The file written.
    """
    path = folder / "samples.png"
    draw_sample_board(run).save(path)
    return [path]


def draw_sample_board(run: Run) -> Board:
    """The first training image of each class that has one, ten to a row."""
    images, labels = run.training
    if labels.ndim == 1:
        classes, first = np.unique(labels, return_index=True)
    else:
        classes = np.flatnonzero(occurs(labels, len(run.class_names)))
        first = labels.argmax(axis=0)[classes]
    columns = 1 if is_wide(run.image_size) else min(PER_ROW, len(classes))
    fit = _fit(run.image_size, ROW_WIDTH // columns - GAP)
    cell = max(SMALLEST_CELL, fit.width)  # wide enough for a readable name
    step, row_step = cell + GAP, fit.height + UNDER_ROW
    width = max(NARROWEST, MARGIN + columns * step - GAP + MARGIN)
    board = Board(width, FIRST_ROW_TOP + -(-len(classes) // columns) * row_step + MARGIN)
    board.write(MARGIN, TITLE_TOP, "One sample of each class", TITLE)
    board.write(MARGIN, CAPTION_TOP, shorten(_caption(run), width - 2 * MARGIN), QUIET)
    for position, (class_number, image) in enumerate(zip(classes, images[first], strict=True)):
        row, column = divmod(position, columns)
        x, y = MARGIN + column * step, FIRST_ROW_TOP + row * row_step
        board.thumbnail(x + (cell - fit.width) // 2, y, fit.photo(image))
        for number, line in enumerate(fold(run.class_names[class_number], cell)):
            line_top = y + fit.height + UNDER_THUMBNAIL_TOP + FOLDED_LINE * number
            board.write(x + cell / 2, line_top, line, CENTERED)
    return board


def _fit(size: tuple[int, int], room: int) -> Fit:
    """Thumbnails of at most `room` pixels in width."""
    side = min(LARGEST_THUMBNAIL, room)
    return Fit.of(size, (TALL if is_tall(size) else side, room if is_wide(size) else side))


def _caption(run: Run) -> str:
    height, width = run.image_size
    channels = run.training.images.shape[1]
    color = {1: "grey", 3: "colour"}.get(channels, f"the mean of {channels} channels")
    return (
        f"The first image of each class in the training split: {height} × {width} pixels, {color}."
    )
