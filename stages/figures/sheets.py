"""Contact sheets: each explained image, and its attribution maps."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from tqdm import tqdm

from stages.artifacts.explanation import UNKNOWN
from stages.drawing.board import Board
from stages.drawing.layout import (
    FOLDED_LINE,
    GAP,
    LINE,
    MARGIN,
    MARK_WIDTH,
    NARROWEST_PAGE,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    TITLE_TOP,
    UNDER_THUMBNAIL_TOP,
)
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
    TextStyle,
    fold,
    shorten,
)
from stages.drawing.thumbnails import Fit, Painter
from stages.figures import captions
from stages.figures.displayed_maps import n_shown
from stages.figures.footer import Footer
from stages.figures.run import Run

ON_SHEETS = 120  # images: a dozen sheets of ten
MOST_ROWS = 10
LARGEST_THUMBNAIL = 224  # a common size of photographs, which are then drawn pixel for pixel

LABEL = 158  # pixels from the margin to the image: what is said of it
LABEL_TEXT = LABEL - 16
PROBABILITY, AFTER_PROBABILITY = 42, 4  # of the label's text: the probability, space after it
TRUE_TOP, RANKS_TOP = 16, 34  # in the label
LABEL_HEIGHT = 86  # five lines
RANKS = 3  # classes named in the label

SIDE_NOTE_TOP = 17
FIRST_ROW_TOP = 58
SHARED_NAMES, OWN_NAMES = 34, 32  # pixels of class names above a row: of all rows, of one
SHARED_NAMES_FROM_TITLE = 26  # more than rows with names of their own leave
UNDER_ROW = 22  # the sums, and space to the next row


@dataclass(frozen=True)
class SheetLayout:
    """Where things stand on a contact sheet, in pixels.

    Attributes:
        fit: Size of the thumbnails.
        columns: Maps in a row.
        shared_names: Whether one line of class names heads all rows; else each row has its own.
    """

    fit: Fit
    columns: int
    shared_names: bool

    @classmethod
    def of(cls, run: Run) -> Self:
        """Choose thumbnails that fill the page's width."""
        classes = run.explanation.classes
        columns = n_shown(classes.shape[1])
        room = PAGE_WIDTH - 2 * MARGIN - LABEL - GAP
        fit = Fit.in_row(run.image_size, room, columns + 1, LARGEST_THUMBNAIL)
        alike = columns == classes.shape[1] and bool((classes == classes[0]).all())
        return cls(fit, columns, alike)

    @property
    def step(self) -> int:
        """From one thumbnail to the next."""
        narrowest = NARROWEST_PAGE - 2 * MARGIN - LABEL - GAP
        return max(self.fit.column, narrowest // (self.columns + 1))

    @property
    def image_x(self) -> int:
        """Left edge of the images."""
        return MARGIN + LABEL

    def map_x(self, column: int) -> int:
        """Left edge of the maps in this column."""
        return self.image_x + self.step + GAP + column * self.step

    @property
    def width(self) -> int:
        """Of the sheet."""
        return max(NARROWEST_PAGE, self.map_x(self.columns) + MARGIN)

    @property
    def top(self) -> int:
        """Of the first row."""
        return FIRST_ROW_TOP + (SHARED_NAMES_FROM_TITLE if self.shared_names else 0)

    @property
    def row_step(self) -> int:
        """From one row to the next."""
        own_names = 0 if self.shared_names else OWN_NAMES
        return own_names + max(self.fit.height + UNDER_ROW, LABEL_HEIGHT)

    @property
    def n_rows(self) -> int:
        """Rows that fit on a sheet."""
        return min(MOST_ROWS, PAGE_HEIGHT // self.row_step)


def draw_sheets(folder: Path, run: Run) -> list[Path]:
    """Draw the first explained images, up to `ON_SHEETS`: `sheet_000.png` and so on.

    Returns:
        What was written.
    """
    paths: list[Path] = []
    n_images = min(len(run.explanation.labels), ON_SHEETS)
    starts = range(0, n_images, SheetLayout.of(run).n_rows)
    for start in tqdm(starts, desc="draw sheets", unit="sheet", leave=False, delay=1, disable=None):
        path = folder / f"sheet_{len(paths):03d}.png"
        draw_sheet(run, start).save(path)
        paths.append(path)
    return paths


def draw_sheet(run: Run, start: int) -> Board:
    """Draw the sheet whose first row is explained image number `start`."""
    layout = SheetLayout.of(run)
    images = range(start, min(start + layout.n_rows, len(run.explanation.labels)))
    footer = Footer(_caption(run, layout), layout.width)
    board = Board(layout.width, layout.top + len(images) * layout.row_step + footer.height)
    _write_title(board, run, images)
    if layout.shared_names:
        for column, shown in enumerate(run.explanation.classes[0]):
            name = run.class_names[shown]
            _write_name(board, layout, name, column, layout.top - SHARED_NAMES)
    for row, image in enumerate(images):
        _draw_row(board, run, layout, image, layout.top + row * layout.row_step)
    footer.draw(board, run.scale, run.explanation.about)
    return board


def _write_title(board: Board, run: Run, images: range) -> None:
    board.write(MARGIN, TITLE_TOP, "What speaks for and against each class", TITLE)
    n_images = len(run.explanation.labels)
    note = f"explained images {images[0] + 1:,} to {images[-1] + 1:,} of {n_images:,}"
    if n_images == 1:
        note = "one explained image"
    if n_images > ON_SHEETS:
        note += f"; the sheets show the first {ON_SHEETS}"
    board.write(board.width - MARGIN, SIDE_NOTE_TOP, note, replace(QUIET, align="right"))


def _write_name(board: Board, layout: SheetLayout, name: str, column: int, y: int) -> None:
    """Write a class name of up to two lines, its last line right above the column's thumbnail."""
    middle = layout.map_x(column) + layout.fit.width / 2
    for number, line in enumerate(reversed(fold(name, layout.step - GAP))):
        board.write(middle, y + FOLDED_LINE * (1 - number), line, CENTERED)


def _draw_row(board: Board, run: Run, layout: SheetLayout, image: int, y: int) -> None:
    """Draw an image and its maps, with the row's top at y."""
    explanation, fit = run.explanation, layout.fit
    places = run.shown[image]
    classes = explanation.classes[image, places]
    if not layout.shared_names:
        for column, shown in enumerate(classes):
            _write_name(board, layout, run.class_names[shown], column, y)
        y += OWN_NAMES
    _write_label(board, run, image, y)
    maps, errors = run.maps(image, places), run.errors(image, places)
    painter = Painter(run.scale, fit, run.dark)
    photo, *thumbnails = painter.paint(explanation.images[image], maps, errors)
    board.thumbnail(layout.image_x, y, photo)
    sums = run.summary.sums[image]
    for column, (place, thumbnail) in enumerate(zip(places, thumbnails, strict=True)):
        x = layout.map_x(column)
        board.thumbnail(x, y, thumbnail, run.role(image, classes[column]))
        style = UNDER_THUMBNAIL_BOLD if sums[place] == sums.max() else UNDER_THUMBNAIL
        total = captions.signed(sums[place], explanation.about)
        board.write(x + fit.width / 2, y + fit.height + UNDER_THUMBNAIL_TOP, total, style)


def _write_label(board: Board, run: Run, image: int, y: int) -> None:
    """Write what is known of an image, and its most probable classes, left of the image."""
    explanation = run.explanation
    probabilities = explanation.probabilities[image]
    most_probable = np.argsort(-probabilities, kind="stable")[:RANKS]
    label = int(explanation.labels[image])
    right = label in (most_probable[0], UNKNOWN)
    if label == UNKNOWN:
        board.write(MARGIN, y + TRUE_TOP, shorten(run.titles[image], LABEL_TEXT, BOLD), BOLD)
    else:
        board.write(MARGIN, y, shorten(run.titles[image], LABEL_TEXT, SMALL), SMALL)
        true = shorten(f"true: {run.class_names[label]}", LABEL_TEXT, BOLD)
        board.write(MARGIN, y + TRUE_TOP, true, BOLD)
        board.write(MARGIN, y + RANKS_TOP, "✓" if right else "✗", _rank_style(0, right))
    for rank, shown in enumerate(most_probable):
        line, style = y + RANKS_TOP + LINE * rank, _rank_style(rank, right)
        name = shorten(run.class_names[shown], LABEL_TEXT - MARK_WIDTH - PROBABILITY)
        board.write(MARGIN + MARK_WIDTH, line, name, style)
        end = MARGIN + LABEL_TEXT - AFTER_PROBABILITY
        board.write(end, line, f"{probabilities[shown]:.3f}", replace(style, align="right"))


def _rank_style(rank: int, right: bool) -> TextStyle:
    if rank:
        return QUIET
    return BODY if right else replace(BODY, color=WRONG)


def _caption(run: Run, layout: SheetLayout) -> str:
    parts = [
        captions.map_sentences(run, layout.fit.factor, run.grain),
        captions.scale_sentence(run),
        "Under each map: its sum over all pixels, the image's largest in bold.",
        captions.frame_sentence(run),
        captions.choice_sentence(run),
    ]
    return " ".join(part for part in parts if part)
