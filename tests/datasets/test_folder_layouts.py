"""Image folders as people have them: validation, capitals, wrappers, what systems leave behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.base.errors.user import UserError

from .folders import fetched, put, two_classes
from .image_files import PNG, encoded


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return two_classes(tmp_path / "images")


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_a_validation_folder_becomes_the_validation_split(
    source: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(source / "test", source / name)
    (source / name / "big cat/2.png").unlink()
    images = fetched(source, tmp_path / "raw")
    assert images.validation is not None
    assert images.validation.labels.tolist() == [0, 0, 1, 1, 1]
    assert next(iter(images.validation.names or ())) == f"{name}/big cat/0.png"
    assert images.train.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_training_and_validation_alone_leave_the_test_split_to_preprocess(
    source: Path, tmp_path: Path
) -> None:
    (source / "test").rename(source / "val")
    images = fetched(source, tmp_path / "raw")
    assert images.test is None
    assert images.validation is not None


def test_names_of_splits_may_have_capitals(source: Path, tmp_path: Path) -> None:
    (source / "train").rename(source / "Train")
    (source / "test").rename(source / "TEST")
    images = fetched(source, tmp_path / "raw")
    assert images.test is not None
    assert next(iter(images.test.names or ())) == "TEST/big cat/0.png"
    (source / "Training").mkdir()
    with pytest.raises(UserError, match=r"Train and Training are both the train split; move the"):
        fetched(source, tmp_path / "again")


def test_a_split_without_class_folders_is_rejected(source: Path, tmp_path: Path) -> None:
    put(source / "val/0.png", PNG)
    with pytest.raises(UserError, match=r"images/val: has no class folders; image_folder needs"):
        fetched(source, tmp_path / "raw")


def test_what_systems_leave_behind_is_neither_class_nor_image(source: Path, tmp_path: Path) -> None:
    for folder in ("", "train/", "train/big cat/", "test/小さい犬/"):
        for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._0.png"):
            put(source / folder / name, b"ignored")
        for name in ("__MACOSX", ".ipynb_checkpoints"):
            put(source / folder / name / "0.png", PNG)
    images = fetched(source, tmp_path / "raw")
    assert images.class_names == ("big cat", "小さい犬")
    assert images.train.labels.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("wrapper", ["dataset", "archive/dataset"])
def test_a_folder_around_the_data_is_pointed_out(
    source: Path, tmp_path: Path, wrapper: str
) -> None:
    outer = tmp_path / "outer"
    (outer / wrapper).parent.mkdir(parents=True)
    (outer / "__MACOSX").mkdir()
    put(outer / "README.txt", b"ignored")
    source.rename(outer / wrapper)
    message = rf"outer: looks like your data lie in {wrapper}/: set data\.source to .*/{wrapper}$"
    with pytest.raises(UserError, match=message):
        fetched(outer, tmp_path / "raw")


@pytest.mark.parametrize("with_table", [False, True], ids=["labels in file names", "another csv"])
def test_images_without_class_folders_are_pointed_to_folders_or_a_table(
    tmp_path: Path, with_table: bool
) -> None:
    for number in range(3):
        put(tmp_path / f"pets/cat.{number}.png", PNG)
        put(tmp_path / f"pets/dog.{number}.png", PNG)
    if with_table:
        (tmp_path / "pets/train.csv").write_text("id,label\ncat.0.png,cat\n")
    message = (
        r"classes found: 0 \(none\), expected at least 2, as train/<class>/\* and "
        r"test/<class>/\*, or <class>/\*, or a labels\.csv with the columns file and class"
    )
    with pytest.raises(UserError, match=message):
        fetched(tmp_path / "pets", tmp_path / "raw")


def test_folders_inside_a_class_are_read_as_groups(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("patient1/0.png", "patient1/scan/0.png", "patient2/0.png"):
        put(source / "train/big cat" / name, PNG)
    images = fetched(source, tmp_path / "raw").train
    names = list(images.names or ())
    assert names[:6] == [
        *(f"train/big cat/{number}.png" for number in range(3)),
        "train/big cat/patient1/0.png",
        "train/big cat/patient1/scan/0.png",
        "train/big cat/patient2/0.png",
    ]
    assert list(images.groups or ()) == [*names[:3], *["patient1"] * 2, "patient2", *names[6:]]
    assert images.labels.tolist() == [0] * 6 + [1] * 3
    assert "3 images lie in 2 folders inside the classes" in capsys.readouterr().out


HEIC = b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(40)


def test_photos_in_heic_get_a_hint(source: Path, tmp_path: Path) -> None:
    put(source / "train/big cat/IMG_1.HEIC", HEIC)
    with pytest.raises(UserError, match=r"big cat/IMG_1\.HEIC: a HEIC photo.*; save it as JPEG"):
        fetched(source, tmp_path / "raw")


def test_the_range_of_deep_pixels_is_recorded(source: Path, tmp_path: Path) -> None:
    values = np.linspace(-1000, 3071, 120, dtype=np.float32).reshape(12, 10)
    put(source / "train/big cat/3.tif", encoded(Image.fromarray(values), "TIFF"))
    images = fetched(source, tmp_path / "raw")
    assert images.train.ranges is not None
    assert images.train.ranges[3].tolist() == [-1000, 3071]
    assert np.isnan(np.delete(images.train.ranges, 3, axis=0)).all()
    assert np.array_equal(images.train.images[3][0], values)
    assert images.test is not None
    assert images.test.ranges is None
