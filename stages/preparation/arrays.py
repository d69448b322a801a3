"""Converts raw images to arrays of one size and colour."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stages.artifacts.splits import Names, Split, SplitName
from stages.base.errors.memory import require_free_memory
from stages.base.errors.user import UserError
from stages.base.run.bars import ProgressBar
from stages.params.preprocess import SMALLEST_SIDE_PX, Color, Preprocess
from stages.preparation.pixels import eight_bits
from stages.preparation.splitting import Selection

MODES = {"grey": "L", "rgb": "RGB"}  # Pillow's names
KINDS = {1: "grey", 3: "colour"}  # of images, by their number of channels

Shape = tuple[int, int, int]
Range = tuple[float, float]


def converted(
    image: NDArray[np.uint8], color: Color | None, size: tuple[int, int] | None
) -> NDArray[np.uint8]:
    """An image converted to other colours and another size.

    Resizing is bilinear, antialiased when it shrinks; other proportions are squashed, and
    nothing is cropped.

    Args:
        image: (channels, height, width).
        color: Grey or RGB; None keeps the channels.
        size: Height and width in pixels; None keeps the size.

    Returns:
        (channels, height, width), uint8.

    Raises:
        UserError: Colours are asked of an image that has neither 1 nor 3 channels.
    """
    if len(image) not in (1, 3):
        if color is not None:
            raise UserError(
                f"preprocess.color: must be null for images of {len(image)} channels (got {color})"
            )
        return np.concatenate([converted(channel[None], None, size) for channel in image])
    pillow = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
    if color is not None:
        pillow = pillow.convert(MODES[color])
    if size is not None:
        height, width = size
        pillow = pillow.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(pillow)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def shape_of_first(selection: Selection, options: Preprocess, pixel_range: Range | None) -> Shape:
    """Channels, height and width of the first converted image, which all others must share.

    Raises:
        UserError: The image is smaller than `SMALLEST_SIDE_PX`.
    """
    channels, height, width = _image(selection, 0, options, pixel_range).shape
    if min(height, width) < SMALLEST_SIDE_PX:
        raise UserError(
            f"data: images of {height}×{width} pixels, expected at least {SMALLEST_SIDE_PX}×"
            f"{SMALLEST_SIDE_PX}; set preprocess.image_size to enlarge them"
        )
    return channels, height, width


def require_memory(selections: Mapping[SplitName, Selection], shape: Shape) -> None:
    """Raise `MemoryError` before memory is full, if arrays of this shape will not fit."""
    n_images = {name: len(selection.indices) for name, selection in selections.items()}
    # One byte per pixel, and eight more per training pixel to compute the standard deviation.
    n_bytes = math.prod(shape) * (sum(n_images.values()) + 8 * n_images["train"])
    require_free_memory(
        n_bytes, f"{sum(n_images.values()):,} images of {shape[1]}×{shape[2]} pixels"
    )


def to_arrays(
    selection: Selection, options: Preprocess, shape: Shape, pixel_range: Range | None = None
) -> Split:
    """The images of a split, decoded and converted, with their labels.

    Args:
        selection: The images.
        options: Size and colours.
        shape: Channels, height and width of the first training image.
        pixel_range: What `chosen_range` returned.

    Raises:
        UserError: The images differ in shape, and no parameter sets a common one.
    """
    images, indices = selection.source.images, selection.indices
    labels = selection.source.labels[indices]
    if isinstance(images, np.ndarray) and images.shape[1:] == shape:
        return Split(images[indices], labels)
    pixels = np.empty((len(indices), *shape), np.uint8)
    different: list[tuple[int, Shape]] = []
    progress = ProgressBar(range(len(indices)), desc="preprocess", unit="image")
    for row in progress:
        image = _image(selection, row, options, pixel_range)
        if image.shape == shape:
            pixels[row] = image
        else:
            different.append((row, image.shape))
    if different:
        raise UserError(_difference(selection.names, different, shape))
    return Split(pixels, labels)


def _image(
    selection: Selection, row: int, options: Preprocess, pixel_range: Range | None
) -> NDArray[np.uint8]:
    index = int(selection.indices[row])
    image, windows = selection.source.images[index], selection.source.windows
    if options.pixel_range is None and windows is not None and not np.isnan(windows[index, 0]):
        pixel_range = windows[index, 0], windows[index, 1]
    try:
        return converted(eight_bits(image, pixel_range), options.color, options.image_size)
    except UserError as error:
        raise UserError(f"data: {selection.names[row]}: {error}") from None


def _difference(names: Names, different: Sequence[tuple[int, Shape]], first: Shape) -> str:
    """The message that images differ in size or colours, with the parameters to set."""
    (row, got), properties, settings = different[0], [], []
    shapes = {first, *(shape for _, shape in different)}
    if len({shape[1:] for shape in shapes}) > 1:
        properties.append("size")
        settings.append("preprocess.image_size, such as image_size: 224 (resizing squashes)")
    if len({shape[0] for shape in shapes}) > 1:
        properties.append("colours")
        settings.append("preprocess.color, such as color: rgb")
    one, other = (
        f"{height}×{width} pixels in {KINDS.get(channels, f'{channels} channels')}"
        for channels, height, width in (got, first)
    )
    return (
        f"data: images differ in {' and '.join(properties)}: {names[row]} has {one}, the first "
        f"training image {other}, and {len(different):,} of {len(names):,} images of its split "
        f"differ from that; to make them equal, set {' and '.join(settings)}"
    )
