"""Heads of tables, explanations and the form of numbers, for the page and the report."""

import numpy as np
from numpy.typing import NDArray

from stages.drawing.text import with_minus
from tools.retraining.spread import LEVEL

PERCENT = f"{100 * LEVEL:.0f} %"
METRICS = (
    "metric",
    "this run",
    "mean",
    f"± {PERCENT}",
    "deviation",
    "another training",
    "range",
)
READINGS = ("image", "trainings", "mean test accuracy", "predictions")
DEFINITIONS = (
    "Similarity: Pearson correlation of two trainings' maps over the pixels, with signs, of this "
    "run's most probable class. Its error is a standard error over the trainings, for these "
    f"images. ± {PERCENT} is t times a standard error of the mean; another training falls between "
    f"the two values of its column with {PERCENT}. Both use Student's t, since there are few "
    "trainings."
)


def columns(with_error_bars: bool) -> str:
    """What stands beside the maps."""
    deviations = (
        "Standard deviations (s.d.) are drawn in grey, black at half of the maps' scale: over "
        "trainings with the same background, over draws of the background for the same network "
        "(its error bars), and over both (an upper bound)."
        if with_error_bars
        else "The standard deviation (s.d.) over trainings with the same background is drawn in "
        "grey, black at half of the maps' scale."
    )
    return (
        f"{deviations} Same sign: the share of the trainings that have the pixel's most frequent "
        "sign, from white (all) to black (half or fewer)."
    )


def share_of(deviation: NDArray[np.float64], size: float) -> str:
    """A deviation's root mean square as a percentage of the maps'."""
    found = float(np.sqrt(np.nanmean(deviation**2)))
    return f"{100 * found / size:.0f} %" if size else "–"


def interval(mean: float, half: float) -> str:
    """The interval mean ± half of a similarity."""
    return with_minus(f"{max(-1.0, mean - half):.3f} to {min(1.0, mean + half):.3f}")


def similarity(value: float) -> str:
    """A similarity; – if it is unknown."""
    return "–" if np.isnan(value) else with_minus(f"{value:.2f}")


def number(value: float) -> str:
    """A number with four digits; – if it is unknown."""
    return "–" if np.isnan(value) else with_minus(f"{value:.4g}")
