"""One sample of each class with its name."""

from pathlib import Path

import numpy as np

from stages.drawing.board import Board
from stages.drawing.layout import FOLDED_LINE, MARGIN, TITLE_TOP
from stages.drawing.scale import to_rgb
from stages.drawing.text import CENTERED, QUIET, TITLE, fold, shorten
from stages.drawing.thumbnails import Fit, average
from stages.figures.run import Run

PER_ROW = 10
ROOM = 1040  # pixels for a row
GAP = 8  # between thumbnails
SMALLEST_CELL, LARGEST_THUMBNAIL = 96, 224
NARROWEST = 640  # so that the caption is not cut
CAPTION_TOP, FIRST_ROW_TOP = 42, 70
UNDER_THUMBNAIL_TOP = 5  # from a thumbnail to its name
UNDER_ROW = 46  # two lines of a name, and space to the next row


def draw_samples(folder: Path, run: Run) -> list[Path]:
    """Draw the first training image of each class as `samples.png`.

    Returns:
        What was written.
    """
    path = folder / "samples.png"
    draw_sample_board(run).save(path)
    return [path]


def draw_sample_board(run: Run) -> Board:
    """Draw the first training image of each class that has one, ten to a row."""
    images, labels = run.training
    classes, first = np.unique(labels, return_index=True)
    columns = min(PER_ROW, len(classes))
    fit = Fit.of(run.image_size, min(LARGEST_THUMBNAIL, ROOM // columns - GAP))
    cell = max(SMALLEST_CELL, fit.width)  # so that a name under it stays readable
    step, row_step = cell + GAP, fit.height + UNDER_ROW
    width = max(NARROWEST, MARGIN + columns * step - GAP + MARGIN)
    board = Board(width, FIRST_ROW_TOP + -(-len(classes) // columns) * row_step + MARGIN)
    board.write(MARGIN, TITLE_TOP, "One sample of each class", TITLE)
    board.write(MARGIN, CAPTION_TOP, shorten(_caption(run), width - 2 * MARGIN), QUIET)
    pixels = to_rgb(average(images[first], fit.factor))
    for place, shown in enumerate(classes):
        x = MARGIN + place % columns * step
        y = FIRST_ROW_TOP + place // columns * row_step
        board.thumbnail(x + (cell - fit.width) // 2, y, fit.enlarge(pixels[place]))
        for number, line in enumerate(fold(run.class_names[shown], cell)):
            line_top = y + fit.height + UNDER_THUMBNAIL_TOP + FOLDED_LINE * number
            board.write(x + cell / 2, line_top, line, CENTERED)
    return board


def _caption(run: Run) -> str:
    height, width = run.image_size
    color = "grey" if run.training.images.shape[1] == 1 else "colour"
    return (
        "The first image of each class in the training split, as it is: "
        f"{height} × {width} pixels, {color}."
    )
