"""Class means: what the explained images of a class have in common."""

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
    NARROWEST_PAGE,
    PAGE_WIDTH,
    TITLE_TOP,
    UNDER_THUMBNAIL_TOP,
)
from stages.drawing.scale import Scale
from stages.drawing.text import CENTERED, TITLE, UNDER_THUMBNAIL, shorten
from stages.drawing.thumbnails import Fit, Painter
from stages.figures import captions
from stages.figures.displayed_maps import n_shown
from stages.figures.footer import Footer
from stages.figures.run import Run
from stages.measures.attributions.summary import PERCENTILE

MOST_BANDS = 4  # of classes in one picture
ROWS = ("mean image", "mean attribution", "mean |attribution|")
LARGEST_THUMBNAIL = 336

LABEL = 112  # pixels from the margin to the thumbnails: the names of the rows
LABEL_TEXT = LABEL - 12
LABEL_LIFT = 10  # above the middle of its row
FIRST_BAND_TOP = 44
HEAD = 38  # name and number of images above the thumbnails of a class
UNDER_ROW = 22  # the sum, and space to the next row
BETWEEN_BANDS = 10


@dataclass(frozen=True)
class ClassMeans:
    """The means of a run on the scale they share, and where they stand in a picture.

    Means are far weaker than the attributions of one image, so they have a scale of their own.

    Attributes:
        run: What is drawn.
    """

    run: Run

    @cached_property
    def classes(self) -> NDArray[np.int64]:
        """Those that have explained images with a map of them; the others are left out."""
        return np.flatnonzero(self.run.summary.counts)

    @cached_property
    def scale(self) -> Scale:
        """Reaches as far as the strongest means."""
        strengths = self.run.summary.mean_strengths[self.classes]
        limit = float(np.percentile(strengths, PERCENTILE))
        return Scale(limit or float(strengths.max()) or 1.0, self.run.colormap, self.run.grain)

    @cached_property
    def columns(self) -> int:
        """Classes in a row."""
        return n_shown(len(self.classes))

    @cached_property
    def fit(self) -> Fit:
        """Thumbnails that fill the page's width."""
        room = PAGE_WIDTH - 2 * MARGIN - LABEL
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
        What was written: one picture up to forty classes, then one more for each forty; none if
        no image has a map of its true class.
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
    """Draw the means of these classes, each of which has explained images."""
    width = max(NARROWEST_PAGE, MARGIN + LABEL + means.columns * means.step + MARGIN)
    bottom = FIRST_BAND_TOP + -(-len(classes) // means.columns) * means.band_step
    footer = Footer(_caption(means), width)
    board = Board(width, bottom + footer.height)
    board.write(MARGIN, TITLE_TOP, "What speaks for each class, on average", TITLE)
    for place, shown in enumerate(classes):
        band, column = divmod(place, means.columns)
        y = FIRST_BAND_TOP + band * means.band_step
        if column == 0:
            _write_row_names(board, means, y)
        _draw_class(board, means, int(shown), (MARGIN + LABEL + column * means.step, y))
    footer.draw(board, means.scale, means.run.explanation.about)
    return board


def _write_row_names(board: Board, means: ClassMeans, y: int) -> None:
    middle = y + HEAD + means.fit.height // 2
    for row, name in enumerate(ROWS):
        top = middle + row * means.row_step - LABEL_LIFT
        board.paragraph(MARGIN, top, name, LABEL_TEXT)


def _draw_class(board: Board, means: ClassMeans, shown: int, corner: tuple[int, int]) -> None:
    """Draw a class's name, number of images and three thumbnails from this corner on."""
    run, fit, (x, y) = means.run, means.fit, corner
    middle = x + fit.width / 2
    name = shorten(run.class_names[shown], means.step - GAP)
    board.write(middle, y, name, CENTERED)
    board.write(middle, y + LINE, f"n = {run.summary.counts[shown]:,}", UNDER_THUMBNAIL)
    explanation = run.explanation
    own = (explanation.labels == shown) & (explanation.map_indices(shown) >= 0)
    images = explanation.images[own]
    image = np.rint(images.mean(axis=0)).astype(np.uint8)
    maps = np.stack([run.summary.means[shown], run.summary.mean_strengths[shown]])
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
    empty = int((means.run.summary.counts == 0).sum())
    absent = (
        f" {empty} classes have no explained image{with_map} and are left out." if empty else ""
    )
    return (
        f"For each class, over its n explained images{with_map}: the mean of the attribution to "
        f"that very class and, below, of its size whatever the sign, in "
        f"{captions.unit(about, means.scale.grain)}, against {captions.background(about)}, by "
        f"{captions.method(about)}. What is strong in the lower map and pale in the upper one "
        "speaks for the class in some images and against it in others. Under each map: its sum "
        "over all pixels. The mean image lies faintly under it. Both have one scale: "
        f"±{captions.number(means.scale.limit)}, the {PERCENTILE}th percentile of mean "
        "|attribution|."
        f"{captions.downsampling_sentence(means.fit.factor)}{absent}"
    )
