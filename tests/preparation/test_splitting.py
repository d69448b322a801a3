"""Images become splits, the classes as frequent in each."""

import contextlib

import numpy as np
import pytest

from stages.base.errors.user import UserError
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


LONE = {
    "split off for the test": (
        dataset([0, 0, 0, 0, 1], None),
        {},
        r"class class 1 has 1 image; preprocess\.test_fraction divides .* at least 2: add images, ",
    ),
    "a test split of its own": (
        dataset([0, 0, 0, 0, 1], [0]),
        {},
        r"class class 1 has 1 image; preprocess\.validation_fraction divides",
    ),
    "left by the test split": (
        dataset([0] * 20 + [1, 1], None),
        {"test_fraction": 0.5},
        r"class class 1 has 1 image among the 11 of 22 left; preprocess\.validation_fraction",
    ),
    "left by the limit": (
        dataset([0] * 20 + [1] * 4, [0]),
        {"limit": 6},
        r"class class 1 has 1 image among the 6 of 24 left; .* raise preprocess\.limit",
    ),
    "two classes": (
        dataset([0, 1, 2, 2], [0], 3),
        {},
        r"classes class 0, class 1 have 1 image each; ",
    ),
    "many classes": (dataset([*range(12), 12, 12], [0], 13), {}, r"class 9, … have 1 image "),
}


@pytest.mark.parametrize("name", LONE)
def test_a_class_of_one_image_is_named(name: str) -> None:
    data, changes, message = LONE[name]
    with pytest.raises(UserError, match=message):
        split_dataset(data, options(**changes), 0)


@pytest.mark.parametrize("fraction", [0.05, 0.95])
def test_a_part_smaller_than_the_number_of_classes(fraction: float) -> None:
    message = rf"validation_fraction: {fraction} of 20 images makes a part of 1, fewer than the 2 "
    with pytest.raises(UserError, match=message):
        split_dataset(dataset([0, 1] * 10, [0]), options(validation_fraction=fraction), 0)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n", range(2, 14))
@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.3, 0.5, 0.7, 0.99])
def test_scikit_learn_never_speaks(n_classes: int, n: int, fraction: float) -> None:
    """Whatever the counts, the split works or the message is ours."""
    rng = np.random.default_rng(n)
    labels = np.r_[np.arange(n_classes), rng.integers(0, n_classes, n)].tolist()
    with contextlib.suppress(UserError):
        split_dataset(dataset(labels, None, n_classes), options(test_fraction=fraction), 0)
