"""The prepared images: their files, and the splits of a real run."""

import json
import lzma
from pathlib import Path

import numpy as np
import pytest

from stages.artifacts.splits import (
    Split,
    SplitName,
    load_info,
    load_names,
    load_split,
    save_splits,
)
from tests.conftest import Project
from tests.factory import dataset_info

HALVES: tuple[SplitName, ...] = ("train", "validation")


def test_the_splits_have_the_expected_sizes_and_statistics(ran_project: Project) -> None:
    prepared = ran_project.root / "data/prepared"
    sizes = {name: len(load_split(name, prepared).labels) for name in HALVES}
    assert sizes == {"train": 540, "validation": 60}
    test = load_split("test", prepared)
    assert len(test.labels) == 600
    info, images = load_info(prepared), load_split("train", prepared).images
    assert info.mean[0] == pytest.approx(images.mean() / 255)
    assert info.std[0] == pytest.approx(images.std() / 255)


def test_a_split_is_memory_mapped(ran_project: Project) -> None:
    prepared = ran_project.root / "data/prepared"
    mapped = load_split("train", prepared)
    assert isinstance(mapped.images.base, np.memmap)
    assert np.array_equal(mapped.images, load_split("train", prepared).images)
    assert np.array_equal(mapped.labels, load_split("train", prepared).labels)


@pytest.mark.parametrize(
    ("split", "file"), [("train", "train"), ("validation", "train"), ("test", "t10k")]
)
def test_an_image_is_named_by_its_number_in_the_published_file(
    ran_project: Project, split: SplitName, file: str
) -> None:
    """The reference is the published file: 16 bytes of header, then the pixels."""
    prepared = ran_project.root / "data/prepared"
    names, images = load_names(split, prepared), load_split(split, prepared).images
    archive = ran_project.root / f"data/embedded/mnist/{file}-images-idx3-ubyte.xz"
    published = np.frombuffer(lzma.decompress(archive.read_bytes()), np.uint8, offset=16)
    assert np.array_equal(published.reshape(-1, 1, 28, 28)[names], images)


def test_numpy_and_json_read_the_files(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes: dict[SplitName, int] = {"train": 5, "validation": 2, "test": 3}
    splits = {
        name: Split(rng.integers(0, 256, (n, 3, 8, 9), np.uint8), rng.integers(0, 2, n))
        for name, n in shapes.items()
    }
    names = {name: np.array([f"{name}/{i}.png" for i in range(n)]) for name, n in shapes.items()}
    parameters = {"seed": 0, "preprocess": {"image_size": None}}
    info = dataset_info(
        "ab",
        (8, 9),
        3,
        mean=(0.1, 0.2, 0.3),
        std=(1.0, 2.0, 3.0),
        name="Öwn",
        parameters=parameters,
    )
    folder = tmp_path / "prepared"
    save_splits(info, splits, names, folder)
    kinds = ("images", "labels", "names")
    files = {f"{name}_{kind}.npy" for name in shapes for kind in kinds}
    assert {path.name for path in folder.iterdir()} == {"dataset.json", *files}
    for name, split in splits.items():
        for kind, array in zip(kinds, (*split, names[name]), strict=True):
            np.testing.assert_array_equal(np.load(folder / f"{name}_{kind}.npy"), array)
        np.testing.assert_array_equal(load_split(name, folder).images, split.images)
        assert isinstance(load_names(name, folder).base, np.memmap)
    assert json.loads((folder / "dataset.json").read_text()) == {
        "name": "Öwn",
        "class_names": ["a", "b"],
        "channels": 3,
        "image_size": [8, 9],
        "mean": [0.1, 0.2, 0.3],
        "std": [1, 2, 3],
        "pixel_range": None,
        "parameters": parameters,
    }
    assert load_info(folder) == info
