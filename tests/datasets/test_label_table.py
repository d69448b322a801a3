"""Folders whose images have several labels, listed in a table."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages import download, preprocess
from stages.artifacts.splits import load_info, load_names, load_split
from stages.base.errors.user import UserError
from tests.conftest import run_stages

from .labelled_digits import NAMES, digits_with_labels, write_folder


def prepared(changes: dict[str, Any]) -> None:
    run_stages({"data": {"labels": "multiple", **changes}}, (download, preprocess))


def test_a_folder_with_one_table_is_split(here: Path) -> None:
    write_folder(here / "images", 100)
    (here / "images/notes.txt").write_text("not listed")
    (here / "images/Thumbs.db").write_text("not listed either, without a word")
    prepared({"dataset": "image_folder", "source": "images"})
    images, labels = digits_with_labels()
    n_images = 0
    for split in ("train", "validation", "test"):
        loaded, names = load_split(split), load_names(split)
        n_images += len(names)
        for pixels, own, name in zip(loaded.images, loaded.labels, names, strict=True):
            number = int(str(name).removesuffix(".png"))
            assert np.array_equal(pixels[0], images[number])
            assert np.array_equal(own, labels[number])
    assert n_images == 100


@pytest.mark.parametrize("one_table", [True, False])
def test_train_and_test_keep_their_division(here: Path, one_table: bool) -> None:
    for split, n in (("train", 60), ("test", 20)):
        write_folder(here / "images" / split, n, table=not one_table)
    if one_table:
        _, labels = digits_with_labels()
        lines = [
            f"{split}/{number:03d}.png,{','.join(map(str, labels[number]))}"
            for split, n in (("train", 60), ("test", 20))
            for number in range(n)
        ]
        (here / "images/labels.csv").write_text("\n".join([f"file,{','.join(NAMES)}", *lines]))
    prepared({"dataset": "image_folder", "source": "images"})
    assert sorted(load_names("test").tolist()) == [f"test/{n:03d}.png" for n in range(20)]
    assert len(load_split("train").labels) + len(load_split("validation").labels) == 60


TABLES = {
    "file,class\n000.png,a": r"first line must be file,<label>.* or set data\.labels: single",
    "": r"first line must be file,<label>,<label>",
    "name,a,b\n0.png,1,0": r"first line must be file",
    "file,a,b\n000.png,1": r"labels\.csv: line 2: has 1 labels, expected 2: 0 or 1 for each",
    "file,a,b\n000.png,1,2": r"line 2: a label is '2', expected 0 or 1",
    "file,a,b\n000.png,1,0\n000.png,1,0": r"line 3: 000\.png is listed twice",
    "file,a,b\n../000.png,1,0": r"line 2: file is '\.\./000\.png', expected a path relative",
    "file,a,b\nx.png,1,0": r"names files that do not exist: x\.png; add them",
    "file,a,b\n": r"lists no images",
    "file,a\n000.png,1\n001.png,0": r"number of labels must be at least 2 \(got 1\)",
    "file,a,b\n000.png,1,0\n001.png,1,0\n002.png,1,0": r"no training images of b; add some or",
}


@pytest.mark.parametrize("table", TABLES)
def test_wrong_tables_are_refused(here: Path, table: str) -> None:
    write_folder(here / "images", 3, table=False)
    (here / "images/labels.csv").write_text(table)
    with pytest.raises(UserError, match=TABLES[table]):
        prepared({"dataset": "image_folder", "source": "images"})


def test_a_folder_without_a_table_is_refused(here: Path) -> None:
    write_folder(here / "images", 3, table=False)
    with pytest.raises(UserError, match=r"has no labels\.csv; data\.labels: multiple needs"):
        prepared({"dataset": "image_folder", "source": "images"})


def write_classes(folder: Path, *parts: str) -> list[str]:
    """Parity of digits as a table of classes: 40 images for each part, a folder or ""."""
    images, labels = digits_with_labels()
    lines = []
    for number in range(40 * len(parts)):
        name = f"{parts[number // 40]}{number:03d}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(images[number]).save(folder / name)
        lines.append(f"{name},{'even' if labels[number, 0] else 'odd'}")
    (folder / "labels.csv").write_text("\n".join(["file,class", *lines]))
    return lines


@pytest.mark.parametrize("parts", [("",), ("train/", "val/", "test/"), ("a/", "b/")])
def test_a_table_gives_the_classes(here: Path, parts: tuple[str, ...]) -> None:
    lines = write_classes(here / "images", *parts)
    prepared({"labels": "single", "dataset": "image_folder", "source": "images"})
    assert load_info().class_names == ("even", "odd")
    images, labels = digits_with_labels()
    found = []
    for split in ("train", "validation", "test"):
        loaded, names = load_split(split), load_names(split).tolist()
        for pixels, label, name in zip(loaded.images, loaded.labels, names, strict=True):
            number = int(name[-7:-4])
            assert np.array_equal(pixels[0], images[number])
            assert label == 1 - labels[number, 0]
        if len(parts) == 3:
            folder = {"validation": "val"}.get(split, split)
            assert {name.split("/")[0] for name in names} == {folder}
        found += names
    assert sorted(found) == sorted(line.split(",")[0] for line in lines)


def test_named_classes_give_the_order_of_a_table(here: Path) -> None:
    write_classes(here / "images", "")
    options = {"classes": ["odd", "neither", "even"]}
    source = {"dataset": "image_folder", "source": "images", "options": options}
    prepared({"labels": "single", **source})
    assert load_info().class_names == ("odd", "neither", "even")


CLASSES = {
    "file,a,b\n000.png,1,0": r"must be file,class \(got 'file,a,b'\), or set data\.labels: multi",
    "file;class\n000.png;a": r"must be file,class \(got 'file;class'\), or rename the table",
    "file,class\n000.png,": r"line 2: has '' after the file, expected one class",
    "file,class\n000.png,a,b": r"line 2: has 'a,b' after the file, expected one class",
    "file,class\n000.png,a\n001.png,a": r"classes found: 1 \(a\), expected at least 2",
    "file,class\nx.png,a": r"names files that do not exist: x\.png; add them",
}


@pytest.mark.parametrize("table", CLASSES)
def test_wrong_tables_of_classes_are_refused(here: Path, table: str) -> None:
    write_classes(here / "images", "")
    (here / "images/labels.csv").write_text(table)
    with pytest.raises(UserError, match=CLASSES[table]):
        prepared({"labels": "single", "dataset": "image_folder", "source": "images"})
