"""Strips of thumbnails: image, old map, new map, their difference, the changed pixels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import Explanation
from stages.drawing.grain import block_sums, is_fine
from stages.drawing.photographs import is_tall, is_wide
from stages.drawing.scale import Scale, is_dark
from stages.drawing.text import printable, with_minus
from stages.drawing.thumbnails import Fit, Painter
from stages.measures.attributions.summary import FINE_PERCENTILE, PERCENTILE
from tools.compare.pairs import Pairs
from tools.compare.similarity import CHANGED_ERRORS, Similarity

MOST_MEANS = 20  # classes: of more, those with the most images
SIDE = 168  # pixels, as all lengths here: largest side of a large image
STRIP = (600, 860)  # height of an image much taller than wide, width of one much wider than tall

HEADS = ("image", "old", "new", "new \N{MINUS SIGN} old", f"beyond {CHANGED_ERRORS} s.e.")


@dataclass(frozen=True)
class Strip:
    """A row of thumbnails of one size.

    Attributes:
        title: The image or class, and its predictions.
        note: The similarity of the maps.
        thumbnails: Colours (h, w, 3), one for each of the first heads.
        heads: What stands over or under them.
    """

    title: str
    note: str
    thumbnails: Sequence[NDArray[np.uint8]]
    heads: Sequence[str] = HEADS

    @property
    def named_thumbnails(self) -> list[tuple[str, NDArray[np.uint8]]]:
        """Thumbnails with their heads."""
        return list(zip(self.heads, self.thumbnails, strict=False))


def painter_of(
    images: NDArray[np.uint8], maps: NDArray[np.floating], colormap: str, grain: int
) -> Painter:
    """The painter of maps (..., h, w) on one scale; small images are drawn as large as they are."""
    height, width = size = images.shape[2:]
    if is_fine(size):
        height, width = STRIP[0] if is_tall(size) else SIDE, STRIP[1] if is_wide(size) else SIDE
    strengths = np.abs(block_sums(maps, grain))
    percentile = FINE_PERCENTILE if is_fine(size) else PERCENTILE
    limit = float(np.percentile(strengths, percentile)) or float(strengths.max()) or 1.0
    return Painter(Scale(limit, colormap, grain), Fit.of(size, (height, width)), is_dark(images))


def image_strips(
    pairs: Pairs, indices: NDArray[np.intp], colormap: str, grain: int
) -> tuple[Painter, list[Strip]]:
    """A strip for each of these images, on one scale.

    Args:
        pairs: The paired images.
        indices: Which of them.
        colormap: Name of the maps' colours.
        grain: Side in pixels of the blocks whose attributions are summed.
    """
    maps = np.stack([pairs.old_maps, pairs.new_maps])
    painter = painter_of(pairs.old.explanation.images, maps, colormap, grain)
    return painter, [_image_strip(pairs, painter, int(index)) for index in indices]


def _image_strip(pairs: Pairs, painter: Painter, index: int) -> Strip:
    old, new = pairs.old.explanation, pairs.new.explanation
    i, j = pairs.old_images[index], pairs.new_images[index]
    names = printable(old.class_names)
    (name,) = printable([new.titles[j]], [new.indices[j]])
    true = listed(names, old.is_true[i])
    title = f"{name}, true {true}: {_prediction(old, i, names)} → {_prediction(new, j, names)}"
    a, b = pairs.old_maps[index], pairs.new_maps[index]
    maps = [a, b, b - a]
    if pairs.changed is not None and pairs.same_prediction[index]:
        maps.append(np.where(pairs.changed[index], b - a, 0))
    note = f"map of {names[pairs.classes[index]]}: {_numbers(pairs.similarity, index)}"
    return Strip(title, note, _thumbnails(painter, old.images[i], maps))


def _thumbnails(
    painter: Painter, image: NDArray[np.uint8], maps: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.uint8]]:
    """The image (c, h, w) and its maps (h, w)."""
    return painter.paint(image, block_sums(np.stack(maps), painter.scale.grain))


def listed(names: Sequence[str], chosen: NDArray[np.bool_]) -> str:
    """The names of the chosen classes (k,), or "none"."""
    return ", ".join(names[int(number)] for number in np.flatnonzero(chosen)) or "none"


def _prediction(explanation: Explanation, image: int, names: Sequence[str]) -> str:
    """The predicted class with its probability, or the predicted labels."""
    predicted = listed(names, explanation.is_predicted[image])
    if explanation.multiple:
        return predicted
    return f"{predicted} {explanation.probabilities[image].max():.3f}"


def _numbers(similarity: Similarity, index: int) -> str:
    return with_minus(
        f"similarity {similarity.pearson[index]:.2f}, top 5 % shared "
        f"{similarity.overlap[index]:.2f}, moved {similarity.moved[index]:.2f}, strength × "
        f"{similarity.strength[index]:.2f}"
    )


def class_strips(pairs: Pairs, colormap: str, grain: int) -> tuple[Painter, list[Strip]]:
    """A strip for each class: the mean image and the mean maps of the images compared for it.

    Means are weaker than single maps, so they have their own scale. Arguments: see `image_strips`.
    """
    old = pairs.old.explanation
    classes, counts = np.unique(pairs.classes, return_counts=True)
    classes = np.sort(classes[np.argsort(-counts, kind="stable")[:MOST_MEANS]])
    masks = [pairs.classes == number for number in classes]
    means = [
        (pairs.old_maps[chosen].mean(axis=0), pairs.new_maps[chosen].mean(axis=0))
        for chosen in masks
    ]
    painter = painter_of(old.images, np.array(means), colormap, grain)
    names = printable(old.class_names)
    strips = []
    for number, chosen, (a, b) in zip(classes, masks, means, strict=True):
        image = np.rint(old.images[pairs.old_images[chosen]].mean(axis=0)).astype(np.uint8)
        title = f"{names[number]}: mean of {chosen.sum():,}"
        note = _numbers(Similarity.of(a[None], b[None]), 0)
        strips.append(Strip(title, note, _thumbnails(painter, image, [a, b, b - a])))
    return painter, strips
