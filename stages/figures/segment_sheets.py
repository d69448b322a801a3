"""Segments of large images: the sum of the attributions in each region, ranked in a table."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stages.base.run.bars import ProgressBar
from stages.drawing.board import Board
from stages.drawing.layout import (
    FOLDED_LINE,
    LINE,
    MARGIN,
    PAGE_WIDTH,
)
from stages.drawing.photographs import PhotoPainter, fitted, is_tall, is_wide, outlines, sampled
from stages.drawing.segments import INSTALL, can_segment, middles, segments_of
from stages.drawing.text import (
    BODY,
    BOLD,
    CENTERED,
    QUIET,
    TICK,
    fold,
    shorten,
)
from stages.figures import captions
from stages.figures.cards import BETWEEN, HEAD, PHOTOS_ON_SHEETS, draw_cards, n_cards
from stages.figures.labels import LABEL_HEIGHT, write_label
from stages.figures.photo_maps import PhotoMaps
from stages.figures.run import Run

RANKED = 10  # regions in the table, and numbered on the pictures
ROOM = (384, 384)  # height and width of a picture
TALL_ROOM = (800, 200)
NARROWEST = 120  # so that a class name above the map stays readable
PAGE_HEIGHT = 1560

TABLE_WIDTH = 340
TABLE_HEIGHT = LABEL_HEIGHT + BETWEEN + (RANKED + 4) * LINE
BADGE = (14, 20)  # height and width of the white ground under a number
BORDER = 0.6  # opacity of the white borders between regions


@dataclass(frozen=True)
class SegmentLayout:
    """Positions and sizes on a sheet, in pixels.

    Attributes:
        size: Height and width of the photograph and of the map.
        beside: Whether photograph, map and table stand side by side, not below each other.
    """

    size: tuple[int, int]
    beside: bool

    @classmethod
    def of(cls, run: Run) -> Self:
        """The layout for the images' shape."""
        if is_wide(run.image_size):
            return cls(fitted(run.image_size, (ROOM[0], PAGE_WIDTH - 2 * MARGIN)), beside=False)
        room = TALL_ROOM if is_tall(run.image_size) else ROOM
        return cls(fitted(run.image_size, room), beside=True)

    @property
    def map_corner(self) -> tuple[int, int]:
        """The map's top left on a card."""
        step = HEAD + self.size[0] + BETWEEN
        return (max(self.size[1], NARROWEST) + BETWEEN, HEAD) if self.beside else (0, step + HEAD)

    @property
    def table_corner(self) -> tuple[int, int]:
        """The table's top left on a card."""
        x, y = self.map_corner
        if self.beside:
            return x + max(self.size[1], NARROWEST) + 2 * BETWEEN, y
        return 0, y + self.size[0] + BETWEEN

    @property
    def card_height(self) -> int:
        """Height of a card."""
        return max(HEAD + self.size[0], self.table_corner[1] + TABLE_HEIGHT)

    @property
    def n_rows(self) -> int:
        """Cards on a sheet."""
        return n_cards(self.card_height, PAGE_HEIGHT)

    @property
    def width(self) -> int:
        """Width of the sheet."""
        content = self.table_corner[0] + TABLE_WIDTH
        return 2 * MARGIN + max(content, self.size[1], 640)


def draw_segments(folder: Path, run: Run) -> list[Path]:
    """Draw the segments of large images as `segments_000.png` and so on.

    Returns:
        The files written: none for small images, and none without scikit-image, after a line that
        says how to install it.
    """
    if not run.is_fine:
        return []
    if not can_segment():
        print(f"Pictures of segments are left out: they need scikit-image: {INSTALL}")
        return []
    paths: list[Path] = []
    for sheet in segment_sheets_of(run):
        paths.append(folder / f"segments_{len(paths):03d}.png")
        sheet.save(paths[-1])
    return paths


def segment_sheets_of(run: Run) -> Iterator[Board]:
    """Yield the sheets of the first explained images."""
    n_rows = SegmentLayout.of(run).n_rows
    starts = range(0, min(len(run.explanation.labels), PHOTOS_ON_SHEETS), n_rows)
    for start in ProgressBar(starts, desc="draw segments", unit="sheet"):
        yield draw_segment_sheet(run, start)


def draw_segment_sheet(run: Run, start: int) -> Board:
    """The sheet whose first card is the explained image with index `start`."""
    layout = SegmentLayout.of(run)

    def draw_card(board: Board, image_index: int, corner: tuple[int, int]) -> None:
        regions = segments_of(run.explanation.images[image_index])
        _draw_card(board, PhotoMaps.of(run, image_index, regions), layout, corner)

    return draw_cards(run, start, layout, ("Evidence by region", _caption(run)), draw_card)


def _draw_card(
    board: Board, maps: PhotoMaps, layout: SegmentLayout, corner: tuple[int, int]
) -> None:
    """Draw the photograph with its regions, the map of the first class and the table."""
    (x, y), run, regions = corner, maps.run, maps.areas
    image = run.explanation.images[maps.image_index]
    ranked = np.argsort(-np.abs(maps.own_sums[0]), kind="stable")[:RANKED]
    painter = PhotoPainter(maps.scale, layout.size)
    spread = None if maps.errors is None else maps.errors[:1, regions]
    drawing = painter.paint(image, maps.own_sums[:1, regions], regions, spread)[0]
    photo = painter.photo(image)
    large = sampled(regions, layout.size)
    borders = outlines(large, np.ones(large.shape, bool))
    photo[borders] = np.rint(photo[borders] + BORDER * (255.0 - photo[borders]))
    points = middles(regions)[ranked] * layout.size // regions.shape
    map_x, map_y = x + layout.map_corner[0], y + layout.map_corner[1]
    for left, top, picture in ((x, y + HEAD, photo), (map_x, map_y, drawing)):
        _number(board, picture, points, (left, top))
        board.thumbnail(left, top, picture)
    for number, line in enumerate(reversed(fold(maps.names[0], max(layout.size[1], NARROWEST)))):
        line_top = map_y - HEAD + FOLDED_LINE * (1 - number)
        board.write(map_x + layout.size[1] / 2, line_top, line, CENTERED)
    table_x, table_y = x + layout.table_corner[0], y + layout.table_corner[1]
    write_label(board, run, maps.image_index, (table_x, table_y), TABLE_WIDTH - BETWEEN)
    _write_table(board, maps, ranked, (table_x, table_y + LABEL_HEIGHT + BETWEEN))


def _number(
    board: Board,
    picture: NDArray[np.uint8],
    points: NDArray[np.int64],
    corner: tuple[int, int],
) -> None:
    """Write 1, 2, … at points (row, column) of a picture, on a white ground."""
    height, width = BADGE
    for rank, (row, column) in enumerate(points, start=1):
        top = int(np.clip(row - height // 2, 0, max(0, picture.shape[0] - height)))
        left = int(np.clip(column - width // 2, 0, max(0, picture.shape[1] - width)))
        picture[top : top + height, left : left + width] = 255
        board.write(corner[0] + left + width / 2, corner[1] + top + 1, str(rank), TICK)


def _write_table(
    board: Board, maps: PhotoMaps, ranked: NDArray[np.int64], corner: tuple[int, int]
) -> None:
    """Write the sums of the ranked regions, of all others, and of all, for up to two classes."""
    (x, y), about = corner, maps.run.explanation.about
    sums = maps.own_sums[:2]
    n_others = sums.shape[1] - len(ranked)
    others = np.delete(sums, ranked, axis=1).sum(axis=1)
    ends = [x + TABLE_WIDTH - BETWEEN - 110 * (len(sums) - 1 - k) for k in range(len(sums))]
    for end, name in zip(ends, maps.names, strict=False):
        board.write(end, y, shorten(name, 104), replace(QUIET, align="right"))
    board.write(x, y, "region", QUIET)
    rows = [(str(rank), sums[:, region]) for rank, region in enumerate(ranked, start=1)]
    rows += [(f"{n_others} others", others)] if n_others else []
    rows += [("all regions", sums.sum(axis=1))]
    for line, (name, values) in enumerate(rows, start=1):
        style = BOLD if line == len(rows) else BODY
        board.write(x, y + line * LINE, name, style)
        for end, value in zip(ends, values, strict=True):
            text = captions.signed(float(value), about)
            board.write(end, y + line * LINE, text, replace(style, align="right"))


def _caption(run: Run) -> str:
    about, scale = run.explanation.about, run.scale
    noun, _ = run.nouns
    which, table = f"most probable explained {noun}", f", beside the sum for the next {noun}"
    if run.explanation.classes.shape[1] == 1:
        which, table = f"explained {noun}", ""
    return (
        "Regions of similar colour (SLIC), and the sum of the attributions over each region, in "
        f"{captions.UNITS[about['output']]}: {scale.warm} raises, {scale.cool} lowers the output "
        f"of the {which}; the stronger, the more opaque. The table ranks the regions by |sum| for "
        f"that {noun}{table}. The sums of all "
        f"regions add up to the sum over all pixels. Relative to {captions.background(about)}, by "
        f"{captions.method(about)}.{captions.fade_sentence(run)}"
        f"{f' {captions.explained_sentence(run)}' if run.explanation.one_logit else ''}"
    )
