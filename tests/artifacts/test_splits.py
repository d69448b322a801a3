"""The prepared images of a real run."""

import pytest

from stages.artifacts.splits import SplitName, load_info, load_split
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
