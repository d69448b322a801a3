"""Converts raw images to arrays of one size and colour."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from stages.artifacts.splits import Split
from stages.base.errors.user import UserError
from stages.params.preprocess import SMALLEST_SIDE_PX, Color, Preprocess
from stages.preparation.splitting import Part

MODES = {"grey": "L", "rgb": "RGB"}  # Pillow's names

Shape = tuple[int, int, int]


def converted(
    image: NDArray[np.uint8], color: Color | None, size: tuple[int, int] | None
) -> NDArray[np.uint8]:
    """An image (channels, height, width) in other colours and of another size.

    Resizing is bilinear, antialiased where it shrinks, and ignores proportions.

    Args:
        image: (1 or 3, height, width).
        color: None keeps them.
        size: Height and width in pixels; None keeps them.
    """
    pillow = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))
    if color is not None:
        pillow = pillow.convert(MODES[color])
    if size is not None:
        height, width = size
        pillow = pillow.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(pillow)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def shape_of_first(part: Part, options: Preprocess) -> Shape:
    """Channels, height and width of the first image, which all others must share.

    Raises:
        UserError: It is smaller than `SMALLEST_SIDE_PX`.
    """
    first = part.source.images[int(part.positions[0])]
    channels, height, width = converted(first, options.color, options.image_size).shape
    if min(height, width) < SMALLEST_SIDE_PX:
        raise UserError(
            f"data: images of {height}×{width} pixels, expected at least {SMALLEST_SIDE_PX}×"
            f"{SMALLEST_SIDE_PX}; set preprocess.image_size to enlarge them"
        )
    return channels, height, width


def to_arrays(part: Part, options: Preprocess, shape: Shape) -> Split:
    """The images of a split, decoded and converted, with their labels.

    Raises:
        UserError: The images differ in shape, and no parameter sets a common one.
    """
    images, positions = part.source.images, part.positions
    labels = part.source.labels[positions]
    if isinstance(images, np.ndarray) and images.shape[1:] == shape:
        return Split(images[positions], labels)
    pixels = np.empty((len(positions), *shape), np.uint8)
    progress = tqdm(positions, desc="images", delay=1, leave=False, disable=None)
    for row, position in enumerate(progress):
        image = converted(images[int(position)], options.color, options.image_size)
        if image.shape != shape:
            raise UserError(_difference(image.shape, shape))
        pixels[row] = image
    return Split(pixels, labels)


def _difference(got: Shape, first: Shape) -> str:
    """What differs between two images, and the parameters that make it equal."""
    differences = []
    if got[1:] != first[1:]:
        differences.append(("size", "preprocess.image_size"))
    if got[0] != first[0]:
        differences.append(("colours", "preprocess.color"))
    what, parameters = (" and ".join(names) for names in zip(*differences, strict=True))
    one, other = (
        f"{height}×{width} pixels in {'grey' if channels == 1 else 'colour'}"
        for channels, height, width in (got, first)
    )
    return (
        f"data: images differ in {what}: one has {one}, the first {other}; "
        f"set {parameters} to make them equal"
    )
