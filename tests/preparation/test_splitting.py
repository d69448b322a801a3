"""Images are divided into splits with the same shares of classes."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest

from stages.base.errors.user import UserError
from stages.datasets.base.contract import Dataset, RawImages
from stages.preparation.splitting import Selection, split_dataset

from .datasets import dataset
from .options import options


def test_a_missing_test_split_is_split_off() -> None:
    labels = [0] * 60 + [1] * 40
    images = dataset(labels, None)
    splits = {name: indices for name, (_, indices) in split_dataset(images, options(), 0).items()}
    sizes = {name: len(indices) for name, indices in splits.items()}
    assert sizes == {"train": 60, "validation": 20, "test": 20}
    together = np.concatenate(list(splits.values()))
    assert sorted(together) == list(range(100))
    shares = {name: np.mean(np.array(labels)[indices]) for name, indices in splits.items()}
    assert all(share == pytest.approx(0.4) for share in shares.values())
    again, other = (split_dataset(images, options(), seed)["test"][1] for seed in (0, 1))
    assert np.array_equal(again, splits["test"])
    assert not np.array_equal(other, splits["test"])


def test_a_given_validation_split_is_kept() -> None:
    given = dataset([0, 1] * 4, None).train
    images = replace(dataset([0, 1] * 20, [0, 1] * 3), validation=given)
    splits = split_dataset(images, options(), 0)
    assert splits["validation"].source is given
    sizes = {name: indices.tolist() for name, (_, indices) in splits.items()}
    assert sizes == {"train": [*range(40)], "validation": [*range(8)], "test": [*range(6)]}


def test_a_limit_applies_to_training_and_test_images() -> None:
    images = dataset([0, 1] * 50, [0, 1] * 30)
    sizes = {name: len(p) for name, (_, p) in split_dataset(images, options(limit=20), 0).items()}
    assert sizes == {"train": 15, "validation": 5, "test": 20}


def test_an_image_keeps_its_name_through_limit_and_splits() -> None:
    """Each image has its number as its only pixel."""
    labels = np.array([0, 1] * 50)
    pixels = np.arange(100, dtype=np.uint8)[:, None, None, None]
    named = RawImages(pixels, labels, [f"file {number}" for number in range(100)])
    for images in (named, RawImages(pixels, labels)):
        for test in (None, images):
            splits = split_dataset(Dataset(images, test, ("a", "b")), options(limit=20), 0)
            for source, indices in splits.values():
                numbers = source.images[indices].ravel()
                names = Selection(source, indices).names.tolist()
                assert names == (
                    [f"file {number}" for number in numbers] if source.names else numbers.tolist()
                )


LONE = {
    "test split is split off": (
        dataset([0, 0, 0, 0, 1], None),
        {},
        r"class class 1 has 1 image; preprocess\.test_fraction divides .* at least 2: add images, ",
    ),
    "test split is given": (
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
def test_a_class_with_one_image_is_named(name: str) -> None:
    data, changes, message = LONE[name]
    with pytest.raises(UserError, match=message):
        split_dataset(data, options(**changes), 0)


@pytest.mark.parametrize("fraction", [0.05, 0.95])
def test_a_split_smaller_than_the_number_of_classes_is_rejected(fraction: float) -> None:
    message = rf"validation_fraction: {fraction} of 20 images leaves a split of 1, fewer than the 2"
    with pytest.raises(UserError, match=message):
        split_dataset(dataset([0, 1] * 10, [0]), options(validation_fraction=fraction), 0)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("n", range(2, 14))
@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.3, 0.5, 0.7, 0.99])
def test_no_error_of_scikit_learn_reaches_the_user(n_classes: int, n: int, fraction: float) -> None:
    """Whatever the counts, the split succeeds or raises a `UserError`."""
    rng = np.random.default_rng(n)
    labels = np.r_[np.arange(n_classes), rng.integers(0, n_classes, n)].tolist()
    with contextlib.suppress(UserError):
        split_dataset(dataset(labels, None, n_classes), options(test_fraction=fraction), 0)


def grouped(sizes: dict[str, tuple[int, int]], test: bool = False) -> Dataset:
    """Two classes; for each group, its number of images in each."""
    rows = [(name, label) for name, n in sizes.items() for label in (0, 1) for _ in range(n[label])]
    labels = np.array([label for _, label in rows])
    names = [f"{label}/{group}/{n}.png" for n, (group, label) in enumerate(rows)]
    images = np.zeros((len(rows), 1, 8, 8), np.uint8)
    train = RawImages(images, labels, names, groups=[group for group, _ in rows])
    return Dataset(train, train if test else None, ("a", "b"))


def test_groups_stay_on_one_side() -> None:
    rng = np.random.default_rng(0)
    sizes = {f"patient {n}": (int(rng.integers(0, 9)), int(rng.integers(1, 5))) for n in range(60)}
    data = grouped(sizes)
    splits = split_dataset(data, options(group="folder"), 0)
    assert data.train.groups is not None
    groups, labels = np.array(data.train.groups), data.train.labels
    largest = max(map(sum, sizes.values()))  # no closer than about one group to the goal
    left = np.bincount(labels)
    for name, fraction in (("test", 0.2), ("validation", 0.25)):
        found = np.bincount(labels[splits[name].indices])
        assert np.abs(found - fraction * left).max() < largest / 2
        left = left - found
    sides = [set(groups[indices]) for _, indices in splits.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 60
    again = split_dataset(data, options(group="folder"), 0)
    assert all(np.array_equal(again[name].indices, splits[name].indices) for name in splits)
    other = split_dataset(data, options(group="folder"), 1)
    assert not np.array_equal(other["test"].indices, splits["test"].indices)


def test_a_class_in_a_single_group_stays_in_training() -> None:
    data = grouped({"p1": (0, 9), "p2": (2, 0), "p3": (2, 0), "p4": (2, 0), "p5": (2, 0)}, True)
    train, validation, _ = split_dataset(data, options(group="folder"), 0).values()
    assert set(data.train.labels[train.indices]) == {0, 1}
    assert set(data.train.labels[validation.indices]) == {0}


def test_images_without_groups_cannot_be_divided_by_them() -> None:
    with pytest.raises(UserError, match=r"group: folder needs an image_folder with folders inside"):
        split_dataset(dataset([0, 1] * 20, [0, 1]), options(group="folder"), 0)
    with pytest.raises(UserError, match=r"test_fraction: 2 folders cannot be divided so that"):
        split_dataset(grouped({"p1": (5, 0), "p2": (0, 5)}), options(group="folder"), 0)


def test_a_limit_holds_for_a_given_validation_split() -> None:
    images = dataset([0, 1] * 20, [0, 1] * 5)
    data = replace(images, validation=images.test)
    splits = split_dataset(data, options(limit=6), 0)
    assert {name: len(split.indices) for name, split in splits.items()} == {
        "train": 6,
        "validation": 6,
        "test": 6,
    }


@pytest.mark.parametrize("test", [[[1, 0]], [[1, 1]] * 3])
def test_test_images_that_all_have_the_same_labels_are_rejected(test: list[list[int]]) -> None:
    """No measure of several labels is defined for them, as evaluate would find after training."""
    train, other = (
        RawImages(np.zeros((len(labels), 1, 8, 8), np.uint8), np.array(labels, np.int64))
        for labels in ([[1, 0], [0, 1]] * 4, test)
    )
    with pytest.raises(UserError, match="all test images have the same labels, so no label can be"):
        split_dataset(Dataset(train, other, ("a", "b")), options(), 0)
    differing = RawImages(np.zeros((2, 1, 8, 8), np.uint8), np.array([[1, 0], [0, 0]]))
    assert split_dataset(Dataset(train, differing, ("a", "b")), options(), 0)["test"].indices.size


def test_a_test_split_without_images_is_rejected() -> None:
    with pytest.raises(UserError, match="data: the test split has no images; add some"):
        split_dataset(dataset([0, 1] * 4, []), options(), 0)
