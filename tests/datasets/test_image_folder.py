"""Folders of images: classes, splits, and all damaged files reported at once."""

import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stages.base.errors.user import UserError
from stages.base.params.plugins import option_errors
from stages.datasets import image_folder
from stages.preparation.soundness import require_sound

from .folders import fetched, put, two_classes
from .image_files import DAMAGED, PNG, encoded


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return two_classes(tmp_path / "images")


def test_train_and_test_folders_become_two_splits(source: Path, tmp_path: Path) -> None:
    put(source / "train/big cat/.DS_Store", b"ignored")
    put(source / "train/notes.txt", b"ignored")
    put(source / "test/小さい犬/名前.gif", encoded(Image.new("L", (9, 11), 7), "GIF"))
    images = fetched(source, tmp_path / "raw")
    assert images.class_names == ("big cat", "小さい犬")
    assert images.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.test is not None
    assert images.test.labels.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert images.test.images[6].shape[1:] == (11, 9)
    assert np.array_equal(images.train.images[0], np.asarray(Image.open(io.BytesIO(PNG)))[None])
    files = [*(f"{name}/{n}.png" for name in images.class_names for n in range(3))]
    assert images.train.names == [f"train/{file}" for file in files]
    assert images.test.names == [*(f"test/{file}" for file in files), "test/小さい犬/名前.gif"]


def test_one_folder_leaves_the_test_split_to_preprocess(source: Path, tmp_path: Path) -> None:
    images = fetched(source / "train", tmp_path / "raw")
    assert images.test is None
    assert images.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.train.names == [
        *(f"big cat/{number}.png" for number in range(3)),
        *(f"小さい犬/{number}.png" for number in range(3)),
    ]


def test_a_class_may_be_called_train(source: Path, tmp_path: Path) -> None:
    (source / "test").rename(tmp_path / "elsewhere")
    put(source / "plane/0.png", PNG)
    (source / "train/big cat/0.png").rename(source / "train/0.png")
    for rest in ("big cat", "小さい犬"):
        (source / "train" / rest).rename(tmp_path / rest)
    assert fetched(source, tmp_path / "raw").class_names == ("plane", "train")


def test_a_split_with_another_name_is_rejected(source: Path, tmp_path: Path) -> None:
    (source / "test").rename(source / "holdout")
    message = r"contains holdout, train; image_folder needs train/<class>.*rename the other split"
    with pytest.raises(UserError, match=message):
        fetched(source, tmp_path / "raw")


def test_the_same_images_give_the_same_bytes(source: Path, tmp_path: Path) -> None:
    fetched(source, tmp_path / "first")
    for path in sorted(source.rglob("*.png"), reverse=True):
        content = path.read_bytes()
        path.unlink()
        path.write_bytes(content)
        os.utime(path, (1e9, 1e9))
        path.chmod(0o600)
    fetched(source, tmp_path / "second")
    first, second = (tmp_path / name / "images.zip" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()
    assert (tmp_path / "first/images.csv").read_bytes() == (
        tmp_path / "second/images.csv"
    ).read_bytes()
    assert all(info.compress_type == zipfile.ZIP_STORED for info in zipfile.ZipFile(first).filelist)


def test_every_damaged_file_is_named_at_once(source: Path, tmp_path: Path) -> None:
    for name, (content, _) in DAMAGED.items():
        put(source / f"train/big cat/{name}.png", content)
    (source / "test/big cat/folder").symlink_to(source / "train", target_is_directory=True)
    with pytest.raises(UserError) as caught:
        fetched(source, tmp_path / "raw")
    first, *lines, last = str(caught.value).splitlines()
    assert first == f"{source}: 11 of 23 files cannot be used as images:"
    named = {line.strip().split(": ")[0] for line in lines}
    assert named == {f"train/big cat/{name}.png" for name in DAMAGED} | {"test/big cat/folder"}
    assert last == "Fix or remove them, or set data.skip_damaged: true to leave them out."


def test_damaged_files_are_left_out_and_listed(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(source / "train/big cat/bad.png", PNG[:-30])
    put(source / "train/big cat/worse.png", b"")
    images = fetched(source, tmp_path / "raw", skip_damaged=True)
    assert images.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == f"{source}: left out 2 of 14 files (data.skip_damaged):"
    assert [line.split(":")[0] for line in lines] == [
        "  train/big cat/bad.png",
        "  train/big cat/worse.png",
    ]


def test_links_out_of_the_folder_are_not_followed(source: Path, tmp_path: Path) -> None:
    put(tmp_path / "secret/0.png", PNG)
    (source / "train/big cat/link.png").symlink_to(tmp_path / "secret/0.png")
    (source / "train/up").symlink_to(tmp_path / "secret")
    (source / "train/big cat/inside.png").symlink_to(source / "train/big cat/0.png")
    (source / "train/big cat/loop.png").symlink_to(source / "train/big cat/loop.png")
    (source / "train/big cat/nowhere.png").symlink_to(source / "nothing.png")
    with pytest.raises(UserError) as caught:
        fetched(source, tmp_path / "raw")
    text = str(caught.value)
    secret = tmp_path / "secret/0.png"
    assert f"train/big cat/link.png: a link to {secret}, outside the folder: not followed" in text
    assert f"train/up/0.png: a link to {secret}, outside the folder: not followed" in text
    assert "train/big cat/loop.png: " in text
    assert "train/big cat/nowhere.png: No such file or directory" in text
    assert "inside.png" not in text


def test_a_name_that_is_not_utf8_is_rejected(source: Path, tmp_path: Path) -> None:
    put(source / "train/big cat" / os.fsdecode(b"\xff.png"), PNG)
    with pytest.raises(UserError, match=r"big cat/\\udcff\.png: its name is not UTF-8; rename it"):
        fetched(source, tmp_path / "raw")


def remove(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()
    path.rmdir()


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        (lambda s: (s / "train/owl").mkdir(), ["train/owl: an empty class; add images", "without"]),
        (lambda s: put(s / "test/owl/0.png", PNG), ["test/owl: a class without training images; "]),
        (lambda s: put(s / "train/owl/0.png", PNG), ["train/owl: a class without test images; "]),
        (
            lambda s: (remove(s / "train/big cat"), remove(s / "test/big cat")),
            [r"classes found: 1 \(小さい犬\), expected at least 2"],
        ),
        (
            lambda s: ((s / "test/owl").mkdir(), put(s / "train/crow/0.png", PNG)),
            ["test/owl: an empty class", "test/owl: a class without tr", "train/crow: a class wit"],
        ),
        (
            lambda s: [remove(s / f"{p}/{c}") for p in ("train", "test") for c in CLASSES],
            [r"classes found: 0 \(none\), expected at least 2, as train/<class>"],
        ),
    ],
)
def test_invalid_classes_are_rejected(
    source: Path, tmp_path: Path, change: Callable[[Path], object], messages: list[str]
) -> None:
    change(source)
    with pytest.raises(UserError) as caught:
        fetched(source, tmp_path / "raw")
    for message in messages:
        caught.match(message)


CLASSES = ("big cat", "小さい犬")


def test_a_folder_without_read_permission_is_reported(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readable = Path.iterdir

    def iterdir(path: Path) -> Any:
        if path.name == "big cat":
            raise PermissionError(13, "Permission denied")
        return readable(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    with pytest.raises(UserError, match=r"train/big cat: cannot be read: Permission denied; fix"):
        fetched(source, tmp_path / "raw")


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nothing: no such folder; image_folder needs train/<cl"):
        fetched(tmp_path / "nothing", tmp_path / "raw")


def test_named_classes_give_the_order_and_may_have_no_images(source: Path, tmp_path: Path) -> None:
    put(source / "test/owl/0.png", PNG)  # no training images, and none at all of cow
    names = ["owl", "小さい犬", "cow", "big cat"]
    images = fetched(source, tmp_path / "raw", classes=names)
    assert images.class_names == tuple(names)
    assert images.test is not None
    assert images.train.labels.tolist() == [3, 3, 3, 1, 1, 1]
    assert images.test.labels.tolist() == [3, 3, 3, 0, 1, 1, 1]
    require_sound(images)


def test_folders_that_are_no_named_class_are_listed(source: Path, tmp_path: Path) -> None:
    put(source / "test/owl/0.png", PNG)
    with pytest.raises(UserError) as caught:
        fetched(source, tmp_path / "raw", classes=["owl", "big cats"])
    assert str(caught.value).splitlines()[1:] == [
        "  classes that data.options.classes does not name: big cat, 小さい犬; add them there, or "
        "rename them (it names owl, big cats)"
    ]


def test_named_classes_without_any_image(source: Path, tmp_path: Path) -> None:
    for file in source.glob("test/*/*"):
        file.unlink()
    with pytest.raises(UserError, match=r"\n  test: no images of the classes in data\.options\.cl"):
        fetched(source, tmp_path / "raw", classes=["小さい犬", "big cat"])


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["cat"], "classes: .*at least 2"),
        (["cat", "dog", "cat"], r"classes: must name each class once \(cat\)"),
        ([0, 1], r"classes.*: must be a string \(got 0\)"),
        ("cats.txt", r"classes: must be a list"),
    ],
)
def test_invalid_lists_of_classes(classes: Any, message: str) -> None:
    lines = option_errors(image_folder.fetch, {"classes": classes})
    assert re.search(message, "\n".join(lines)), lines
