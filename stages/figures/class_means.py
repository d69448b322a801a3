"""Class means: the mean image and mean attributions of each class."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.drawing.board import Board
from stages.drawing.layout import (
    GAP,
    LINE,
    MARGIN,
    NARROWEST_COLUMN,
    NARROWEST_PAGE,
    PAGE_WIDTH,
    TITLE_TOP,
    UNDER_THUMBNAIL_TOP,
)
from stages.drawing.photographs import is_tall, is_wide
from stages.drawing.scale import Scale
from stages.drawing.text import CENTERED, TITLE, UNDER_THUMBNAIL, shorten
from stages.drawing.thumbnails import Fit, Painter
from stages.figures import captions
from stages.figures.displayed_maps import n_shown
from stages.figures.footer import Footer
from stages.figures.run import Run
from stages.measures.attributions.summary import PERCENTILE

MOST_BANDS = 4  # in one picture; a band has a row of classes
ROWS = ("mean image", "mean attribution", "mean |attribution|")
LARGEST_THUMBNAIL, TALL = 336, 600  # the latter: height of images much taller than wide

LABEL = 112  # pixels from the margin to the thumbnails: the names of the rows
LABEL_TEXT = LABEL - 12
LABEL_LIFT = 10  # from the top of a label to the middle of its row
FIRST_BAND_TOP = 44
HEAD = 38  # name and number of images above the thumbnails of a class
UNDER_ROW = 22  # the sum, and space before the next row
BETWEEN_BANDS = 10


@dataclass(frozen=True)
class ClassMeans:
    """The class means of a run, with their colour scale and layout.

    Means are much weaker than the attributions of one image, so they have their own scale.

    Attributes:
        run: The run.
    """

    run: Run

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """Classes with at least one explained image that has a map of its own class."""
        return np.flatnonzero(self.run.summary.counts)

    @cached_property
    def scale(self) -> Scale:
        """The scale of all means, up to the strongest."""
        strengths = self.run.summary.mean_strengths[self.classes]
        limit = float(np.percentile(strengths, PERCENTILE))
        return Scale(limit or float(strengths.max()) or 1.0, self.run.colormap, self.run.grain)

    @cached_property
    def columns(self) -> int:
        """Classes in a row: one of wide images."""
        return 1 if is_wide(self.run.image_size) else n_shown(len(self.classes))

    @cached_property
    def fit(self) -> Fit:
        """Thumbnails that fill the page's width."""
        room = PAGE_WIDTH - 2 * MARGIN - LABEL
        size = self.run.image_size
        if self.run.is_fine:
            width = max(NARROWEST_COLUMN, min(room // self.columns - GAP, LARGEST_THUMBNAIL))
            height = TALL if is_tall(size) else LARGEST_THUMBNAIL
            return Fit.of(size, (height, room if is_wide(size) else width))
        return Fit.in_row(self.run.image_size, room, self.columns, LARGEST_THUMBNAIL)

    @property
    def step(self) -> int:
        """Pixels from one class to the next."""
        narrowest = NARROWEST_PAGE - 2 * MARGIN - LABEL
        return max(self.fit.column, narrowest // self.columns)

    @property
    def row_step(self) -> int:
        """Pixels from one of the three rows to the next."""
        return self.fit.height + UNDER_ROW

    @property
    def band_step(self) -> int:
        """Pixels from one band of classes to the next."""
        return HEAD + len(ROWS) * self.row_step + BETWEEN_BANDS


def draw_class_means(folder: Path, run: Run) -> list[Path]:
    """Draw the mean image and attribution of each class: `class_means_000.png` and so on.

    Returns:
        The files written, one for each forty classes; none if no image has a map of its true
        class.
    """
    means = ClassMeans(run)
    paths: list[Path] = []
    n_classes = means.columns * MOST_BANDS
    for start in range(0, len(means.classes), max(1, n_classes)):
        path = folder / f"class_means_{len(paths):03d}.png"
        draw_means(means, means.classes[start : start + n_classes]).save(path)
        paths.append(path)
    return paths


def draw_means(means: ClassMeans, classes: NDArray[np.int64]) -> Board:
    """A picture of the means of these classes, a subset of `means.classes`."""
    width = max(NARROWEST_PAGE, MARGIN + LABEL + means.columns * means.step + MARGIN)
    bottom = FIRST_BAND_TOP + -(-len(classes) // means.columns) * means.band_step
    footer = Footer(_caption(means), width)
    board = Board(width, bottom + footer.height)
    board.write(MARGIN, TITLE_TOP, "Evidence for each class, on average", TITLE)
    for position, class_number in enumerate(classes):
        band, column = divmod(position, means.columns)
        y = FIRST_BAND_TOP + band * means.band_step
        if column == 0:
            _write_row_names(board, means, y)
        _draw_class(board, means, int(class_number), (MARGIN + LABEL + column * means.step, y))
    footer.draw(board, means.scale, means.run.explanation.about, covering=means.run.is_fine)
    return board


def _write_row_names(board: Board, means: ClassMeans, y: int) -> None:
    middle = y + HEAD + means.fit.height // 2
    for row, name in enumerate(ROWS):
        top = middle + row * means.row_step - LABEL_LIFT
        board.paragraph(MARGIN, top, name, LABEL_TEXT)


def _draw_class(
    board: Board, means: ClassMeans, class_number: int, corner: tuple[int, int]
) -> None:
    """Draw a class's name, number of images and three thumbnails; `corner` is the top left."""
    run, fit, (x, y) = means.run, means.fit, corner
    summary, middle = run.summary, x + fit.width / 2
    name = shorten(run.class_names[class_number], means.step - GAP)
    board.write(middle, y, name, CENTERED)
    board.write(middle, y + LINE, f"n = {summary.counts[class_number]:,}", UNDER_THUMBNAIL)
    explanation = run.explanation
    own_class = explanation.is_true[:, class_number]
    images = explanation.images[own_class & (explanation.map_indices(class_number) >= 0)]
    image = np.rint(images.mean(axis=0)).astype(np.uint8)
    maps = np.stack([summary.means[class_number], summary.mean_strengths[class_number]])
    net, size = (captions.signed(float(total), explanation.about) for total in maps.sum((1, 2)))
    thumbnails = Painter(means.scale, fit, run.dark).paint(image, maps)
    for row, (thumbnail, total) in enumerate(
        zip(thumbnails, ("", net, size.lstrip("+")), strict=True)
    ):
        top = y + HEAD + row * means.row_step
        board.thumbnail(x, top, thumbnail, "other")
        board.write(middle, top + fit.height + UNDER_THUMBNAIL_TOP, total, UNDER_THUMBNAIL)


def _caption(means: ClassMeans) -> str:
    about = means.run.explanation.about
    with_map = "" if means.run.explanation.explains_all_classes else " with a map of it"
    under = "The mean image is drawn faintly underneath."
    if means.run.is_fine:
        under = "The stronger, the more opaque over the grey mean image."
    empty = int((means.run.summary.counts == 0).sum())
    absent = (
        f" {empty} classes have no explained image{with_map} and are left out." if empty else ""
    )
    return (
        f"For each class, over its n explained images{with_map}: the mean attribution to this "
        "class and, below it, the mean |attribution|, in "
        f"{captions.unit(about, means.scale.grain)}, relative to {captions.background(about)}, by "
        f"{captions.method(about)}. Pixels that are strong in the lower map and pale in the upper "
        "one are evidence for the class in some images and against it in others. Below each map: "
        f"its sum over all pixels. {under} Both maps share one "
        f"scale: ±{captions.number(means.scale.limit)}, the {PERCENTILE}th percentile of mean "
        f"|attribution|.{absent}"
    )
