"""What a data set's file stores of images of one shape comes back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.datasets.base import stored
from stages.datasets.base.contract import Dataset, RawImages


@pytest.mark.parametrize("names", [None, ["b/1.png", "a/猫.png"], np.array([17, 4])])
def test_a_data_set_with_and_without_names(names: Any, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 9), dtype=np.uint8)
    images = RawImages(pixels, np.array([1, 0]), names)
    stored.store(tmp_path, Dataset(images, images, ("a", "b")))
    dataset = stored.read(tmp_path)
    assert dataset.class_names == ("a", "b")
    for part in (dataset.train, dataset.test):
        assert part is not None
        assert np.array_equal(part.images, pixels)
        assert part.labels.tolist() == [1, 0]
        expected = None if names is None else list(names)
        assert (None if part.names is None else np.asarray(part.names).tolist()) == expected
