"""Contact sheets: explained images in rows, each with its attribution maps."""

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
LARGEST_THUMBNAIL = 224  # a common image size, drawn without resizing

LABEL = 158  # pixels from the margin to the image, for the text about it
LABEL_TEXT = LABEL - 16
PROBABILITY, AFTER_PROBABILITY = 42, 4  # widths in the label: a probability, the space after it
TRUE_TOP, RANKS_TOP = 16, 34  # in the label
LABEL_HEIGHT = 86  # five lines
RANKS = 3  # most probable classes in the label

SIDE_NOTE_TOP = 17
FIRST_ROW_TOP = 58
SHARED_NAMES, OWN_NAMES = 34, 32  # height of class names: once above all rows, above each row
SHARED_NAMES_FROM_TITLE = 26  # extra space below the title for shared names
UNDER_ROW = 22  # the sums, and space before the next row


@dataclass(frozen=True)
class SheetLayout:
    """Positions and sizes on a contact sheet, in pixels.

    Attributes:
        fit: Size of the thumbnails.
        columns: Maps in a row.
        shared_names: Whether one line of class names heads all rows; otherwise each row has one.
    """

    fit: Fit
    columns: int
    shared_names: bool

    @classmethod
    def of(cls, run: Run) -> Self:
        """The layout in which thumbnails fill the page's width."""
        classes = run.explanation.classes
        columns = n_shown(classes.shape[1])
        room = PAGE_WIDTH - 2 * MARGIN - LABEL - GAP
        fit = Fit.in_row(run.image_size, room, columns + 1, LARGEST_THUMBNAIL)
        alike = columns == classes.shape[1] and bool((classes == classes[0]).all())
        return cls(fit, columns, alike)

    @property
    def step(self) -> int:
        """Pixels from one thumbnail to the next."""
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
        """Width of the sheet."""
        return max(NARROWEST_PAGE, self.map_x(self.columns) + MARGIN)

    @property
    def top(self) -> int:
        """Top edge of the first row."""
        return FIRST_ROW_TOP + (SHARED_NAMES_FROM_TITLE if self.shared_names else 0)

    @property
    def row_step(self) -> int:
        """Pixels from one row to the next."""
        own_names = 0 if self.shared_names else OWN_NAMES
        return own_names + max(self.fit.height + UNDER_ROW, LABEL_HEIGHT)

    @property
    def n_rows(self) -> int:
        """Rows that fit on a sheet."""
        return min(MOST_ROWS, PAGE_HEIGHT // self.row_step)


def draw_sheets(folder: Path, run: Run) -> list[Path]:
    """Draw the first `ON_SHEETS` explained images as `sheet_000.png` and so on.

    Returns:
        The files written.
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
    """The sheet whose first row is the explained image with index `start`."""
    layout = SheetLayout.of(run)
    image_indices = range(start, min(start + layout.n_rows, len(run.explanation.labels)))
    footer = Footer(_caption(run, layout), layout.width)
    board = Board(layout.width, layout.top + len(image_indices) * layout.row_step + footer.height)
    _write_title(board, run, image_indices)
    if layout.shared_names:
        for column, class_number in enumerate(run.explanation.classes[0]):
            name = run.class_names[class_number]
            _write_name(board, layout, name, column, layout.top - SHARED_NAMES)
    for row, image_index in enumerate(image_indices):
        _draw_row(board, run, layout, image_index, layout.top + row * layout.row_step)
    footer.draw(board, run.scale, run.explanation.about)
    return board


def _write_title(board: Board, run: Run, image_indices: range) -> None:
    board.write(MARGIN, TITLE_TOP, "Evidence for and against each class", TITLE)
    n_images = len(run.explanation.labels)
    first, last = image_indices[0] + 1, image_indices[-1] + 1
    note = f"explained images {first:,} to {last:,} of {n_images:,}"
    if n_images == 1:
        note = "one explained image"
    if n_images > ON_SHEETS:
        note += f"; the sheets show the first {ON_SHEETS}"
    board.write(board.width - MARGIN, SIDE_NOTE_TOP, note, replace(QUIET, align="right"))


def _write_name(board: Board, layout: SheetLayout, name: str, column: int, y: int) -> None:
    """Write a class name in up to two lines that end right above the column's thumbnail."""
    middle = layout.map_x(column) + layout.fit.width / 2
    for number, line in enumerate(reversed(fold(name, layout.step - GAP))):
        board.write(middle, y + FOLDED_LINE * (1 - number), line, CENTERED)


def _draw_row(board: Board, run: Run, layout: SheetLayout, image_index: int, y: int) -> None:
    """Draw an image and its maps, with the row's top at y."""
    explanation, fit = run.explanation, layout.fit
    map_indices = run.shown_maps[image_index]
    classes = explanation.classes[image_index, map_indices]
    if not layout.shared_names:
        for column, class_number in enumerate(classes):
            _write_name(board, layout, run.class_names[class_number], column, y)
        y += OWN_NAMES
    _write_label(board, run, image_index, y)
    maps, errors = run.maps(image_index, map_indices), run.errors(image_index, map_indices)
    painter = Painter(run.scale, fit, run.dark)
    photo, *thumbnails = painter.paint(explanation.images[image_index], maps, errors)
    board.thumbnail(layout.image_x, y, photo)
    sums = run.summary.sums[image_index]
    for column, (map_index, thumbnail) in enumerate(zip(map_indices, thumbnails, strict=True)):
        x = layout.map_x(column)
        board.thumbnail(x, y, thumbnail, run.role(image_index, classes[column]))
        style = UNDER_THUMBNAIL_BOLD if sums[map_index] == sums.max() else UNDER_THUMBNAIL
        total = captions.signed(sums[map_index], explanation.about)
        board.write(x + fit.width / 2, y + fit.height + UNDER_THUMBNAIL_TOP, total, style)


def _write_label(board: Board, run: Run, image_index: int, y: int) -> None:
    """Write the title, true class and most probable classes left of an image."""
    explanation, title = run.explanation, run.titles[image_index]
    probabilities = explanation.probabilities[image_index]
    most_probable = np.argsort(-probabilities, kind="stable")[:RANKS]
    label = int(explanation.labels[image_index])
    right = label in (most_probable[0], UNKNOWN)
    if label == UNKNOWN:
        board.write(MARGIN, y + TRUE_TOP, shorten(title, LABEL_TEXT, BOLD), BOLD)
    else:
        board.write(MARGIN, y, shorten(title, LABEL_TEXT, SMALL), SMALL)
        true = shorten(f"true: {run.class_names[label]}", LABEL_TEXT, BOLD)
        board.write(MARGIN, y + TRUE_TOP, true, BOLD)
        board.write(MARGIN, y + RANKS_TOP, "✓" if right else "✗", _rank_style(0, right))
    for rank, class_number in enumerate(most_probable):
        line, style = y + RANKS_TOP + LINE * rank, _rank_style(rank, right)
        name = shorten(run.class_names[class_number], LABEL_TEXT - MARK_WIDTH - PROBABILITY)
        board.write(MARGIN + MARK_WIDTH, line, name, style)
        end = MARGIN + LABEL_TEXT - AFTER_PROBABILITY
        probability = f"{probabilities[class_number]:.3f}"
        board.write(end, line, probability, replace(style, align="right"))


def _rank_style(rank: int, right: bool) -> TextStyle:
    if rank:
        return QUIET
    return BODY if right else replace(BODY, color=WRONG)


def _caption(run: Run, layout: SheetLayout) -> str:
    sentences = [
        captions.map_sentences(run, layout.fit.factor, run.grain),
        captions.scale_sentence(run),
        "Below each map: its sum over all pixels, in bold for the largest of the image.",
        captions.frame_sentence(run),
        captions.choice_sentence(run),
    ]
    return " ".join(sentence for sentence in sentences if sentence)
