"""Shortcuts: each finding with its region, its members, and other images before and after."""

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.shortcuts import N_EXAMPLES, N_TRANSPLANTS, NONE, Shortcuts
from stages.drawing.board import Board
from stages.drawing.layout import LINE, MARGIN, NARROWEST_PAGE, TITLE_TOP, UNDER_THUMBNAIL_TOP
from stages.drawing.photographs import outlines, sampled
from stages.drawing.scale import Scale
from stages.drawing.text import BODY, QUIET, TITLE, UNDER_THUMBNAIL, printable, wrap
from stages.drawing.thumbnails import Fit, Painter
from stages.figures import captions
from stages.figures.footer import Footer
from stages.figures.run import Run
from stages.measures.attributions.summary import PERCENTILE

MOST_FINDINGS = 12  # drawn
SIDE, PHOTO_SIDE = 84, 128  # of a thumbnail in pixels, at most
FIRST_ROW_TOP = 44
HEAD = 22  # names above the thumbnails
UNDER_ROW = 24
BETWEEN = 20  # findings, and the three parts of one
EDGE = np.array([220, 20, 60], np.uint8)  # of a region


@dataclass(frozen=True)
class ShortcutPictures:
    """What is drawn of a search, with its colour scale and layout.

    Attributes:
        run: The run; its `shortcuts` are there.
        shortcuts: What was found.
    """

    run: Run
    shortcuts: Shortcuts

    @cached_property
    def scale(self) -> Scale:
        """The scale of all maps, by the search's blocks."""
        maps = np.abs(self.shortcuts.maps)
        limit = float(np.percentile(maps, PERCENTILE)) if maps.size else 0.0
        return Scale(limit or 1.0, self.run.colormap, int(self.shortcuts.about["block_px"]))

    @cached_property
    def fit(self) -> Fit:
        """Size of the thumbnails."""
        side = PHOTO_SIDE if self.run.is_fine else SIDE
        return Fit.of(self.run.image_size, (side, side))

    @cached_property
    def painter(self) -> Painter:
        """Paints images and maps."""
        return Painter(self.scale, self.fit, self.run.dark)

    @cached_property
    def class_names(self) -> list[str]:
        """Names that the font can draw."""
        return printable(self.shortcuts.class_names)

    @property
    def width(self) -> int:
        """Of a picture of findings."""
        thumbnails = (1 + N_EXAMPLES + N_TRANSPLANTS) * self.fit.column
        return max(NARROWEST_PAGE, 2 * MARGIN + thumbnails + 2 * BETWEEN)

    @property
    def row_step(self) -> int:
        """Pixels from the images to the maps under them."""
        return self.fit.height + UNDER_ROW

    def sentence(self, number: int) -> list[str]:
        """Lines that say what was found."""
        return wrap(printable([self.shortcuts.sentence(number)])[0], self.width - 2 * MARGIN, BODY)

    def height(self, number: int) -> int:
        """Pixels that a finding needs."""
        return len(self.sentence(number)) * LINE + HEAD + 2 * self.row_step + BETWEEN

    def about(self) -> dict[str, object]:
        """The explanation's description; pasting is about logits, whatever explain was about."""
        return {**self.run.explanation.about, "output": "logits"}

    def pictures_of(self, row: int) -> list[NDArray[np.uint8]]:
        """Thumbnails of a searched image and its map."""
        shortcuts = self.shortcuts
        maps = np.asarray(shortcuts.maps[row], np.float64)[None]
        return self.painter.paint(shortcuts.image(row), maps)


def draw_shortcuts(folder: Path, run: Run) -> list[Path]:
    """Draw `shortcuts.png`: the findings, class by class.

    Returns:
        The files written; none if nothing was found.
    """
    if run.shortcuts is None or not len(run.shortcuts.findings):
        return []
    pictures = ShortcutPictures(run, run.shortcuts)
    path = folder / "shortcuts.png"
    draw_findings(pictures, range(min(MOST_FINDINGS, len(run.shortcuts.findings)))).save(path)
    return [path]


def draw_findings(pictures: ShortcutPictures, numbers: range, title: bool = True) -> Board:
    """A picture of some findings."""
    top = FIRST_ROW_TOP if title else MARGIN
    footer = Footer(_caption(pictures), pictures.width)
    height = top + sum(map(pictures.height, numbers)) + (footer.height if title else 0)
    board = Board(pictures.width, height)
    if title:
        board.write(MARGIN, TITLE_TOP, "Shortcuts: parts that alone move images to a class", TITLE)
        footer.draw(board, pictures.scale, pictures.about(), pictures.run.is_fine)
    for number in numbers:
        _draw_finding(board, pictures, number, top)
        top += pictures.height(number)
    return board


def _draw_finding(board: Board, pictures: ShortcutPictures, number: int, y: int) -> None:
    shortcuts, fit = pictures.shortcuts, pictures.fit
    for line in pictures.sentence(number):
        board.write(MARGIN, y, line, BODY)
        y += LINE
    x, top = MARGIN, y + HEAD
    rows = [int(row) for row in shortcuts.example_rows[number] if row != NONE]
    board.write(x, y, "the region", QUIET)
    region = sampled(shortcuts.regions[number] > 0, (fit.height, fit.width))
    photo = pictures.pictures_of(rows[0])[0].copy()
    photo[outlines(region.astype(np.int64), region)] = EDGE
    board.thumbnail(x, top, photo, "other")
    x += fit.column + BETWEEN
    board.write(x, y, "images that go by it, and their maps", QUIET)
    for row in rows:
        for part, thumbnail in enumerate(pictures.pictures_of(row)):
            board.thumbnail(x, top + part * pictures.row_step, thumbnail, "other")
        x += fit.column
    x = MARGIN + (1 + N_EXAMPLES) * fit.column + 2 * BETWEEN
    board.write(x, y, "others before, after pasting: probability", QUIET)
    for index in range(N_TRANSPLANTS):
        _draw_transplant(board, pictures, (number, index), (x, top))
        x += fit.column


def _draw_transplant(
    board: Board, pictures: ShortcutPictures, which: tuple[int, int], corner: tuple[int, int]
) -> None:
    shortcuts, (x, y) = pictures.shortcuts, corner
    blank = np.zeros((1, *shortcuts.maps.shape[1:]))
    images = shortcuts.image(int(shortcuts.host_rows[which])), shortcuts.transplants[which]
    for part, image in enumerate(images):
        top = y + part * pictures.row_step
        board.thumbnail(x, top, pictures.painter.paint(np.asarray(image), blank)[0], "other")
        share = percent(shortcuts.transplant_odds[which][part])
        middle, under = x + pictures.fit.width / 2, top + pictures.fit.height + UNDER_THUMBNAIL_TOP
        board.write(middle, under, share, UNDER_THUMBNAIL)


def percent(share: float) -> str:
    """A share with as many decimals, one to four, as show its first digit: pasting may raise it."""
    digits = -math.floor(math.log10(100 * max(share, 1e-6)))
    return f"{share:.{max(1, digits)}%}"


def _caption(pictures: ShortcutPictures) -> str:
    shortcuts, about = pictures.shortcuts, pictures.about()
    return (
        f"Searched: {len(shortcuts.indices):,} images of the {shortcuts.about['split']} split; "
        "candidates tested on images that took no part in the search: "
        f"{shortcuts.about['n_tests']}. p-values are corrected for their number (Holm). Effects "
        "are in log-odds of the class, beyond those of other images' pixels in the same places. "
        f"Maps: attributions to the predicted class, by {captions.method(about)}. What a "
        "network should not go by is for a person to say: a part that belongs to the class can be "
        "found, too."
    )
