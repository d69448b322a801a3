"""Strips of tiles: an image, its old map, its new one, their difference, the changed pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.drawing.scale import Scale, brightness_under_map, is_dark, to_rgb
from stages.drawing.text import printable
from stages.drawing.tiles import average
from stages.figures.run import PAGE_SIDE
from stages.measures.attributions.summary import PERCENTILE
from tools.compare.pairs import Pairs
from tools.compare.similarity import CHANGED_ERRORS, Similarity

HEADS = ("image", "old", "new", "new \N{MINUS SIGN} old", f"beyond {CHANGED_ERRORS} s.e.")


@dataclass(frozen=True)
class Strip:
    """A line of tiles of one size.

    Attributes:
        title: What it shows.
        note: Numbers printed beside it.
        tiles: Colours (h, w, 3), as many of `HEADS` as there are.
    """

    title: str
    note: str
    tiles: Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Painter:
    """Paints images and maps that lie side by side.

    Attributes:
        scale: The one of all maps.
        dark: Whether maps lie on the negative of their image.
    """

    scale: Scale
    dark: bool

    def tiles(
        self, image: NDArray[np.uint8], maps: Sequence[NDArray[np.float64]]
    ) -> list[NDArray[np.uint8]]:
        """The image (c, h, w) and its maps (h, w); large ones averaged to at most 64 pixels."""
        block = -(-max(image.shape[1:]) // PAGE_SIDE)
        pixels = average(image[None], block)
        under = brightness_under_map(pixels, self.dark)
        return [*to_rgb(pixels), *self.scale.paint(average(np.stack(maps), block), under)]


def image_strips(
    pairs: Pairs, images: NDArray[np.intp], colormap: str
) -> tuple[Painter, list[Strip]]:
    """A strip for each of these images, on the scale of all of them."""
    strengths = np.abs(np.stack([pairs.old_maps, pairs.new_maps]))
    painter = Painter(_scale(strengths, colormap), is_dark(pairs.old.explanation.images))
    return painter, [_image_strip(pairs, painter, int(image)) for image in images]


def _image_strip(pairs: Pairs, painter: Painter, image: int) -> Strip:
    old, new = pairs.old.explanation, pairs.new.explanation
    i, j = pairs.old_images[image], pairs.new_images[image]
    names = printable(old.class_names)
    (called,) = printable([new.titles[j]], [new.indices[j]])  # old versions may lack names
    before, after = old.predicted[i], new.predicted[j]
    title = (
        f"{called}, true {names[old.labels[i]]}: "
        f"{names[before]} {old.probabilities[i, before]:.3f} → "
        f"{names[after]} {new.probabilities[j, after]:.3f}"
    )
    a, b = pairs.old_maps[image], pairs.new_maps[image]
    maps = [a, b, b - a]
    if pairs.changed is not None and pairs.same_prediction[image]:
        maps.append(np.where(pairs.changed[image], b - a, 0))
    note = f"map of {names[before]}: {_numbers(pairs.similarity, image)}"
    return Strip(title, note, painter.tiles(old.images[i], maps))


def _numbers(similarity: Similarity, image: int) -> str:
    return (
        f"similarity {similarity.pearson[image]:.2f}, top 5 % shared "
        f"{similarity.overlap[image]:.2f}, moved {similarity.moved[image]:.2f}, strength × "
        f"{similarity.strength[image]:.2f}"
    ).replace("-", "\N{MINUS SIGN}")


def class_strips(pairs: Pairs, colormap: str) -> tuple[Painter, list[Strip]]:
    """A strip for each class: the mean image, and the means of the maps of that class.

    Of the images whose compared class it is. Means are weaker than maps, so their scale is another.
    """
    old = pairs.old.explanation
    classes = np.unique(pairs.classes)
    images_by_class = [pairs.classes == number for number in classes]
    means = [
        (pairs.old_maps[chosen].mean(axis=0), pairs.new_maps[chosen].mean(axis=0))
        for chosen in images_by_class
    ]
    painter = Painter(_scale(np.abs(np.array(means)), colormap), is_dark(old.images))
    names = printable(old.class_names)
    strips = []
    for number, chosen, (a, b) in zip(classes, images_by_class, means, strict=True):
        image = np.rint(old.images[pairs.old_images[chosen]].mean(axis=0)).astype(np.uint8)
        title = f"{names[number]}: mean of {chosen.sum():,}"
        note = _numbers(Similarity.of(a[None], b[None]), 0)
        strips.append(Strip(title, note, painter.tiles(image, [a, b, b - a])))
    return painter, strips


def _scale(strengths: NDArray[np.float64], colormap: str) -> Scale:
    limit = float(np.percentile(strengths, PERCENTILE)) or float(strengths.max()) or 1.0
    return Scale(limit, colormap)
