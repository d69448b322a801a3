"""Contrasts: why one class and not another, as the difference of two attribution maps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from stages.drawing.board import Board, Role
from stages.drawing.layout import (
    GAP,
    LINE,
    MARGIN,
    MARK_WIDTH,
    PAGE_WIDTH,
    TITLE_TOP,
    UNDER_THUMBNAIL_TOP,
)
from stages.drawing.photographs import is_tall, is_wide
from stages.drawing.text import (
    BODY,
    BOLD,
    CENTERED,
    QUIET,
    SMALL,
    TITLE,
    UNDER_THUMBNAIL,
    UNDER_THUMBNAIL_BOLD,
    WRONG,
    shorten,
)
from stages.drawing.thumbnails import Fit, Painter
from stages.figures import captions
from stages.figures.chosen_contrasts import (
    Contrast,
    confusion_counts,
    contrasts_of_mistakes,
    contrasts_of_pair,
    most_confused,
)
from stages.figures.footer import Footer
from stages.figures.run import Run

LARGEST_THUMBNAIL = 128
LARGEST_PHOTO, TALL = 240, 700  # of a large image, and of one much taller than wide
THUMBNAILS = 4  # on a card: the image, a, b, a - b
CARDS = 2  # per row, of small images
BETWEEN_CARDS = 28
FIRST_CARD_TOP = 52

LABEL = 138  # pixels from a card's left edge to its image, for the text about it
LABEL_TEXT = LABEL - 12
LABEL_HEIGHT = 70
TRUE_TOP, PREDICTED_TOP, PROBABILITIES_TOP = 16, 34, 52  # in the label
HEAD = 18  # class names above the thumbnails
UNDER_CARD = 30  # the sums, and space before the next card

A_MINUS_B = "a \N{MINUS SIGN} b"


@dataclass(frozen=True)
class Picture:
    """Content of one picture of contrasts.

    Attributes:
        title: Title of the picture.
        caption: Which images were chosen: the first sentences of the caption.
        contrasts: One for each card.
    """

    title: str
    caption: str
    contrasts: Sequence[Contrast]


@dataclass(frozen=True)
class CardLayout:
    """Size of a card: the thumbnails stand in a row, those of wide images below each other.

    Attributes:
        fit: Size of the thumbnails.
        cards: Cards in a row.
        step: Pixels from one thumbnail to the next: down and right.
    """

    fit: Fit
    cards: int
    step: tuple[int, int]

    @classmethod
    def of(cls, run: Run) -> Self:
        """The layout for the images' size."""
        size = run.image_size
        if not run.is_fine:
            fit = Fit.readable(size, LARGEST_THUMBNAIL)
            return cls(fit, CARDS, (0, fit.column))
        if is_wide(size):
            fit = Fit.of(size, (LARGEST_PHOTO, PAGE_WIDTH - 2 * MARGIN - LABEL))
            return cls(fit, 1, (HEAD + fit.height + UNDER_CARD, 0))
        fit = Fit.of(size, (TALL if is_tall(size) else LARGEST_PHOTO, LARGEST_PHOTO))
        return cls(fit, 1, (0, fit.column))

    @property
    def width(self) -> int:
        """Width of a card in pixels."""
        return LABEL + (THUMBNAILS - 1) * self.step[1] + self.fit.column

    @property
    def height(self) -> int:
        """Height of a card in pixels, with the space before the next one."""
        stacked = (THUMBNAILS - 1) * self.step[0]
        return stacked + HEAD + max(self.fit.height, LABEL_HEIGHT) + UNDER_CARD


def draw_contrasts(folder: Path, run: Run) -> list[Path]:
    """Draw `contrast_mistakes.png` and `contrast_pair.png`.

    Returns:
        The files written. The first is omitted if no explained mistake has maps of both classes;
        the second if the test split has no mistake or no explained image of the pair has maps of
        both classes; both with several labels an image, since these do not exclude each other.
    """
    if run.explanation.multiple:
        return []
    pictures = {
        "contrast_mistakes": picture_of_mistakes(run),
        "contrast_pair": picture_of_pair(run),
    }
    paths = []
    for name, picture in pictures.items():
        if picture is not None:
            paths.append(folder / f"{name}.png")
            draw_contrast(run, picture).save(paths[-1])
    return paths


def picture_of_mistakes(run: Run) -> Picture | None:
    """The most confident explained mistakes; None if there are none."""
    contrasts = contrasts_of_mistakes(run.explanation)
    caption = (
        f"The {len(contrasts)} most confident mistakes among the explained images: "
        "a is the predicted class, b the true one."
    )
    return Picture("Mistakes: why a and not b?", caption, contrasts) if contrasts else None


def picture_of_pair(run: Run) -> Picture | None:
    """The most confused pair of explained classes; None if it has no explained image."""
    names, predictions = run.class_names, run.predictions
    counts = confusion_counts(predictions.labels, predictions.predicted, len(names))
    cell = most_confused(counts, np.unique(run.explanation.classes))
    contrasts = contrasts_of_pair(run.explanation, *cell) if cell else []
    if not cell or not contrasts:
        return None
    true, predicted = (names[number] for number in cell)
    explained, (label, output) = run.explanation, cell
    mistaken = bool(((explained.labels == label) & (explained.predicted == output)).any())
    order = "first those with this mistake, then the most undecided between the two"
    if not mistaken:
        order = "none with this mistake; the most undecided between the two come first"
    between = "" if run.explanation.explains_all_classes else " between explained classes"
    caption = (
        f"The most frequent mistake in the test split{between}: {true} taken for {predicted}, "
        f"{counts[cell]:,} of {counts[cell[0]].sum():,} times. Explained images of both classes, "
        f"{order}."
    )
    title = f"The most confused pair: why a = {predicted} and not b = {true}?"
    return Picture(title, caption, contrasts)


def draw_contrast(run: Run, picture: Picture) -> Board:
    """Cards, two to a row: an image with its maps for a, for b, and their difference."""
    layout = CardLayout.of(run)
    cards, card_width = layout.cards, layout.width
    row_step = layout.height
    width = MARGIN + cards * card_width + BETWEEN_CARDS + MARGIN
    footer = Footer(_caption(run, picture), width)
    n_rows = -(-len(picture.contrasts) // cards)
    board = Board(width, FIRST_CARD_TOP + n_rows * row_step + footer.height)
    board.write(MARGIN, TITLE_TOP, shorten(picture.title, width - 2 * MARGIN, TITLE), TITLE)
    for position, contrast in enumerate(picture.contrasts):
        row, column = divmod(position, cards)
        x = MARGIN + column * (card_width + BETWEEN_CARDS)
        _draw_card(board, run, layout, contrast, (x, FIRST_CARD_TOP + row * row_step))
    footer.draw(board, run.scale, run.explanation.about, covering=run.is_fine)
    return board


def _draw_card(
    board: Board, run: Run, layout: CardLayout, contrast: Contrast, corner: tuple[int, int]
) -> None:
    """Draw one contrast; `corner` is the top left."""
    (x, y), fit, (down, right) = corner, layout.fit, layout.step
    explanation = run.explanation
    index, plus, minus = contrast
    map_indices = np.array([explanation.map_indices(k)[index] for k in (plus, minus)])
    plus_sum, minus_sum = run.summary.sums[index, map_indices]
    _write_label(board, run, contrast, (x, y + HEAD))
    a, b = run.maps(index, map_indices)
    errors = run.errors(index, map_indices)
    if errors is not None:  # the sum bounds the error of the difference
        errors = np.stack([*errors, errors.sum(axis=0)])
    image, maps = explanation.images[index], np.stack([a, b, a - b])
    photo, *thumbnails = Painter(run.scale, fit, run.dark).paint(image, maps, errors)
    board.thumbnail(x + LABEL, y + HEAD, photo)
    heads = (f"a: {run.class_names[plus]}", f"b: {run.class_names[minus]}", A_MINUS_B)
    totals = (plus_sum, minus_sum, plus_sum - minus_sum)
    roles: tuple[Role, ...] = (run.role(index, plus), run.role(index, minus), "other")
    for column, (thumbnail, role) in enumerate(zip(thumbnails, roles, strict=True)):
        left, top = x + LABEL + (1 + column) * right, y + (1 + column) * down
        middle = left + fit.width / 2
        difference = heads[column] == A_MINUS_B
        style = replace(CENTERED, bold=difference)
        board.write(middle, top, shorten(heads[column], fit.column - GAP, style), style)
        board.thumbnail(left, top + HEAD, thumbnail, role)
        total = captions.signed(totals[column], explanation.about)
        bottom = top + HEAD + fit.height + UNDER_THUMBNAIL_TOP
        board.write(middle, bottom, total, UNDER_THUMBNAIL_BOLD if difference else UNDER_THUMBNAIL)


def _write_label(board: Board, run: Run, contrast: Contrast, corner: tuple[int, int]) -> None:
    """Write the image's title, true and predicted class, and the probabilities of a and b."""
    (x, y), explanation, names = corner, run.explanation, run.class_names
    index, plus, minus = contrast
    true, predicted = int(explanation.labels[index]), int(explanation.predicted[index])
    board.write(x, y, shorten(run.titles[index], LABEL_TEXT, SMALL), SMALL)
    board.write(x, y + TRUE_TOP, shorten(f"true: {names[true]}", LABEL_TEXT, BOLD), BOLD)
    mark, style = ("✓", BODY) if true == predicted else ("✗", replace(BODY, color=WRONG))
    board.write(x, y + PREDICTED_TOP, mark, style)
    name = shorten(names[predicted], LABEL_TEXT - MARK_WIDTH)
    board.write(x + MARK_WIDTH, y + PREDICTED_TOP, name, style)
    for row, (letter, number) in enumerate((("a", plus), ("b", minus))):
        probability = f"p({letter}) = {explanation.probabilities[index, number]:.3f}"
        board.write(x, y + PROBABILITIES_TOP + LINE * row, probability, QUIET)


def _caption(run: Run, picture: Picture) -> str:
    return (
        f"{picture.caption} {A_MINUS_B} is the map of a minus the map of b: evidence for a rather "
        f"than b ({run.scale.warm}) or for b rather than a ({run.scale.cool}). "
        f"{captions.map_sentences(run, run.grain)} {captions.scale_sentence(run)} "
        "Below each map: its sum over all pixels. Solid frame: predicted class. Dashed frame: "
        "true class, if different."
    )
