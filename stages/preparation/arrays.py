"""Converts raw images to arrays of one size and colour."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from stages.artifacts.splits import Split
from stages.base.errors.user import UserError
from stages.params.preprocess import SMALLEST_SIDE_PX, Color, Preprocess
from stages.preparation.splitting import Selection

MODES = {"grey": "L", "rgb": "RGB"}  # Pillow's names

Shape = tuple[int, int, int]


def converted(
    image: NDArray[np.uint8], color: Color | None, size: tuple[int, int] | None
) -> NDArray[np.uint8]:
    """An image converted to other colours and another size.

    Resizing is bilinear, antialiased when it shrinks, and ignores the aspect ratio.

    Args:
        image: (1 or 3, height, width).
        color: Grey or RGB; None keeps the channels.
        size: Height and width in pixels; None keeps the size.

    Returns:
        (channels, height, width), uint8.
    """
    pillow = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
    if color is not None:
        pillow = pillow.convert(MODES[color])
    if size is not None:
        height, width = size
        pillow = pillow.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(pillow)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def shape_of_first(selection: Selection, options: Preprocess) -> Shape:
    """Channels, height and width of the first converted image, which all others must share.

    Raises:
        UserError: The image is smaller than `SMALLEST_SIDE_PX`.
    """
    first = selection.source.images[int(selection.indices[0])]
    channels, height, width = converted(first, options.color, options.image_size).shape
    if min(height, width) < SMALLEST_SIDE_PX:
        raise UserError(
            f"data: images of {height}×{width} pixels, expected at least {SMALLEST_SIDE_PX}×"
            f"{SMALLEST_SIDE_PX}; set preprocess.image_size to enlarge them"
        )
    return channels, height, width


def to_arrays(selection: Selection, options: Preprocess, shape: Shape) -> Split:
    """The images of a split, decoded and converted, with their labels.

    Raises:
        UserError: The images differ in shape, and no parameter sets a common one.
    """
    images, indices = selection.source.images, selection.indices
    labels = selection.source.labels[indices]
    if isinstance(images, np.ndarray) and images.shape[1:] == shape:
        return Split(images[indices], labels)
    pixels = np.empty((len(indices), *shape), np.uint8)
    progress = tqdm(indices, desc="images", delay=1, leave=False, disable=None)
    for row, index in enumerate(progress):
        image = converted(images[int(index)], options.color, options.image_size)
        if image.shape != shape:
            raise UserError(_difference(image.shape, shape))
        pixels[row] = image
    return Split(pixels, labels)


def _difference(got: Shape, first: Shape) -> str:
    """The message that two images differ in size or colours, with the parameters to set."""
    differences = []
    if got[1:] != first[1:]:
        differences.append(("size", "preprocess.image_size"))
    if got[0] != first[0]:
        differences.append(("colours", "preprocess.color"))
    properties, parameters = (" and ".join(names) for names in zip(*differences, strict=True))
    one, other = (
        f"{height}×{width} pixels in {'grey' if channels == 1 else 'colour'}"
        for channels, height, width in (got, first)
    )
    return (
        f"data: images differ in {properties}: one has {one}, the first {other}; "
        f"set {parameters} to make them equal"
    )
