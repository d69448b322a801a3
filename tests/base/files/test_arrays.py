"""Arrays on disk: the same bytes as NumPy writes, and no files left behind."""

import errno
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.base.files.arrays import concatenate_on_disk, load_npy, new_npy
from stages.base.files.atomic import new_file

ARRAYS = {
    "float32": np.random.default_rng(0).normal(size=(7, 2, 3)).astype(np.float32),
    "names": np.array(["a.png", "ä/b.png", "", "c", "d", "e", "f"]),
    "bytes": np.arange(7, dtype=np.uint8),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_appended_rows_give_the_same_bytes_as_numpy_save(name: str, tmp_path: Path) -> None:
    array = ARRAYS[name]
    np.save(tmp_path / "whole.npy", array)
    with new_npy(tmp_path / "appended.npy", len(array)) as append:
        for rows in np.array_split(array, 3):
            append(rows)
    assert (tmp_path / "appended.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_loaded_arrays_are_mapped_and_writable(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", ARRAYS["bytes"])
    loaded = load_npy(tmp_path / "a.npy")
    assert isinstance(loaded.base, np.memmap)
    loaded[0] = 9
    assert np.load(tmp_path / "a.npy")[0] == 0


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_concatenated_in_an_unnamed_file(name: str, here: Path) -> None:
    array = ARRAYS[name]
    joined = concatenate_on_disk(iter(np.array_split(array, 3)))
    np.testing.assert_array_equal(joined, array)
    assert joined.dtype == array.dtype
    assert list((here / "data").iterdir()) == []


def test_a_full_disk_is_reported(here: Path) -> None:
    (here / "data").symlink_to("/proc/self")  # no files can be created there
    with pytest.raises(UserError, match=r"data: cannot be written: .*; free some space"):
        concatenate_on_disk([np.zeros(3)])


def test_computation_errors_are_not_reported_as_a_full_disk(here: Path) -> None:
    def arrays() -> Iterator[NDArray[np.float64]]:
        yield np.zeros(3)
        raise FileNotFoundError(errno.ENOENT, "no such file", "data/prepared/images.npy")

    with pytest.raises(FileNotFoundError):
        concatenate_on_disk(arrays())


def test_out_of_memory_is_not_reported_as_a_full_disk(here: Path) -> None:
    with pytest.raises(OSError, match="Cannot allocate memory"), new_file(here / "new"):
        raise OSError(errno.ENOMEM, "Cannot allocate memory")
    assert not list(here.glob("new*"))
