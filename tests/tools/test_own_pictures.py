"""Warnings about a user's picture, from given distances."""

import re

import numpy as np
import pytest

from stages.artifacts.features import TrainingFeatures
from tools.own_pictures import Picture, warning_of

# The test images' distances are 0 … 1, evenly spread: p % of them are nearer than p / 100.
EVEN = TrainingFeatures(np.ones((5, 3), np.int8), np.linspace(0, 1, 101))
LIMIT = r"in the last hidden layer; 99 % of the test images: at most 0\.99\)"


@pytest.mark.parametrize(
    ("distances", "message"),
    [
        ((0.5, 2.0), ""),
        ((0.98, 0.1), ""),
        ((0.995, 2.0), rf"from them than 99 % of the test images \(cosine distance .* {LIMIT}"),
        ((1.5, 1.5), rf"than all of the test images \(cosine distance 1\.50 {LIMIT}"),
        ((1.5, 0.2), r"a negative of the training images; run python -m tools.explain with --inv"),
    ],
)
def test_warnings_from_distances(distances: tuple[float, float], message: str) -> None:
    pixels = np.array([[[0, 255]]], np.uint8)
    picture = Picture("own", pixels, np.zeros((1, 1, 3), np.uint8))
    warning = warning_of(picture, distances, EVEN, inverted=False)
    assert re.search(message, warning) if message else warning == ""
