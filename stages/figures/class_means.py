"""Class means: what the explained images of a class have in common."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.figures import captions
from stages.figures.board import MUTED, Board, printable, shorten
from stages.figures.footer import MARGIN, NARROWEST, Footer
from stages.figures.run import Run
from stages.figures.scale import Scale, faint, is_dark, photograph
from stages.figures.tiles import GAP, Fit, average
from stages.summary.classes import ALL_CLASSES_UP_TO, TOP_CLASSES
from stages.summary.totals import PERCENTILE, Summary

LABEL = 112
BLOCKS = 4  # of classes in one picture
ROWS = ("mean image", "mean attribution", "mean |attribution|")


def draw_class_means(folder: Path, run: Run) -> list[Path]:
    """Draw the mean image and attribution of each class: `class_means_000.png` and so on.

    Means are far weaker than the attributions of one image, so they have a scale of their own;
    from `scale` comes the colour map. Classes without an explained image are left out.

    Returns:
        What was written: one picture up to forty classes, then one more for each forty.
    """
    explanation, summary, scale = run.explanation, run.summary, run.scale
    held = np.flatnonzero(summary.counts)
    limit = float(np.percentile(summary.mean_strengths[held], PERCENTILE))
    own = Scale(limit or float(summary.mean_strengths.max()) or 1.0, scale.colormap)
    columns = len(held) if len(held) <= ALL_CLASSES_UP_TO else TOP_CLASSES
    paths: list[Path] = []
    for start in range(0, len(held), columns * BLOCKS):
        path = folder / f"class_means_{len(paths):03d}.png"
        classes = held[start : start + columns * BLOCKS]
        draw_class_means_of(explanation, summary, own, classes, columns).save(path)
        paths.append(path)
    return paths


def draw_class_means_of(
    explanation: Explanation,
    summary: Summary,
    scale: Scale,
    classes: NDArray[np.int64],
    columns: int,
) -> Board:
    """Draw the means of these classes, each of which has explained images, in rows of `columns`."""
    side = int(np.clip(1000 // columns, 84, 112))
    fit = Fit.of(explanation.images.shape[2:], side)
    row_step, step = fit.height + 22, fit.column
    block_height = 40 + 3 * row_step + 8
    width = max(NARROWEST, MARGIN + LABEL + columns * step + MARGIN)
    bottom = 44 + -(-len(classes) // columns) * block_height
    footer = Footer(_caption(explanation, summary, scale, fit.block), width)
    board = Board(width, bottom + footer.height)

    board.words(MARGIN, 14, "What speaks for each class, on average", 17, bold=True)
    names, dark = printable(explanation.class_names), is_dark(explanation.images)
    for place, shown in enumerate(classes):
        x = MARGIN + LABEL + place % columns * step
        y = 44 + place // columns * block_height
        middle = x + fit.width / 2
        board.words(middle, y, shorten(names[shown], step - GAP, 12), 12, align="center")
        board.words(middle, y + 16, f"n = {summary.counts[shown]:,}", 11, MUTED, "center")
        tiles = _tiles(explanation, summary, scale, fit, int(shown), dark)
        for row, tile in enumerate(tiles):
            y_tile = y + 38 + row * row_step
            board.tile(x, y_tile, tile)
            board.frame(x, y_tile, fit.width, fit.height, ROWS[row])
            if place % columns == 0:
                board.paragraph(MARGIN, y_tile + fit.height // 2 - 10, LABEL - 12, ROWS[row])
        for row, maps in ((1, summary.means), (2, summary.mean_strengths)):
            total = captions.signed(float(maps[shown].sum()), explanation.about)
            if row == 2:
                total = total.removeprefix("+")
            y_total = y + 38 + row * row_step + fit.height + 4
            board.words(middle, y_total, total, 11, MUTED, "center")
    footer.draw(board, scale, explanation.about)
    return board


def _tiles(
    explanation: Explanation, summary: Summary, scale: Scale, fit: Fit, shown: int, dark: bool
) -> list[NDArray[np.uint8]]:
    """Paint the mean image of a class and its two mean maps, enlarged."""
    images = explanation.images[explanation.labels == shown]
    mean = average(np.rint(images.mean(axis=0, keepdims=True)).astype(np.uint8), fit.block)
    maps = average(np.stack([summary.means[shown], summary.mean_strengths[shown]]), fit.block)
    painted = scale.paint(maps, faint(mean, dark))
    return [fit.enlarge(tile) for tile in (*photograph(mean), *painted)]


def _caption(explanation: Explanation, summary: Summary, scale: Scale, block: int) -> str:
    empty = int((summary.counts == 0).sum())
    absent = f" {empty} classes have no explained image and are left out." if empty else ""
    return (
        "For each class, over its n explained images: the mean of the attribution to that very "
        f"class and, below, of its size whatever the sign, in {captions.unit(explanation.about)}, "
        f"against {captions.against(explanation.about)}, by {explanation.about['method']}. "
        "A pixel strong in the lower map and pale in the upper one speaks for the class in some "
        "images and against it in others. Under each map: its sum over all pixels. The mean "
        f"image lies faintly under it. Both have one scale: ±{captions.number(scale.limit)}, the "
        f"99.9th percentile of mean |attribution|.{captions.block_words(block)}{absent}"
    )
