"""The label of an explained image: its title, true classes and most probable classes."""

from dataclasses import replace

import numpy as np

from stages.artifacts.explanation import UNKNOWN, Explanation
from stages.drawing.board import Board
from stages.drawing.layout import LINE, MARK_WIDTH
from stages.drawing.text import BODY, BOLD, QUIET, SMALL, WRONG, shorten
from stages.figures.run import Run

PROBABILITY, AFTER_PROBABILITY = 42, 4  # widths: a probability, the space after it
TRUE_TOP, RANKS_TOP = 16, 34
LABEL_HEIGHT = 86  # five lines
RANKS = 3  # most probable classes


def write_label(
    board: Board, run: Run, image_index: int, corner: tuple[int, int], width: int
) -> None:
    """Write the label of an image, `width` pixels wide; `corner` is the top left."""
    (x, y), explanation, title = corner, run.explanation, run.titles[image_index]
    probabilities = explanation.probabilities[image_index]
    known = bool((explanation.labels[image_index] != UNKNOWN).all())
    if known:
        board.write(x, y, shorten(title, width, SMALL), SMALL)
        names = [run.class_names[c] for c in np.flatnonzero(explanation.is_true[image_index])]
        true = shorten(f"true: {', '.join(names) or 'none'}", width, BOLD)
        board.write(x, y + TRUE_TOP, true, BOLD)
    else:
        board.write(x, y + TRUE_TOP, shorten(title, width, BOLD), BOLD)
    for rank, class_number in enumerate(np.argsort(-probabilities, kind="stable")[:RANKS]):
        line, style = y + RANKS_TOP + LINE * rank, QUIET
        if (right := _is_right(explanation, image_index, class_number)) is not None:
            style = BODY if right or not known else replace(BODY, color=WRONG)
            if known:
                board.write(x, line, "✓" if right else "✗", style)
        name = shorten(run.class_names[class_number], width - MARK_WIDTH - PROBABILITY)
        board.write(x + MARK_WIDTH, line, name, style)
        end = x + width - AFTER_PROBABILITY
        probability = f"{probabilities[class_number]:.3f}"
        board.write(end, line, probability, replace(style, align="right"))


def _is_right(explanation: Explanation, image_index: int, class_number: int) -> bool | None:
    """Whether the prediction of a class is right; None for a class that is not marked.

    Marked are predicted classes and, with several labels an image, true ones that were missed.
    """
    predicted, true = (
        bool(mask[image_index, class_number])
        for mask in (explanation.is_predicted, explanation.is_true)
    )
    return true == predicted if predicted or (explanation.multiple and true) else None
