"""Contrasts: why one class and not another, as the difference of their attributions."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.artifacts.explanation import Explanation
from stages.figures import captions
from stages.figures.board import INK, MUTED, WRONG, Board, printable, shorten
from stages.figures.footer import MARGIN, Footer
from stages.figures.run import Run
from stages.figures.scale import Scale, faint, is_dark, photograph
from stages.figures.tiles import GAP, Fit, average
from stages.summary.contrasts import (
    Contrast,
    confident_mistakes,
    confusion_counts,
    most_confused,
    of_pair,
)
from stages.summary.totals import Summary

SIDE, LABEL, BETWEEN = 84, 138, 28


def draw_contrasts(folder: Path, run: Run) -> list[Path]:
    """Draw `contrast_mistakes.png` and `contrast_pair.png`, as far as there is something to show.

    Returns:
        What was written: no first picture if no mistake was explained, no second one if the test
        split holds no mistake or neither class of the pair was explained.
    """
    explanation, summary, scale = run.explanation, run.summary, run.scale
    names = printable(explanation.class_names)
    pictures = {}
    if mistakes := confident_mistakes(explanation):
        words = (
            f"The {len(mistakes)} most confident mistakes among the explained images: "
            "a is the predicted class, b the true one."
        )
        pictures["contrast_mistakes"] = ("Mistakes: why a and not b?", words, mistakes)
    counts = confusion_counts(run.predictions.labels, run.predictions.classes, len(names))
    if (cell := most_confused(counts)) and (pair := of_pair(explanation, *cell)):
        true, predicted = (names[c] for c in cell)
        words = (
            f"The most frequent mistake of the test split: {true} taken for {predicted}, "
            f"{counts[cell]:,} of {counts[cell[0]].sum():,} times. Explained images of both "
            "classes, that mistake first, then those between the two."
        )
        title = f"The most confused pair: why a = {predicted} and not b = {true}?"
        pictures["contrast_pair"] = (title, words, pair)
    paths = []
    for name, (title, words, contrasts) in pictures.items():
        paths.append(folder / f"{name}.png")
        draw_contrast(explanation, summary, scale, contrasts, title, words).save(paths[-1])
    return paths


def draw_contrast(
    explanation: Explanation,
    summary: Summary,
    scale: Scale,
    contrasts: Sequence[Contrast],
    title: str,
    words: str,
) -> Board:
    """Draw two images to a row, each beside the maps for a, for b, and for a and not b."""
    fit = Fit.of(explanation.images.shape[2:], SIDE)
    card = LABEL + 4 * fit.column
    row_step = max(fit.height, 70) + 48
    width = MARGIN + 2 * card + BETWEEN + MARGIN
    caption = (
        f"{words} a - b is the map of a minus the map of b: what speaks for a rather than b "
        f"({scale.warm}) or for b rather than a ({scale.cool}). "
        f"{captions.map_words(explanation.about, scale, explanation.images.shape[1], fit.block)} "
        f"{captions.scale_words(scale.limit, len(explanation.labels))} Under each map: its sum "
        "over all pixels. Solid frame: predicted class. Dashed frame: true class, where it is "
        "another."
    ).replace("a - b", "a \N{MINUS SIGN} b")
    footer = Footer(caption, width)
    board = Board(width, 52 + -(-len(contrasts) // 2) * row_step + footer.height)
    board.words(MARGIN, 14, shorten(title, width - 2 * MARGIN, 17, True), 17, bold=True)
    for place, contrast in enumerate(contrasts):
        x = MARGIN + place % 2 * (card + BETWEEN)
        _card(board, explanation, summary, scale, fit, contrast, x, 52 + place // 2 * row_step)
    footer.draw(board, scale, explanation.about)
    return board


def _card(
    board: Board,
    explanation: Explanation,
    summary: Summary,
    scale: Scale,
    fit: Fit,
    contrast: Contrast,
    x: int,
    y: int,
) -> None:
    image, a, b = contrast
    names = printable(explanation.class_names)
    true, predicted = explanation.labels[image], explanation.predictions[image]
    _words(board, explanation, image, (a, b), x, y + 18)
    pixels = average(explanation.images[image : image + 1], fit.block)
    maps = explanation.values[image].sum(axis=0, dtype=np.float64)[..., [a, b]].transpose(2, 0, 1)
    maps = average(np.stack([*maps, maps[0] - maps[1]]), fit.block)
    under = faint(pixels, is_dark(explanation.images))
    tiles = (*photograph(pixels), *scale.paint(maps, under))
    sums = summary.sums[image]
    heads = ("", f"a: {names[a]}", f"b: {names[b]}", "a \N{MINUS SIGN} b")
    totals = (None, sums[a], sums[b], sums[a] - sums[b])
    roles = ["other" if c not in (true, predicted) else "true" for c in (-1, a, b, -1)]
    for column, c in ((1, a), (2, b)):
        if c == predicted:
            roles[column] = "predicted"
    for column, (tile, head, total, role) in enumerate(
        zip(tiles, heads, totals, roles, strict=True)
    ):
        left = x + LABEL + column * fit.column
        middle = left + fit.width / 2
        bold = column == 3
        board.words(middle, y, shorten(head, fit.column - GAP, 12, bold), 12, INK, "center", bold)
        board.tile(left, y + 18, fit.enlarge(tile))
        if total is not None:
            board.frame(left, y + 18, fit.width, fit.height, role)
            color = INK if bold else MUTED
            foot = y + 18 + fit.height + 4
            board.words(
                middle, foot, captions.signed(total, explanation.about), 11, color, "center", bold
            )


def _words(
    board: Board, explanation: Explanation, image: int, pair: tuple[int, int], x: int, y: int
) -> None:
    """Write which image it is, its true class, its prediction and the probabilities of a and b."""
    names = printable(explanation.class_names)
    true, predicted = int(explanation.labels[image]), int(explanation.predictions[image])
    room = LABEL - 12
    board.words(x, y, f"test image {explanation.indices[image]}", 11, MUTED)
    board.words(x, y + 16, shorten(f"true: {names[true]}", room, 12, True), 12, bold=True)
    mark, color = ("✓", INK) if true == predicted else ("✗", WRONG)
    board.words(x, y + 34, mark, 12, color)
    board.words(x + 14, y + 34, shorten(names[predicted], room - 14, 12), 12, color)
    for row, (letter, c) in enumerate(zip("ab", pair, strict=True)):
        probability = f"p({letter}) = {explanation.probabilities[image, c]:.3f}"
        board.words(x, y + 52 + 16 * row, probability, 12, MUTED)
