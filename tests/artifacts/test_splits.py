"""The prepared images of a real run."""

import lzma

import numpy as np
import pytest

from stages.artifacts.splits import SplitName, load_info, load_names, load_split
from tests.conftest import Project

HALVES: tuple[SplitName, ...] = ("train", "validation")


def test_the_splits_are_those_of_the_archive(ran_project: Project) -> None:
    prepared = ran_project.root / "data/prepared"
    sizes = {name: len(load_split(name, prepared).labels) for name in HALVES}
    assert sizes == {"train": 540, "validation": 60}
    test = load_split("test", prepared)
    assert len(test.labels) == 600
    info, images = load_info(prepared), load_split("train", prepared).images
    assert info.mean[0] == pytest.approx(images.mean() / 255)
    assert info.std[0] == pytest.approx(images.std() / 255)


def test_a_split_can_be_read_without_loading_it(ran_project: Project) -> None:
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
    """Some hundreds are kept; the oracle is the file, 16 bytes of header and then the pixels."""
    prepared = ran_project.root / "data/prepared"
    names, images = load_names(split, prepared), load_split(split, prepared).images
    archive = ran_project.root / f"data/embedded/mnist/{file}-images-idx3-ubyte.xz"
    published = np.frombuffer(lzma.decompress(archive.read_bytes()), np.uint8, offset=16)
    assert np.array_equal(published.reshape(-1, 1, 28, 28)[names], images)
