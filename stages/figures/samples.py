"""One sample of each class with its name."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.figures.board import MUTED, Board, fold, printable, shorten
from stages.figures.footer import MARGIN
from stages.figures.run import Run
from stages.figures.scale import photograph
from stages.figures.tiles import Fit, average

SIDE, GAP, PER_ROW, TOP = 96, 8, 10, 70


def draw_samples(folder: Path, run: Run) -> list[Path]:
    """Draw the first image of each class as `samples.png`.

    Returns:
        What was written.
    """
    path = folder / "samples.png"
    draw_sample_board(*run.training, run.explanation.class_names, "training").save(path)
    return [path]


def draw_sample_board(
    images: NDArray[np.uint8], labels: NDArray[np.int64], class_names: Sequence[str], split: str
) -> Board:
    """Draw the first image of each class that has one, ten to a row."""
    classes, first = np.unique(labels, return_index=True)
    fit = Fit.of(images.shape[2:], SIDE)
    names = printable(class_names)
    step, row_step = SIDE + GAP, fit.height + 46
    width = 2 * MARGIN + PER_ROW * step - GAP
    board = Board(width, TOP + -(-len(classes) // PER_ROW) * row_step + MARGIN)
    board.words(MARGIN, 14, "One sample of each class", 17, bold=True)
    caption = f"The first image of each class in the {split} split, as it is: {_facts(images)}."
    board.words(MARGIN, 42, shorten(caption, width - 2 * MARGIN, 12), 12, MUTED)
    pixels = photograph(average(images[first], fit.block))
    for place, shown in enumerate(classes):
        x = MARGIN + place % PER_ROW * step
        y = TOP + place // PER_ROW * row_step
        board.tile(x + (SIDE - fit.width) // 2, y, fit.enlarge(pixels[place]))
        for number, line in enumerate(fold(names[shown], SIDE, 12)):
            board.words(x + SIDE / 2, y + fit.height + 5 + 15 * number, line, 12, align="center")
    return board


def _facts(images: NDArray[np.uint8]) -> str:
    _, channels, height, width = images.shape
    return f"{height} × {width} pixels, {'grey' if channels == 1 else 'colour'}"
