"""Contact sheets: each explained image beside one attribution map for each class."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.artifacts.explanation import Explanation
from stages.figures import captions
from stages.figures.board import INK, MUTED, WRONG, Board, fold, printable, shorten
from stages.figures.footer import MARGIN, NARROWEST, Footer
from stages.figures.run import Run
from stages.figures.scale import Scale, faint, is_dark, photograph
from stages.figures.tiles import GAP, ON_SHEETS, Fit, average
from stages.summary.classes import shown_classes
from stages.summary.totals import Summary

ROWS = 10
LABEL = 158
LOWEST_ROW = 86  # pixels: five lines of words
LARGEST_TILE, SMALLEST_TILE = 112, 84


def draw_sheets(folder: Path, run: Run) -> list[Path]:
    """Draw the first explained images, up to `ON_SHEETS`: `sheet_000.png` and so on.

    Returns:
        What was written.
    """
    explanation, summary, scale = run.explanation, run.summary, run.scale
    paths = []
    starts = range(0, min(len(explanation.labels), ON_SHEETS), ROWS)
    for start in tqdm(starts, desc="draw sheets", unit="sheet", leave=False, delay=1, disable=None):
        path = folder / f"sheet_{start // ROWS:03d}.png"
        draw_sheet(explanation, summary, scale, start).save(path)
        paths.append(path)
    return paths


def draw_sheet(explanation: Explanation, summary: Summary, scale: Scale, start: int) -> Board:
    """Draw the sheet whose first row is explained image number `start`."""
    rows = np.arange(start, min(start + ROWS, len(explanation.labels)))
    probabilities = explanation.probabilities[rows]
    classes = shown_classes(probabilities, explanation.labels[rows])
    one_order = classes.shape[1] == probabilities.shape[1]  # else every row names its own classes
    side = int(np.clip(1000 // (classes.shape[1] + 1), SMALLEST_TILE, LARGEST_TILE))
    fit = Fit.of(explanation.images.shape[2:], side)
    left = MARGIN + LABEL
    step = fit.column
    first = left + step + GAP  # of the maps
    names_height = 0 if one_order else 32  # each row's own names
    row_step = max(fit.height + 22, LOWEST_ROW) + names_height
    width = max(NARROWEST, first + classes.shape[1] * step + MARGIN)
    top = 84 if one_order else 58
    bottom = top + len(rows) * row_step
    footer = Footer(_caption(explanation, scale, classes.shape[1], fit.block), width)
    board = Board(width, bottom + footer.height)

    _head(board, explanation, rows)
    names = printable(explanation.class_names)
    if one_order:
        for column, name in enumerate(names):
            _head_words(board, first + column * step + fit.width / 2, top - 34, name, step - GAP)
    for row, image in enumerate(rows):
        y = top + row * row_step
        _row_words(board, explanation, int(image), y + names_height)
        tiles = _tiles(explanation, int(image), classes[row], scale, fit)
        y_tile = y + names_height
        board.tile(left, y_tile, tiles[0])
        for column, shown in enumerate(classes[row]):
            x = first + column * step
            board.tile(x, y_tile, tiles[column + 1])
            board.frame(x, y_tile, fit.width, fit.height, _role(explanation, int(image), shown))
            middle = x + fit.width / 2
            total = captions.signed(summary.sums[image, shown], explanation.about)
            largest = summary.sums[image, shown] == summary.sums[image].max()
            color = INK if largest else MUTED
            board.words(middle, y_tile + fit.height + 4, total, 11, color, "center", largest)
            if not one_order:
                _head_words(board, middle, y_tile - 32, names[shown], step - GAP)
    footer.draw(board, scale, explanation.about)
    return board


def _head(board: Board, explanation: Explanation, rows: NDArray[np.int64]) -> None:
    n_images = len(explanation.labels)
    board.words(MARGIN, 14, "What speaks for and against each class", 17, bold=True)
    held = f"explained images {rows[0] + 1:,} to {rows[-1] + 1:,} of {n_images:,}"
    if n_images > ON_SHEETS:
        held += f"; the sheets show the first {ON_SHEETS}"
    board.words(board.width - MARGIN, 17, held, 12, MUTED, "right")


def _head_words(board: Board, x: float, y: int, name: str, width: int) -> None:
    """Write a column head of up to two lines, standing on its foot."""
    for number, line in enumerate(reversed(fold(name, width, 12))):
        board.words(x, y + 15 * (1 - number), line, 12, align="center")


def _row_words(board: Board, explanation: Explanation, image: int, y: int) -> None:
    """Write the true class and the three most probable ones, the prediction first."""
    names = printable(explanation.class_names)
    probabilities = explanation.probabilities[image]
    order = np.argsort(-probabilities, kind="stable")[:3]
    true = int(explanation.labels[image])
    right = order[0] == true
    room = LABEL - 16
    board.words(MARGIN, y, f"test image {explanation.indices[image]}", 11, MUTED)
    board.words(MARGIN, y + 16, shorten(f"true: {names[true]}", room, 12, True), 12, bold=True)
    for rank, shown in enumerate(order):
        mark = ("✓" if right else "✗") if rank == 0 else ""
        color = WRONG if rank == 0 and not right else MUTED if rank else INK
        line = y + 34 + 16 * rank
        board.words(MARGIN, line, mark, 12, color)
        name = shorten(names[shown], room - 14 - 42, 12)
        board.words(MARGIN + 14, line, name, 12, color)
        board.words(MARGIN + room - 4, line, f"{probabilities[shown]:.3f}", 12, color, "right")


def _tiles(
    explanation: Explanation, image: int, classes: NDArray[np.int64], scale: Scale, fit: Fit
) -> list[NDArray[np.uint8]]:
    """Paint an image and its maps of these classes, enlarged."""
    pixels = average(explanation.images[image : image + 1], fit.block)
    maps = explanation.values[image].sum(axis=0, dtype=np.float64)[..., classes]
    maps = average(maps.transpose(2, 0, 1), fit.block)
    painted = scale.paint(maps, faint(pixels, is_dark(explanation.images)))
    return [fit.enlarge(tile) for tile in (*photograph(pixels), *painted)]


def _role(explanation: Explanation, image: int, shown: int) -> str:
    if shown == explanation.predictions[image]:
        return "predicted"
    return "true" if shown == explanation.labels[image] else "other"


def _caption(explanation: Explanation, scale: Scale, n_shown: int, block: int) -> str:
    n_images, channels = explanation.images.shape[:2]
    parts = [
        captions.map_words(explanation.about, scale, channels, block),
        captions.scale_words(scale.limit, n_images),
        "Under each map: its sum over all pixels, the image's largest in bold.",
        "Solid frame: predicted class. Dashed frame: true class, where it is another.",
        captions.choice_words(len(explanation.class_names), n_shown),
    ]
    return " ".join(part for part in parts if part)
