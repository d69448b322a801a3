"""Plants a mark on some images of a class, so that there is a shortcut to find.

For trying out the search: a network that learns from these images will go by the mark.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]  # (n, h, w)
MarkName = Literal["tag", "moving_tag", "frame", "stripe", "brightness"]

TAG_PX, FROM_EDGE_PX = 3, 1


def marked(images: Images, chosen: NDArray[np.int64], mark: MarkName, seed: int) -> Images:
    """A copy of the images in which the chosen ones carry the mark.

    Args:
        images: (n, h, w).
        chosen: Indices of the images to mark.
        mark: A white `tag` of 3 × 3 pixels in the upper left corner; a `moving_tag` in any corner;
            a grey `frame` of one pixel; a faint diagonal `stripe`; more `brightness` everywhere.
        seed: For the corners of a moving tag.
    """
    result = images.copy()
    result[chosen] = _MARKS[mark](result[chosen], np.random.default_rng(seed))
    return result


def draw_share(
    labels: NDArray[np.integer], label: int, share: float, seed: int
) -> NDArray[np.int64]:
    """Indices of this share of a class's images, drawn at random, ascending."""
    own = np.flatnonzero(labels == label)
    drawn = np.random.default_rng(seed).choice(own, round(share * len(own)), replace=False)
    return np.sort(drawn).astype(np.int64)


def replace_images(file: Path, images: Images) -> None:
    """Write other images of the same shape into an IDX file, behind its header."""
    content = file.read_bytes()
    file.write_bytes(content[: len(content) - images.nbytes] + images.tobytes())


def _tag(images: Images, _: np.random.Generator) -> Images:
    images[:, FROM_EDGE_PX : FROM_EDGE_PX + TAG_PX, FROM_EDGE_PX : FROM_EDGE_PX + TAG_PX] = 255
    return images


def _moving_tag(images: Images, rng: np.random.Generator) -> Images:
    for image, (down, right) in zip(images, rng.integers(0, 2, (len(images), 2)), strict=True):
        turned = image[:: -1 if down else 1, :: -1 if right else 1]
        _tag(turned[None], rng)
    return images


def _frame(images: Images, _: np.random.Generator) -> Images:
    images[:, [0, -1], :] = images[:, :, [0, -1]] = 128
    return images


def _stripe(images: Images, _: np.random.Generator) -> Images:
    diagonal = np.arange(min(images.shape[1:]))
    brighter = images[:, diagonal, diagonal].astype(np.int64) + 60
    images[:, diagonal, diagonal] = brighter.clip(max=255)
    return images


def _brightness(images: Images, _: np.random.Generator) -> Images:
    return (images.astype(np.int64) + 25).clip(max=255).astype(np.uint8)


_MARKS: dict[MarkName, Callable[[Images, np.random.Generator], Images]] = {
    "tag": _tag,
    "moving_tag": _moving_tag,
    "frame": _frame,
    "stripe": _stripe,
    "brightness": _brightness,
}
