"""Sheets of large images: each photograph large, with the maps of its most probable classes."""

from dataclasses import dataclass
from typing import Self

from stages.drawing.board import BAR_WIDTH, Board
from stages.drawing.layout import (
    FOLDED_LINE,
    MARGIN,
    PAGE_WIDTH,
    UNDER_THUMBNAIL_TOP,
)
from stages.drawing.photographs import PhotoPainter, block_areas, fitted, is_tall, is_wide
from stages.drawing.text import CENTERED, UNDER_THUMBNAIL, fold
from stages.figures import captions
from stages.figures.cards import BETWEEN, HEAD, draw_cards, n_cards
from stages.figures.labels import LABEL_HEIGHT, write_label
from stages.figures.photo_maps import ALIKE, PERCENTILE, TOP_MAPS, PhotoMaps, has_difference
from stages.figures.run import Run

PAGE_HEIGHT = 1640  # limit for the cards of a sheet: two of square images

PHOTO_ROOM = (420, 420)  # height and width
MAP_ROOM = (320, 320)
TALL_ROOM = (1000, 400)  # of images much taller than wide, and of their maps

UNDER_MAP = 22
BAR_HEIGHT = 60
NOTE_HEIGHT = 36  # two lines
FACTS_HEIGHT = LABEL_HEIGHT + BETWEEN + BAR_HEIGHT + NOTE_HEIGHT


@dataclass(frozen=True)
class PhotoLayout:
    """Positions and sizes on a sheet, in pixels.

    Attributes:
        photo: Height and width of a photograph.
        map: Height and width of a map.
        columns: Maps in a row.
        n_maps: Most maps of an image.
        beside: Whether the maps stand on the right of the photograph, not below it.
    """

    photo: tuple[int, int]
    map: tuple[int, int]
    columns: int
    n_maps: int
    beside: bool

    @classmethod
    def of(cls, run: Run) -> Self:
        """The layout for the images' shape: maps in two columns, one (wide), or a row (tall)."""
        n_classes = min(TOP_MAPS, run.explanation.classes.shape[1])
        n_maps = n_classes + has_difference(run)
        if is_wide(run.image_size):
            room = (MAP_ROOM[0], PAGE_WIDTH - 2 * MARGIN)
            size = fitted(run.image_size, room)
            return cls(size, size, 1, n_maps, beside=False)
        if is_tall(run.image_size):
            room = (TALL_ROOM[0], TALL_ROOM[1] // 2)
            size = fitted(run.image_size, room)
            return cls(size, size, n_maps, n_maps, beside=True)
        photo, size = (fitted(run.image_size, room) for room in (PHOTO_ROOM, MAP_ROOM))
        return cls(photo, size, min(2, n_maps), n_maps, beside=True)

    @property
    def facts_width(self) -> int:
        """Width of the column with the photograph, the label and the colour bar."""
        return max(self.photo[1], BAR_WIDTH)

    @property
    def step(self) -> tuple[int, int]:
        """From one map to the next: down and right."""
        narrowest = 120 if self.columns > 2 else 0
        return HEAD + self.map[0] + UNDER_MAP, max(self.map[1], narrowest) + BETWEEN

    @property
    def maps_corner(self) -> tuple[int, int]:
        """The top left of the first map's head on a card."""
        if self.beside:
            return self.facts_width + BETWEEN, 0
        return 0, self.photo[0] + BETWEEN + FACTS_HEIGHT

    @property
    def card_height(self) -> int:
        """Height of a card."""
        n_rows = -(-self.n_maps // self.columns)
        maps = self.maps_corner[1] + n_rows * self.step[0]
        return max(HEAD + self.photo[0] + BETWEEN + FACTS_HEIGHT, maps)

    @property
    def n_rows(self) -> int:
        """Cards on a sheet."""
        return n_cards(self.card_height, PAGE_HEIGHT)

    @property
    def width(self) -> int:
        """Width of the sheet."""
        content = self.maps_corner[0] + self.columns * self.step[1] - BETWEEN
        return 2 * MARGIN + max(content, self.photo[1], 640)


def draw_photo_sheet(run: Run, start: int) -> Board:
    """The sheet whose first card is the explained image with index `start`."""
    layout = PhotoLayout.of(run)
    areas = block_areas(run.image_size, run.grain)
    title = f"Evidence for and against the most probable {run.nouns[1]}"

    def draw_card(board: Board, image_index: int, corner: tuple[int, int]) -> None:
        _draw_card(board, PhotoMaps.of(run, image_index, areas), layout, corner)

    return draw_cards(run, start, layout, (title, _caption(run)), draw_card)


def _draw_card(board: Board, maps: PhotoMaps, layout: PhotoLayout, corner: tuple[int, int]) -> None:
    """Draw the photograph, the facts about it, and its maps; `corner` is the top left."""
    (x, y), run, about = corner, maps.run, maps.run.explanation.about
    image = run.explanation.images[maps.image_index]
    spread = None if maps.errors is None else maps.errors[:, maps.areas]
    painter = PhotoPainter(maps.scale, layout.map)
    drawings = painter.paint(image, maps.sums[:, maps.areas], maps.areas, spread)
    photo_top = y + (HEAD if layout.beside else 0)
    board.thumbnail(x, photo_top, PhotoPainter(maps.scale, layout.photo).photo(image))
    _write_facts(board, maps, (x, photo_top + layout.photo[0] + BETWEEN), layout.facts_width)
    left, top = x + layout.maps_corner[0], y + layout.maps_corner[1]
    for position, (drawing, name) in enumerate(zip(drawings, maps.names, strict=True)):
        row, column = divmod(position, layout.columns)
        map_x, head_y = left + column * layout.step[1], top + row * layout.step[0]
        middle = map_x + layout.map[1] / 2 if layout.beside else map_x + layout.map[1] // 2
        for number, line in enumerate(reversed(fold(name, layout.step[1] - BETWEEN))):
            board.write(middle, head_y + FOLDED_LINE * (1 - number), line, CENTERED)
        is_class = position < len(maps.classes)
        role = run.role(maps.image_index, int(maps.classes[position])) if is_class else "other"
        board.thumbnail(map_x, head_y + HEAD, drawing, role)
        total = captions.signed(float(maps.sums[position].sum()), about)
        bottom = head_y + HEAD + layout.map[0] + UNDER_THUMBNAIL_TOP
        board.write(middle, bottom, total, UNDER_THUMBNAIL)


def _write_facts(board: Board, maps: PhotoMaps, corner: tuple[int, int], width: int) -> None:
    """Write the label, the image's colour bar, and a note on areas beyond it."""
    (x, y), about = corner, maps.run.explanation.about
    write_label(board, maps.run, maps.image_index, (x, y), min(width, BAR_WIDTH))
    bar_top = y + LABEL_HEIGHT + BETWEEN
    label = captions.bar_label(about, maps.scale)
    board.color_bar(x, bar_top, maps.scale, label, covering=True)
    if maps.n_beyond:
        blocks = "one block is" if maps.n_beyond == 1 else f"{maps.n_beyond} blocks are"
        board.paragraph(x, bar_top + BAR_HEIGHT, f"Outlined: {blocks} beyond the bar.", width)


def _caption(run: Run) -> str:
    about, scale = run.explanation.about, run.scale
    n_maps = run.explanation.classes.shape[1]
    n_classes = min(TOP_MAPS, n_maps)
    one, several = run.nouns
    which = f"the explained {one}" if n_maps == 1 else f"the {n_classes} most probable {several}"
    difference = (
        f" Where the first two maps are almost alike (cosine similarity of {ALIKE} or more), their "
        f"difference follows: {scale.warm} speaks for the first class rather than the second."
        if has_difference(run)
        else ""
    )
    return (
        f"Maps of {which}: how much each block of {run.grain} × {run.grain} pixels raises "
        f"({scale.warm}) or lowers ({scale.cool}) the {one}'s output, in "
        f"{captions.unit(about, run.grain)}, relative to {captions.background(about)}, by "
        f"{captions.method(about)}. The stronger, the more opaque over the grey photograph."
        f"{difference} Each image has its own scale, up to the {PERCENTILE:g}th percentile of "
        "|attribution| of its blocks. Below each map: its sum over all pixels. "
        f"{captions.frame_sentence(run)}{captions.fade_sentence(run)} "
        f"{captions.explained_sentence(run)}"
    ).strip()
