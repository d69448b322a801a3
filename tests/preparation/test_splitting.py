"""Images become splits, the classes as frequent in each."""

import numpy as np
import pytest

from stages.core.errors import UserError
from stages.datasets.base.contract import Dataset, RawImages
from stages.preparation.splitting import Part, split_dataset

from .datasets import dataset
from .options import options


def test_a_test_split_is_split_off_where_there_is_none() -> None:
    labels = [0] * 60 + [1] * 40
    images = dataset(labels, None)
    parts = {
        name: positions for name, (_, positions) in split_dataset(images, options(), 0).items()
    }
    assert {name: len(positions) for name, positions in parts.items()} == {
        "train": 60,
        "validation": 20,
        "test": 20,
    }
    together = np.concatenate(list(parts.values()))
    assert sorted(together) == list(range(100))
    shares = {name: np.mean(np.array(labels)[positions]) for name, positions in parts.items()}
    assert all(share == pytest.approx(0.4) for share in shares.values())
    again, other = (split_dataset(images, options(), seed)["test"][1] for seed in (0, 1))
    assert np.array_equal(again, parts["test"])
    assert not np.array_equal(other, parts["test"])


def test_a_limit_holds_for_both_splits() -> None:
    images = dataset([0, 1] * 50, [0, 1] * 30)
    sizes = {name: len(p) for name, (_, p) in split_dataset(images, options(limit=20), 0).items()}
    assert sizes == {"train": 15, "validation": 5, "test": 20}


def test_an_image_keeps_its_name_through_limit_and_splits() -> None:
    """The oracle is the pixel by which each image is known."""
    labels = np.array([0, 1] * 50)
    pixels = np.arange(100, dtype=np.uint8)[:, None, None, None]
    named = RawImages(pixels, labels, [f"file {number}" for number in range(100)])
    for images in (named, RawImages(pixels, labels)):
        for test in (None, images):
            parts = split_dataset(Dataset(images, test, ("a", "b")), options(limit=20), 0)
            for source, positions in parts.values():
                known = source.images[positions].ravel()
                names = Part(source, positions).names.tolist()
                assert names == (
                    [f"file {number}" for number in known] if source.names else known.tolist()
                )


def test_too_few_images_of_a_class() -> None:
    with pytest.raises(
        UserError, match=r"test_fraction: 0\.2 of 5 images of 2 classes cannot be h"
    ):
        split_dataset(dataset([0, 0, 0, 0, 1], None), options(), 0)
    with pytest.raises(UserError, match=r"validation_fraction: 0\.25 of 5 images of 2 classes"):
        split_dataset(dataset([0, 0, 0, 0, 1], [0]), options(), 0)
