"""A stored data set of images of one shape is read back unchanged."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.datasets.base import stored
from stages.datasets.base.contract import Dataset, RawImages


@pytest.mark.parametrize("names", [None, ["b/1.png", "a/猫.png"], np.array([17, 4])])
def test_a_data_set_is_read_back_with_and_without_names(names: Any, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 9), dtype=np.uint8)
    images = RawImages(pixels, np.array([1, 0]), names)
    stored.store(tmp_path, Dataset(images, images, ("a", "b")))
    dataset = stored.read(tmp_path)
    assert dataset.class_names == ("a", "b")
    for split in (dataset.train, dataset.test):
        assert split is not None
        assert np.array_equal(split.images, pixels)
        assert split.labels.tolist() == [1, 0]
        expected = None if names is None else list(names)
        assert (None if split.names is None else np.asarray(split.names).tolist()) == expected
