"""A user's pictures as the network's input, and warnings about those it was not trained for."""

import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from stages.artifacts.features import FAR, TrainingFeatures
from stages.artifacts.splits import DatasetInfo
from stages.base.errors.user import UserError
from stages.datasets.base.decode import MOST_PIXELS, decode
from stages.datasets.base.decoded import UnusableImage
from stages.datasets.base.layout import visible
from stages.drawing.board import Board
from stages.drawing.layout import GAP, MARGIN, TITLE_TOP
from stages.drawing.photographs import is_tall, is_wide
from stages.drawing.scale import luma, to_rgb
from stages.drawing.text import BODY, TITLE, printable, shorten
from stages.drawing.thumbnails import Fit
from stages.explorer.strokes import StrokeStyle
from stages.params.preprocess import Color
from stages.preparation.arrays import converted
from stages.preparation.pixels import eight_bits
from tools.lifting import lifted, looks_like_training

STDIN = "-"
FLAT = 8  # smallest range of brightness, of 255, that shows anything
SHOWN = 240  # pixels: side of the room for a picture in the overview
LONG = 600  # its longer side if the network's images are much longer on one side
FIRST_ROW_TOP, NAME = 52, 22  # pixels
MOST_SHOWN = 50

LIFTED = (
    "strokes lifted from the paper and placed as in the training images (--as-is: only resized)"
)
NO_STROKES = "no strokes stand out from the paper, so the picture is only resized"


class Picture(NamedTuple):
    """A picture as the network's input.

    Attributes:
        name: The file's name.
        pixels: Converted image (c, h, w).
        photo: The picture itself in colour (height, width, 3), as large as the overview shows it.
        note: What was done to it besides resizing, or why that was not possible; "" for nothing.
    """

    name: str
    pixels: NDArray[np.uint8]
    photo: NDArray[np.uint8]
    note: str = ""


def read_pictures(
    names: Sequence[str], info: DatasetInfo, style: StrokeStyle | None, invert: bool
) -> list[Picture]:
    """Read image files, the visible files of folders, and standard input.

    Args:
        names: Paths, or `STDIN`.
        info: Size, colours and range of the network's input.
        style: Strokes of the training images, to lift those of photographs; None to only resize.
        invert: Whether to swap dark and light.

    Raises:
        UserError: Files are missing or are not images, all of which are listed; or the network's
            images have neither 1 nor 3 channels.
    """
    if info.channels not in (1, 3):
        raise UserError(
            f"image files have 1 or 3 channels, and the network takes images of {info.channels}; "
            "set explain.images to explain images of the test split"
        )
    options = info.parameters.get("data", {}).get("options", {})
    in_window = info.parameters.get("preprocess", {}).get("pixel_range") is None
    pictures, errors = [], []
    files = list(chain.from_iterable(map(files_of, names)))
    for name in tqdm(files, desc="pictures", delay=1, leave=False, disable=None):
        try:
            content = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
            pixels, window = decode(content, options.get("most_pixels", MOST_PIXELS))
            image = eight_bits(pixels, window if in_window else info.pixel_range)
        except (UnusableImage, UserError, OSError) as error:
            errors.append(f"\n  {name}: {getattr(error, 'strerror', None) or error}")
        else:
            image = 255 - image if invert else image
            pictures.append(picture_of(Path(name).name, image, info, style))
    if errors:
        raise UserError(f"not used as images: {len(errors):,} files{''.join(errors)}")
    return pictures


def files_of(name: str) -> list[str]:
    """The visible files of a folder, sorted, or the name itself.

    Raises:
        UserError: The folder has no files.
    """
    if not Path(name).is_dir():
        return [name]
    files = [str(f) for f in visible(Path(name)) if f.is_file()]
    if not files:
        raise UserError(f"{name}: the folder has no files; name one that contains images")
    return files


def picture_of(
    name: str, image: NDArray[np.uint8], info: DatasetInfo, style: StrokeStyle | None
) -> Picture:
    """Convert a decoded image (1 or 3, height, width) to the network's input."""
    color: Color = "grey" if info.channels == 1 else "rgb"
    photo = Image.fromarray(to_rgb(image[None])[0])
    photo.thumbnail(room_for(info.image_size)[::-1])
    resized = Picture(name, converted(image, color, info.image_size), np.asarray(photo))
    if style is None:
        return resized
    (grey,) = converted(image, "grey", None)
    if looks_like_training(grey, style, info.image_size):
        return resized
    strokes = lifted(grey, style, info.image_size)
    if strokes is None:
        return resized._replace(note=NO_STROKES)
    return resized._replace(pixels=strokes[None], note=LIFTED)


def warning_of(
    picture: Picture, distances: tuple[float, float], features: TrainingFeatures, inverted: bool
) -> str:
    """A warning if a picture does not look like the training images, else "".

    Args:
        picture: The converted picture.
        distances: Distances of the picture and of its negative from the training images.
        features: Features of the training images.
        inverted: Whether dark and light were swapped.
    """
    if np.ptp(255 * luma(picture.pixels[None])) < FLAT:
        return "is empty: all its pixels have nearly the same brightness"
    distance, negative = distances
    percent = features.percent_nearer(distance)
    if percent < FAR:
        return ""
    if features.percent_nearer(negative) < FAR:
        advice = "leave out --invert" if inverted else "run python -m tools.explain with --invert"
        return f"looks like a negative of the training images; {advice}"
    return (
        "looks unlike the training images: farther from them than "
        f"{f'{percent} %' if percent < 100 else 'all'} of the test images (cosine distance "
        f"{distance:.2f} in the last hidden layer; {FAR} % of the test images: at most "
        f"{features.quantiles[FAR]:.2f})"
    )


def room_for(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of the room for pictures, with a network for images of this size."""
    return LONG if is_tall(size) else SHOWN, LONG if is_wide(size) else SHOWN


def draw_inputs(pictures: Sequence[Picture]) -> Board:
    """Each picture beside what the network sees; of many pictures, the first."""
    shown = pictures[:MOST_SHOWN]
    height, width = shown[0].pixels.shape[1:]
    room = room_for((height, width))
    fit = Fit.of((height, width), room)
    row = NAME + room[0] + GAP
    board = Board(2 * (MARGIN + room[1]) + GAP, FIRST_ROW_TOP + len(shown) * row + MARGIN)
    seen_x = MARGIN + room[1] + GAP
    board.write(MARGIN, TITLE_TOP, "Picture", TITLE)
    board.write(seen_x, TITLE_TOP, "The network sees", TITLE)
    names = printable([picture.name for picture in shown])
    for number, (picture, name) in enumerate(zip(shown, names, strict=True)):
        top = FIRST_ROW_TOP + number * row
        board.write(MARGIN, top, shorten(name, board.width - 2 * MARGIN, BODY), BODY)
        board.thumbnail(MARGIN, top + NAME, picture.photo, "other")
        board.thumbnail(seen_x, top + NAME, fit.photo(picture.pixels), "other")
    return board


def warnings_of(
    pictures: Sequence[Picture],
    distances: NDArray[np.float64],
    features: TrainingFeatures,
    inverted: bool,
) -> Iterator[str]:
    """Warnings about the pictures, each with the picture's name.

    Args:
        pictures: The n pictures.
        distances: Distances (n, 2) of the pictures and of their negatives from the training images.
        features: Features of the training images.
        inverted: Whether dark and light were swapped.
    """
    for picture, (distance, negative) in zip(pictures, distances.tolist(), strict=True):
        if warning := warning_of(picture, (distance, negative), features, inverted):
            yield f"{picture.name}: {warning}"
