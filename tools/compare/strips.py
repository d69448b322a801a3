"""Strips of thumbnails: image, old map, new map, their difference, the changed pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.drawing.scale import Scale, brightness_under_map, is_dark, to_rgb
from stages.drawing.text import printable, with_minus
from stages.drawing.tiles import average
from stages.figures.run import PAGE_SIDE
from stages.measures.attributions.summary import PERCENTILE
from tools.compare.pairs import Pairs
from tools.compare.similarity import CHANGED_ERRORS, Similarity

HEADS = ("image", "old", "new", "new \N{MINUS SIGN} old", f"beyond {CHANGED_ERRORS} s.e.")


@dataclass(frozen=True)
class Strip:
    """A row of thumbnails of one size.

    Attributes:
        title: The image or class, and its predictions.
        note: The similarity of the maps.
        thumbnails: Colours (h, w, 3), one for each of the first `HEADS`.
    """

    title: str
    note: str
    thumbnails: Sequence[NDArray[np.uint8]]

    @property
    def named_thumbnails(self) -> list[tuple[str, NDArray[np.uint8]]]:
        """Thumbnails with their heads."""
        return list(zip(HEADS, self.thumbnails, strict=False))


@dataclass(frozen=True)
class Painter:
    """Paints images and maps on one scale.

    Attributes:
        scale: The scale of all maps.
        dark: Whether maps are drawn over the negative of their image.
    """

    scale: Scale
    dark: bool

    def thumbnails(
        self, image: NDArray[np.uint8], maps: Sequence[NDArray[np.float64]]
    ) -> list[NDArray[np.uint8]]:
        """The image (c, h, w) and its maps (h, w); large ones averaged to at most 64 pixels."""
        factor = -(-max(image.shape[1:]) // PAGE_SIDE)
        pixels = average(image[None], factor)
        under = brightness_under_map(pixels, self.dark)
        return [*to_rgb(pixels), *self.scale.paint(average(np.stack(maps), factor), under)]


def image_strips(
    pairs: Pairs, indices: NDArray[np.intp], colormap: str
) -> tuple[Painter, list[Strip]]:
    """A strip for each of these images, on one scale."""
    strengths = np.abs(np.stack([pairs.old_maps, pairs.new_maps]))
    painter = Painter(_scale(strengths, colormap), is_dark(pairs.old.explanation.images))
    return painter, [_image_strip(pairs, painter, int(index)) for index in indices]


def _image_strip(pairs: Pairs, painter: Painter, index: int) -> Strip:
    old, new = pairs.old.explanation, pairs.new.explanation
    i, j = pairs.old_images[index], pairs.new_images[index]
    names = printable(old.class_names)
    (name,) = printable([new.titles[j]], [new.indices[j]])
    before, after = old.predicted[i], new.predicted[j]
    title = (
        f"{name}, true {names[old.labels[i]]}: "
        f"{names[before]} {old.probabilities[i, before]:.3f} → "
        f"{names[after]} {new.probabilities[j, after]:.3f}"
    )
    a, b = pairs.old_maps[index], pairs.new_maps[index]
    maps = [a, b, b - a]
    if pairs.changed is not None and pairs.same_prediction[index]:
        maps.append(np.where(pairs.changed[index], b - a, 0))
    note = f"map of {names[before]}: {_numbers(pairs.similarity, index)}"
    return Strip(title, note, painter.thumbnails(old.images[i], maps))


def _numbers(similarity: Similarity, index: int) -> str:
    return with_minus(
        f"similarity {similarity.pearson[index]:.2f}, top 5 % shared "
        f"{similarity.overlap[index]:.2f}, moved {similarity.moved[index]:.2f}, strength × "
        f"{similarity.strength[index]:.2f}"
    )


def class_strips(pairs: Pairs, colormap: str) -> tuple[Painter, list[Strip]]:
    """A strip for each class: the mean image and the mean maps of the images compared for it.

    Means are weaker than single maps, so they have their own scale.
    """
    old = pairs.old.explanation
    classes = np.unique(pairs.classes)
    masks = [pairs.classes == number for number in classes]
    means = [
        (pairs.old_maps[chosen].mean(axis=0), pairs.new_maps[chosen].mean(axis=0))
        for chosen in masks
    ]
    painter = Painter(_scale(np.abs(np.array(means)), colormap), is_dark(old.images))
    names = printable(old.class_names)
    strips = []
    for number, chosen, (a, b) in zip(classes, masks, means, strict=True):
        image = np.rint(old.images[pairs.old_images[chosen]].mean(axis=0)).astype(np.uint8)
        title = f"{names[number]}: mean of {chosen.sum():,}"
        note = _numbers(Similarity.of(a[None], b[None]), 0)
        strips.append(Strip(title, note, painter.thumbnails(image, [a, b, b - a])))
    return painter, strips


def _scale(strengths: NDArray[np.float64], colormap: str) -> Scale:
    limit = float(np.percentile(strengths, PERCENTILE)) or float(strengths.max()) or 1.0
    return Scale(limit, colormap)
