"""Parquet files as Hugging Face stores data sets, and as others write them."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stages.base.errors.user import UserError
from stages.datasets import parquet
from stages.datasets.base.contract import Dataset, Origin
from tests.conftest import ROOT

from .parquet_files import metadata, png, write

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (9, 8, 10), dtype=np.uint8)
FILES = [png(pixels) for pixels in PIXELS]
LABELS = np.array([0, 1, 2, 0, 1, 2, 2, 1, 0])
NAMES = ["ant", "bee", "猫"]


def fetched(source: Path, skip_damaged: bool = False, **options: Any) -> Dataset:
    raw = source.parent / "raw"
    raw.mkdir()
    parquet.fetch(Origin(source, skip_damaged=skip_damaged), raw, **options)
    return parquet.read(raw)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "own"


def test_the_folder_of_a_published_data_set(source: Path) -> None:
    """Splits in shards, with the names of the classes in the metadata."""
    for shard, rows in enumerate((slice(0, 4), slice(4, 9))):
        name = f"data/train-0000{shard}-of-00002-0f1e2d.parquet"
        write(source / name, FILES[rows], LABELS[rows], NAMES, rows_per_group=3)
    write(source / "data/validation-00000-of-00001.parquet", FILES[:2], LABELS[:2], NAMES)
    write(source / "data/test-00000-of-00001.parquet", FILES[3:], LABELS[3:], NAMES)
    (source / "README.md").write_text("A card")
    dataset = fetched(source)
    assert dataset.class_names == tuple(NAMES)
    for split, rows in (("train", slice(9)), ("validation", slice(2)), ("test", slice(3, None))):
        images = getattr(dataset, split)
        assert images.labels.tolist() == LABELS[rows].tolist()
        assert images.names.tolist() == list(range(len(LABELS[rows])))
        for i, pixels in enumerate(PIXELS[rows]):
            assert np.array_equal(images.images[i][0], pixels)


@pytest.mark.parametrize(
    "files",
    [
        ["own.parquet"],
        ["part-0.parquet", "part-1.parquet"],
        ["default/train/0000.parquet", "default/test/0000.parquet"],
        ["mnist_train.parquet", "mnist_test.parquet"],
    ],
)
def test_names_of_files_tell_the_splits(source: Path, files: list[str]) -> None:
    for file in files:
        write(source / file, FILES, LABELS)
    dataset = fetched(source if len(files) > 1 else source / files[0])
    is_split = "train" in files[0]
    assert len(dataset.train.images) == (9 if is_split or len(files) == 1 else 18)
    assert (dataset.test is not None) == is_split
    assert dataset.validation is None
    assert dataset.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pa.array(LABELS, pa.int8()), "012"),
        (pa.array(LABELS, pa.float64()), "012"),
        (pa.array([NAMES[label] for label in LABELS]), NAMES),
        (pa.array([NAMES[label] for label in LABELS], pa.large_string()), NAMES),
        (pa.array([NAMES[label] for label in LABELS]).dictionary_encode(), NAMES),
    ],
)
def test_every_type_of_label_is_read(source: Path, labels: pa.Array, names: Any) -> None:
    write(source / "train.parquet", FILES, labels)
    dataset = fetched(source)
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.class_names == tuple(names)


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_images_may_be_bytes_in_columns_of_other_names(source: Path, kind: Any) -> None:
    table = pa.table({"img": pa.array(FILES, kind), "fine_label": LABELS, "coarse": LABELS // 2})
    source.mkdir()
    named = table.replace_schema_metadata(metadata(NAMES, "fine_label"))
    pq.write_table(named, source / "train.parquet")
    message = r"has no column image; its columns are img, fine_label, coarse: set data.options: {im"
    with pytest.raises(UserError, match=message):
        fetched(source)
    (source.parent / "raw").rmdir()
    dataset = fetched(source, image="img", label="fine_label")
    assert dataset.train.labels.tolist() == LABELS.tolist()
    assert dataset.class_names == tuple(NAMES)


def test_damaged_images_are_listed_or_left_out(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [FILES[0], b"no image", None, *FILES[3:]]
    write(source / "train.parquet", images, pa.array([*LABELS[:8], None], pa.int64()))
    with pytest.raises(UserError, match=r"own: 3 of 9 rows cannot be used .*") as caught:
        fetched(source)
    for line in (
        r"train\.parquet, row 1: not a PNG",
        r"row 2: only the path '2\.png', without the file's bytes",
        r"row 8: has no label",
    ):
        caught.match(f"(?s).*{line}")
    (source.parent / "raw").rename(source.parent / "first")
    dataset = fetched(source, skip_damaged=True)
    assert "own: left out 3 of 9 rows" in capsys.readouterr().out
    assert dataset.train.names is not None
    assert list(dataset.train.names) == [0, 3, 4, 5, 6, 7]
    assert np.array_equal(dataset.train.images[1][0], PIXELS[3])
    assert dataset.train.labels.tolist() == LABELS[[0, 3, 4, 5, 6, 7]].tolist()


def test_unusable_folders_are_rejected(source: Path) -> None:
    def refused(message: str, *files: str) -> None:
        for file in files:
            write(source / file, FILES, LABELS)
        with pytest.raises(UserError, match=message):
            fetched(source)
        (source.parent / "raw").rmdir()

    source.mkdir()
    refused(r"own: has no Parquet files; dataset parquet needs train-\*\.parquet and")
    refused("has files of the test split, but none of the train split", "test-0.parquet")
    refused(r"rest\.parquet names no split, but other files do", "train-0.parquet", "rest.parquet")
    (source / "rest.parquet").unlink()
    refused(r"files of the train split are in 2 folders \(\., other\)", "other/train-0.parquet")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": ["a.png"] * 9, "label": LABELS}, "column image is string, expected the bytes"),
        ({"image": FILES, "label": [[0]] * 9}, r"column label is list<.*int64>, expected a num"),
        ({"image": FILES}, r"has no column label; .* set data\.options: {label: <column>}"),
        ({"image": FILES, "label": [-1] * 9}, "label of train is -1 for all images: the split is"),
        ({"image": FILES, "label": LABELS + 1}, r"label of train has classes from 1 to 3"),
    ],
)
def test_unusable_columns_are_rejected(source: Path, columns: Any, message: str) -> None:
    source.mkdir()
    pq.write_table(pa.table(columns), source / "train.parquet")
    with pytest.raises(UserError, match=message):
        fetched(source)


def test_files_of_several_data_sets_are_rejected(source: Path) -> None:
    write(source / "train-0.parquet", FILES, LABELS, NAMES)
    write(source / "test-0.parquet", FILES, LABELS, ["cow", *NAMES[1:]])
    with pytest.raises(UserError, match=r"test-0\.parquet: its metadata names other classes than"):
        fetched(source)


@pytest.mark.parametrize("cut", [0, 4, 100, -20])
def test_a_damaged_file_is_rejected(source: Path, cut: int) -> None:
    write(source / "train.parquet", FILES, LABELS)
    file = source / "train.parquet"
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(UserError, match=r"train\.parquet: cannot be read as a Parquet file"):
        fetched(source)


def test_damaged_content_is_rejected(source: Path) -> None:
    """The file opens, since its description at the end is whole."""
    write(source / "train.parquet", FILES, LABELS)
    content = bytearray((source / "train.parquet").read_bytes())
    content[4:400] = b"\xff" * 396
    (source / "train.parquet").write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"train\.parquet: cannot be read as a Parquet file"):
        fetched(source)


def test_memory_does_not_grow_with_the_row_group(source: Path) -> None:
    """20 and 80 MB in a single row group, as pandas writes it."""
    columns = parquet.Columns("image", "label")
    peaks = []
    for n_rows in (2048, 8192):
        images = [RNG.bytes(10_000) for _ in range(n_rows)]
        write(source / "train.parquet", images, [0] * n_rows, None, n_rows)
        del images
        file = parquet._opened(source / "train.parquet", columns)
        before = pa.total_allocated_bytes()
        rows = parquet._rows(source / "train.parquet", file, columns)
        peaks.append(max(pa.total_allocated_bytes() for _ in rows) - before)
    assert peaks[1] < 1.1 * peaks[0]


def test_without_pyarrow_the_message_names_the_command(tmp_path: Path) -> None:
    """A module of that name that cannot be imported stands for one that is not installed."""
    (tmp_path / "pyarrow.py").write_text("raise ModuleNotFoundError(\"No module named 'pyarrow'\")")
    code = "from stages.datasets.base.contract import load_dataset_plugin as l; l('parquet')"
    environment = {"PYTHONPATH": f"{tmp_path}:{ROOT}:{ROOT}/engine/src", "PATH": ""}
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert re.search(
        r"UserError: data\.dataset parquet: No module named 'pyarrow'; parquet is an extra: install"
        r" it with python -m pip install --constraint constraints\.txt --editable '\.\[parquet\]'",
        result.stderr,
    ), result.stderr
