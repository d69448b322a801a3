"""Contact sheets: explained images in rows, each with its attribution maps."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from stages.base.run.bars import ProgressBar
from stages.drawing.board import Board
from stages.drawing.layout import (
    FOLDED_LINE,
    GAP,
    MARGIN,
    NARROWEST_PAGE,
    PAGE_HEIGHT,
    PAGE_WIDTH,
    SIDE_NOTE_TOP,
    TITLE_TOP,
    UNDER_THUMBNAIL_TOP,
)
from stages.drawing.text import (
    CENTERED,
    QUIET,
    TITLE,
    UNDER_THUMBNAIL,
    UNDER_THUMBNAIL_BOLD,
    fold,
)
from stages.drawing.thumbnails import Fit, Painter
from stages.figures import captions
from stages.figures.cards import PHOTOS_ON_SHEETS
from stages.figures.displayed_maps import n_shown
from stages.figures.footer import Footer
from stages.figures.labels import LABEL_HEIGHT, write_label
from stages.figures.photo_sheets import PhotoLayout, draw_photo_sheet
from stages.figures.run import Run

ON_SHEETS = 120  # images: a dozen sheets of ten
MOST_ROWS = 10
LARGEST_THUMBNAIL = 224  # a common image size, drawn without resizing

LABEL = 158  # pixels from the margin to the image, for the text about it
LABEL_TEXT = LABEL - 16

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
    """Draw the sheets as `sheet_000.png` and so on.

    Returns:
        The files written.
    """
    paths: list[Path] = []
    for sheet in sheets_of(run):
        paths.append(folder / f"sheet_{len(paths):03d}.png")
        sheet.save(paths[-1])
    return paths


def sheets_of(run: Run) -> Iterator[Board]:
    """Yield the sheets of the first explained images; large images get sheets of their own kind."""
    if run.is_fine:
        draw, n_rows, most = draw_photo_sheet, PhotoLayout.of(run).n_rows, PHOTOS_ON_SHEETS
    else:
        draw, n_rows, most = draw_sheet, SheetLayout.of(run).n_rows, ON_SHEETS
    starts = range(0, min(len(run.explanation.labels), most), n_rows)
    for start in ProgressBar(starts, desc="draw sheets", unit="sheet"):
        yield draw(run, start)


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
    note = captions.which_images(run, image_indices, ON_SHEETS)
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
    write_label(board, run, image_index, (MARGIN, y), LABEL_TEXT)
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


def _caption(run: Run, layout: SheetLayout) -> str:
    sentences = [
        captions.map_sentences(run, run.grain),
        captions.scale_sentence(run),
        "Below each map: its sum over all pixels, in bold for the largest of the image.",
        captions.frame_sentence(run),
        captions.choice_sentence(run),
    ]
    return " ".join(sentence for sentence in sentences if sentence)
