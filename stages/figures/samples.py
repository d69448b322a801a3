"""One training image of each class, with the class name."""

from pathlib import Path

import numpy as np

from stages.drawing.board import Board
from stages.drawing.layout import FOLDED_LINE, MARGIN, TITLE_TOP
from stages.drawing.scale import to_rgb
from stages.drawing.text import CENTERED, QUIET, TITLE, fold, shorten
from stages.drawing.thumbnails import Fit, average
from stages.figures.run import Run

PER_ROW = 10
ROW_WIDTH = 1040  # pixels
GAP = 8  # between thumbnails
SMALLEST_CELL, LARGEST_THUMBNAIL = 96, 224
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
    classes, first = np.unique(labels, return_index=True)
    columns = min(PER_ROW, len(classes))
    fit = Fit.of(run.image_size, min(LARGEST_THUMBNAIL, ROW_WIDTH // columns - GAP))
    cell = max(SMALLEST_CELL, fit.width)  # wide enough for a readable name
    step, row_step = cell + GAP, fit.height + UNDER_ROW
    width = max(NARROWEST, MARGIN + columns * step - GAP + MARGIN)
    board = Board(width, FIRST_ROW_TOP + -(-len(classes) // columns) * row_step + MARGIN)
    board.write(MARGIN, TITLE_TOP, "One sample of each class", TITLE)
    board.write(MARGIN, CAPTION_TOP, shorten(_caption(run), width - 2 * MARGIN), QUIET)
    pixels = to_rgb(average(images[first], fit.factor))
    for position, class_number in enumerate(classes):
        row, column = divmod(position, columns)
        x, y = MARGIN + column * step, FIRST_ROW_TOP + row * row_step
        board.thumbnail(x + (cell - fit.width) // 2, y, fit.enlarge(pixels[position]))
        for number, line in enumerate(fold(run.class_names[class_number], cell)):
            line_top = y + fit.height + UNDER_THUMBNAIL_TOP + FOLDED_LINE * number
            board.write(x + cell / 2, line_top, line, CENTERED)
    return board


def _caption(run: Run) -> str:
    height, width = run.image_size
    color = "grey" if run.training.images.shape[1] == 1 else "colour"
    return (
        f"The first image of each class in the training split: {height} × {width} pixels, {color}."
    )
