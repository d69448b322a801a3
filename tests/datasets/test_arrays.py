"""A user's own arrays: every layout, and every kind of invalid file."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.datasets import arrays
from stages.datasets.base import npz
from stages.datasets.base.contract import Dataset, Origin

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (6, 9, 11), dtype=np.uint8)
RGB = RNG.integers(0, 256, (6, 9, 11, 3), dtype=np.uint8)
MANY = RNG.integers(0, 256, (6, 13, 14, 16), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])
VALID: dict[str, Any] = {"x_train": GREY, "y_train": LABELS, "x_test": GREY, "y_test": LABELS}


class Trap:
    """An object that creates a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("trap-was-sprung"),))


def fetched(tmp_path: Path, **content: Any) -> Dataset:
    file = tmp_path / "own.npz"
    np.savez(file, **{name: array for name, array in content.items() if array is not None})
    return from_file(file)


def from_file(file: Path, **options: Any) -> Dataset:
    raw = file.parent / "raw"
    raw.mkdir()
    try:
        arrays.fetch(Origin(file), raw, **options)
    except UserError:
        assert list(raw.iterdir()) == []
        raise
    return arrays.read(raw)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (GREY, GREY[:, None]),
        (GREY[..., None], GREY[:, None]),
        (GREY[:, None], GREY[:, None]),
        (RGB, RGB.transpose(0, 3, 1, 2)),
        (RGB.transpose(0, 3, 1, 2), RGB.transpose(0, 3, 1, 2)),
        (RGB[..., :2], RGB[..., :2].transpose(0, 3, 1, 2)),
        (MANY, MANY),
        (MANY.transpose(0, 2, 3, 1), MANY),
    ],
)
def test_every_layout_is_read(tmp_path: Path, given: NDArray[np.uint8], expected: Any) -> None:
    images = fetched(tmp_path, **VALID | {"x_train": given})
    assert np.array_equal(images.train.images, expected)
    assert images.train.labels.tolist() == LABELS.tolist()
    assert images.class_names == ("0", "1", "2")


SPLITS = ("train", "validation", "test")


@pytest.mark.parametrize(
    "names",
    [
        ["train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"],
        ["X_train", "Y_train", "X_valid", "Y_valid", "X_TEST", "Y_TEST"],
        ["trainX", "trainy", "validationX", "validationy", "testX", "testy"],
        ["Images_Train", "Labels_Train", "Images_Val", "Labels_Val", "Images_Test", "Labels_Test"],
    ],
)
def test_every_name_of_a_split_is_read(tmp_path: Path, names: list[str]) -> None:
    content = [array for n in (6, 4, 5) for array in (GREY[-n:], LABELS[-n:])]
    dataset = fetched(tmp_path, **dict(zip(names, content, strict=True)))
    for split, n in zip(SPLITS, (6, 4, 5), strict=True):
        its_images = getattr(dataset, split)
        assert np.array_equal(its_images.images[:, 0], GREY[-n:])
        assert its_images.labels.tolist() == LABELS[-n:].tolist()


@pytest.mark.parametrize("names", [("x", "y"), ("images", "labels"), ("data", "target")])
def test_arrays_without_splits_are_divided_later(tmp_path: Path, names: tuple[str, str]) -> None:
    dataset = fetched(tmp_path, **{names[0]: GREY, names[1]: LABELS, "notes": np.zeros(3)})
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.test is None
    assert dataset.validation is None


def test_arrays_of_other_names_are_not_opened(tmp_path: Path) -> None:
    others = {"paths": np.array([Trap()], dtype=object), "x_mean": np.zeros(3)}
    assert fetched(tmp_path, **VALID | others).train.labels.tolist() == LABELS.tolist()


def test_classes_may_start_from_1(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", **VALID | {"y_train": LABELS + 1, "y_test": LABELS[:, None] + 1})
    dataset = from_file(tmp_path / "own.npz", labels_from=1)
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.test is not None
    assert dataset.test.labels.tolist() == LABELS.tolist()
    assert dataset.class_names == ("1", "2", "3")


def test_class_names_are_read(tmp_path: Path) -> None:
    names = np.array(["a b", "ü", "小"])
    assert fetched(tmp_path, **VALID, class_names=names).class_names == ("a b", "ü", "小")


@pytest.mark.parametrize(
    ("changes", "messages"),
    [
        (
            {"x_test": None},
            ["x_test or test_images is missing; the file contains x_train, y_train, y_test"],
        ),
        ({"x_train": GREY / 255}, [r"x_train is float64, expected uint8 \(n, height, width\), "]),
        ({"x_train": GREY[0]}, [r"x_train has shape \(9, 11\), expected uint8 \(n, "]),
        ({"x_train": GREY[:0], "y_train": LABELS[:0]}, [r"shape \(0, 9, 11\), .* n at least 1"]),
        (
            {"x_train": np.zeros((6, 15, 14, 16), np.uint8)},
            [r"x_train has shape \(6, 15, 14, 16\), expected uint8 .* 1 to 13 channels"],
        ),
        ({"x_train": np.zeros((6, 9, 11, 13), np.uint16)}, ["x_train is uint16, .*; scale the"]),
        (
            {"y_train": LABELS[:5]},
            ["x_train has 6 images but y_train 5 labels; expected one for each"],
        ),
        ({"X_TRAIN": GREY}, ["x_train and X_TRAIN are both the images of the train split; rem"]),
        ({"val_images": GREY}, ["y_validation or validation_labels is missing"]),
        ({"val_images": GREY, "val_labels": LABELS[:2]}, ["val_images has 6 .* val_labels 2 la"]),
        ({"y_test": LABELS / 2}, [r"y_test is float64 of shape \(6,\) .*not whole .* as 0\.5"]),
        (
            {"y_train": np.array([0, 1, 2, 0, 1, 6])},
            ["y_train has class 6 but only 6 labels; expected classes 0 … k - 1, each with an "],
        ),
        (
            {"y_train": LABELS + 1, "y_test": LABELS + 1},
            [r"y_train has classes from 1 to 3, .*options: {labels_from: 1}"],
        ),
        ({"class_names": LABELS}, [r"class_names is int64 of shape \(6,\), expected strings"]),
        (
            {"x_train": None, "x_test": GREY[0], "y_test": LABELS / 2},
            ["x_train or train_images is missing", "x_test has shape", "y_test is float64"],
        ),
    ],
)
def test_invalid_arrays_are_rejected_with_every_error_at_once(
    tmp_path: Path, changes: dict[str, Any], messages: list[str]
) -> None:
    with pytest.raises(UserError, match=r"own\.npz: cannot be used as dataset arrays:") as caught:
        fetched(tmp_path, **VALID | changes)
    assert len(str(caught.value).splitlines()) == 1 + len(messages)
    for message in messages:
        caught.match(message)


def test_objects_are_never_unpickled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match=r"x_train is an array of objects, .* never unpickled; save"
    ):
        fetched(tmp_path, **VALID | {"x_train": np.array([Trap()], dtype=object)})
    assert not Path("trap-was-sprung").exists()


def test_a_truncated_file_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "own.npz"
    np.savez(file, **VALID)
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"own\.npz: cannot be read as an \.npz file"):
        from_file(file)


def test_a_changed_byte_is_detected(tmp_path: Path) -> None:
    file = tmp_path / "own.npz"
    np.savez(file, **VALID)
    content = bytearray(file.read_bytes())
    content[content.index(GREY.tobytes()) + 100] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"own\.npz: cannot be read as an \.npz file .*Bad CRC-32"):
        from_file(file)


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_file_that_is_no_archive_is_rejected(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "own.npz"
    file.write_bytes(content)
    with pytest.raises(
        UserError, match=r"own\.npz: cannot be read as an .*write it with numpy\.savez"
    ):
        from_file(file)


@pytest.mark.parametrize("name", ["nothing.npz", "."])
def test_a_missing_file_is_reported(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"no such file; dataset arrays needs an \.npz|Is a direct"):
        from_file(tmp_path / name)


def test_an_archive_that_would_unpack_to_too_much_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "MAX_UNPACKED_BYTES", 1 << 20)
    file = tmp_path / "own.npz"
    np.savez_compressed(file, **VALID | {"x_train": np.zeros((2000, 30, 30), np.uint8)})
    assert file.stat().st_size < 1 << 15
    with pytest.raises(UserError, match=r"own\.npz: would unpack to 0\.0 GiB, more than the"):
        from_file(file)


def test_a_header_with_too_large_a_shape_is_rejected(tmp_path: Path) -> None:
    """The sizes in the archive are small, but the array's header states a huge shape."""
    buffer = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 28, 28)}
    np.lib.format.write_array_header_1_0(buffer, header)
    file = tmp_path / "own.npz"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x_train.npy", buffer.getvalue())
    with pytest.raises(UserError, match=r"x_train is uint8 of .* by its header, .* but has 0"):
        from_file(file)


def test_items_of_zero_bytes_are_rejected(tmp_path: Path) -> None:
    """They need no space in the file, but NumPy would allocate one character for each."""
    buffer = io.BytesIO()
    header = {"descr": "<U0", "fortran_order": False, "shape": (1 << 40,)}
    np.lib.format.write_array_header_1_0(buffer, header)
    file = tmp_path / "own.npz"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("class_names.npy", buffer.getvalue())
    with pytest.raises(
        UserError, match=r"class_names is <U0 of shape \(1099511627776,\) by its header, 0"
    ):
        from_file(file)


@pytest.mark.parametrize(
    "names", [np.array(["a", "\ud800"]), np.array([97, 1 << 24], "<u4").view("<U1")]
)
def test_names_with_invalid_unicode_are_rejected(tmp_path: Path, names: NDArray[np.str_]) -> None:
    with pytest.raises(UserError, match="class_names contains invalid Unicode"):
        fetched(tmp_path, **VALID, class_names=names)
