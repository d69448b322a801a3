"""Attributions of many images, a slice at a time, to limit memory and to show progress."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stages.artifacts.explanation import ExplainedImages
from stages.base.errors.user import UserError
from stages.base.run.bars import ProgressBar
from stages.explainers.base.additivity import ROUNDING, additivity
from stages.explainers.base.contract import Attribute, Attributions
from stages.sampling.background import MOST_GROUPS

SLICE_IMAGES = 8  # most images in a slice, which is one step of the progress bar
SLICE_MIB = 128  # attributions in a slice, groups included; a single image may need more


def attributions(
    attribute: Attribute,
    images: Tensor,
    classes: NDArray[np.int64],
    progress: ProgressBar[None] | None = None,
) -> Iterator[Attributions]:
    """Attribute images, a slice at a time.

    Args:
        attribute: A method, from `build_explainer`.
        images: (n, c, h, w).
        classes: The class of each map of an image (n, m).
        progress: Progress bar that counts the images; None for none.
    """
    _, channels, height, width = images.shape
    floats_per_image = (channels + MOST_GROUPS) * height * width * classes.shape[1]
    fitting = max(1, SLICE_MIB * 2**20 // (4 * floats_per_image))
    # A power of two, so that the slices are the same whether or not images are split into shards.
    size = min(2 ** (fitting.bit_length() - 1), SLICE_IMAGES)
    slices = zip(images.split(size), torch.from_numpy(classes).split(size), strict=True)
    for slice_images, slice_classes in slices:
        yield attribute(slice_images, slice_classes)
        if progress is not None:
            progress.update(len(slice_images))


def additive_slices(
    slices: Iterable[Attributions], explained: ExplainedImages, tolerance: float
) -> Iterator[Attributions]:
    """Yield slices unchanged; stop at the first that is not additive.

    Args:
        slices: Attributions of all images, in order.
        explained: The explained images, with the network's outputs.
        tolerance: As in `additivity`.

    Raises:
        UserError: The attributions of an image do not sum to the change of its output.
    """
    done = 0
    for found in slices:
        rows = slice(done, done + len(found.values))
        errors, fails = additivity(found.values, explained, rows, tolerance)
        if fails.any():
            image_index, map_index = np.argwhere(fails)[0]
            error = errors[image_index, map_index]
            share_of_range = error / explained.output_ranges[rows][image_index]
            total = np.abs(found.values[image_index, ..., map_index]).sum(dtype=np.float64)
            share_of_total = error / max(total, 1e-300)
            method = explained.about["method"]
            raise UserError(
                f"explain: the attributions of image {explained.names[rows][image_index]} for "
                f"output {explained.classes[rows][image_index, map_index]} miss its change by "
                f"{share_of_range:.2g} of the outputs' range, more than explain.tolerance "
                f"({tolerance:g}), and by {share_of_total:.2g} of Σ|attribution|, more than "
                f"rounding ({ROUNDING:g}). If the network has operations that {method} does not "
                "support, choose another explain.method; if the method samples, raise "
                "explain.tolerance"
            )
        yield found
        done += len(found.values)
