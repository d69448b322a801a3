"""Segments of an image: connected regions of similar colour. Needs scikit-image, an extra."""

import importlib.util

import numpy as np
from numpy.typing import NDArray

from stages.drawing.scale import to_rgb

N_SEGMENTS = 36  # asked for; SLIC returns about as many
COMPACTNESS = 15.0  # the larger, the squarer the segments; in units of CIELAB colour distance
SMOOTHING = 1.0  # standard deviation in pixels of the Gaussian blur before

INSTALL = "python -m pip install --constraint constraints.txt --editable '.[segments]'"


def can_segment() -> bool:
    """Whether scikit-image is installed."""
    return importlib.util.find_spec("skimage") is not None


def segments_of(image: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Cut an image into regions.

    Args:
        image: (c, h, w).

    Returns:
        Number of the region that each pixel belongs to (h, w), from 0.

    Source: SLIC superpixels, Achanta et al. 2012, doi:10.1109/TPAMI.2012.120.
    """
    from skimage.segmentation import slic  # here, since the extra may be missing

    regions = slic(
        to_rgb(image[None])[0],
        n_segments=N_SEGMENTS,
        compactness=COMPACTNESS,
        sigma=SMOOTHING,
        start_label=0,
    )
    return np.asarray(regions, np.int64)


def middles(regions: NDArray[np.int64]) -> NDArray[np.int64]:
    """A pixel (row, column) near the middle of each region and inside it (number of regions, 2)."""
    found = np.empty((int(regions.max()) + 1, 2), np.int64)
    for number in range(len(found)):
        points = np.argwhere(regions == number)
        distances = np.square(points - points.mean(axis=0)).sum(axis=1)
        found[number] = points[distances.argmin()]
    return found
