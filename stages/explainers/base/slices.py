"""Attributions of many images, slice by slice: memory stays small, and progress shows."""

from collections.abc import Iterable, Iterator
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from stages.artifacts.explanation import ExplainedImages
from stages.base.errors.user import UserError
from stages.explainers.base.additivity import ROUNDING, additivity
from stages.explainers.base.contract import Attribute, Attributions
from stages.sampling.background import MOST_GROUPS

SLICE_IMAGES = 8  # at most, for each step of the progress bar
SLICE_MIB = 128  # of attributions, those by group included; a single image may need more


def progress_bar(name: str, n_images: int) -> "tqdm[NoReturn]":
    """A bar for attributing n images."""
    return tqdm(total=n_images, desc=name, unit="image", leave=False, disable=None)


def attributions(
    attribute: Attribute,
    images: Tensor,
    classes: NDArray[np.int64],
    progress: "tqdm[NoReturn]",
) -> Iterator[Attributions]:
    """Attribute images, a slice at a time.

    Args:
        attribute: A method, from `build_explainer`.
        images: (n, c, h, w).
        classes: The class of each of their maps (n, m).
        progress: Counts the images.
    """
    _, channels, height, width = images.shape
    floats = (channels + MOST_GROUPS) * height * width * classes.shape[1]  # of an image
    fitting = max(1, SLICE_MIB * 2**20 // (4 * floats))
    # A power of two, so that shards consist of the slices that all images at once would make.
    size = min(2 ** (fitting.bit_length() - 1), SLICE_IMAGES)
    wanted = torch.from_numpy(classes)
    for some, their_classes in zip(images.split(size), wanted.split(size), strict=True):
        yield attribute(some, their_classes)
        progress.update(len(some))


def additive_slices(
    slices: Iterable[Attributions], explained: ExplainedImages, tolerance: float
) -> Iterator[Attributions]:
    """Yield slices unchanged; stop at the first that is not additive.

    Args:
        slices: Attributions of all images, in order.
        explained: The images and the network's outputs for them.
        tolerance: As in `additivity`.

    Raises:
        UserError: The attributions of an image do not sum to the change of its outputs.
    """
    done = 0
    for part in slices:
        rows = slice(done, done + len(part.values))
        errors, fails = additivity(part.values, explained, rows, tolerance)
        if fails.any():
            image_index, map_index = np.argwhere(fails)[0]
            error = errors[image_index, map_index]
            share_of_range = error / explained.output_ranges[rows][image_index]
            total = np.abs(part.values[image_index, ..., map_index]).sum(dtype=np.float64)
            share_of_total = error / max(total, 1e-300)
            method = explained.about["method"]
            raise UserError(
                f"explain: the attributions of image {explained.names[rows][image_index]} for "
                f"output {explained.classes[rows][image_index, map_index]} miss its change by "
                f"{share_of_range:.2g} of the outputs' range, more than explain.tolerance "
                f"({tolerance:g}), and by {share_of_total:.2g} of Σ|attribution|, more than "
                f"rounding ({ROUNDING:g}). If the network contains something that {method} does "
                "not handle, choose another explain.method; if the method only samples, raise "
                "explain.tolerance"
            )
        yield part
        done += len(part.values)
