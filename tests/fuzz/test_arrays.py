"""`.npz` files with any content are read as NumPy reads them, or rejected."""

import io
import zipfile
from collections.abc import Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as drawn
from numpy.typing import NDArray

from stages import download, preprocess
from stages.artifacts.splits import Split, load_info, load_split
from stages.base.errors.user import UserError
from tests.conftest import run_stages

from .cases import counted, damaged, refusal_or

pytestmark = pytest.mark.fuzz

RNG = np.random.default_rng(0)
LABELS = np.tile(np.arange(3), 4)
SOUND: dict[str, NDArray[Any]] = {
    "x_train": RNG.integers(0, 256, (12, 8, 9, 3), dtype=np.uint8),
    "y_train": LABELS,
    "x_test": RNG.integers(0, 256, (6, 8, 9, 3), dtype=np.uint8),
    "y_test": LABELS[:6],
    "class_names": np.array(["a", "b", "ü"]),
}
SETTINGS = {
    "data": {"dataset": "arrays", "source": "own.npz"},
    "preprocess": {"validation_fraction": 0.5},
}

DTYPES = st.sampled_from(
    ["u1", "i1", "<u8", ">i4", "<f4", "?", "<U3", "<U0", "S2", "O", "M8[s]", "V4", "c8", "<f2"]
)
SHAPES = st.lists(st.sampled_from([0, 1, 3, 6, 8, 12]), max_size=5).map(tuple)
HUGE = st.lists(st.sampled_from([0, 1, 3, 12, 1 << 31, 1 << 40, 1 << 62, -1, True]), max_size=5)


@st.composite
def members(draw: st.DrawFn, name: str) -> bytes:
    """The bytes of one array file in the archive."""
    array = SOUND[name]
    kind = draw(st.sampled_from(["array", "claim", "damaged", "values"]))
    if kind == "array":
        dtype, shape = draw(DTYPES), draw(SHAPES | st.just(array.shape))
        return npy(np.zeros(shape, dtype))
    if kind == "values":
        elements = drawn.from_dtype(array.dtype)
        return npy(draw(drawn.arrays(array.dtype, array.shape, elements=elements)))
    if kind == "claim":
        header = {
            "descr": draw(DTYPES | st.just(array.dtype.str)),
            "fortran_order": draw(st.booleans()),
            "shape": tuple(draw(HUGE)),
        }
        return with_header(
            draw(st.sampled_from([repr(header), "(" * 5000, "-" * 5000, "{", ""])), array
        )
    return draw(damaged(npy(array)))


def npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def with_header(header: str, array: NDArray[Any]) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + array.tobytes()


def zipped(
    content: Mapping[str, bytes],
    method: int = zipfile.ZIP_STORED,
    other: Mapping[str, bytes] | None = None,
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, file in content.items():
            archive.writestr(f"{name}.npy", file)
        for name, file in (other or {}).items():
            archive.writestr(name, file)
    return buffer.getvalue()


MEMBERS = {name: npy(array) for name, array in SOUND.items()}
NO_SIZE = with_header(
    repr({"descr": "<U0", "fortran_order": False, "shape": (1 << 28,)}), np.array(0)
)


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """The bytes of an `.npz` file."""
    content = dict(MEMBERS)
    for name in draw(st.lists(st.sampled_from(sorted(SOUND)), max_size=2, unique=True)):
        content[name] = draw(members(name))
    for name in draw(st.sets(st.sampled_from(sorted(SOUND)), max_size=1)):
        del content[name]
    methods = [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2]
    method = draw(st.just(zipfile.ZIP_STORED) | st.sampled_from(methods))
    other = draw(st.dictionaries(st.sampled_from(["readme.txt", "extra.npy"]), st.just(b"text")))
    whole = zipped(content, method, other)
    at = max(0, whole.find(b"PK\x01\x02"))  # the directory at the end of the archive
    return draw(
        st.just(whole) | damaged(whole) | damaged(whole[at:]).map(lambda end: whole[:at] + end)
    )


@given(archives() | st.binary())
@example(
    b"P" + zipped(MEMBERS)
)  # zipfile searches for the end of an archive, NumPy reads its start
@example(zipped(MEMBERS, zipfile.ZIP_LZMA))  # always unpacks with 8 MiB
@example(zipped(MEMBERS | {"class_names": NO_SIZE}))
@example(zipped(MEMBERS | {"y_train": with_header("-" * 5000, LABELS)}))
@example(zipped(MEMBERS | {"y_train": npy(LABELS.astype("<f2"))}))
def test_arrays_are_read_as_by_numpy_or_rejected(here: Path, content: bytes) -> None:
    Path("own.npz").write_bytes(content)
    run = partial(run_stages, SETTINGS, [download, preprocess])
    read = refusal_or(run, 2 * (unpacked(content) + len(content)))
    if not isinstance(read, UserError):
        assert_prepared(dict(np.lib.npyio.NpzFile("own.npz")))


def unpacked(content: bytes) -> int:
    """The unpacked size that an archive states; labels count eight times, as int64."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
    except Exception:  # not an archive: nothing to unpack
        return 0
    return sum(size * (8 if name.startswith("y_") else 1) for name, size in sizes.items())


def assert_prepared(arrays: dict[str, NDArray[Any]]) -> None:
    """Assert that the prepared splits contain the same images and labels, in any order."""
    for name, splits in (("test", ["test"]), ("train", ["train", "validation"])):
        images, labels = arrays[f"x_{name}"], arrays[f"y_{name}"]
        if images.ndim == 3:
            images = images[:, None]
        elif images.shape[3] in (1, 3) or (
            images.shape[1] not in (1, 3) and images.shape[3] <= images.shape[1]
        ):
            images = np.moveaxis(images, 3, 1)
        labels = labels.ravel()  # of (n, 1)
        got = sorted(chain.from_iterable(counted(load_split(split)) for split in splits))
        assert got == counted(Split(images, labels))
    names = load_info().class_names
    expected = arrays.get("class_names", np.arange(arrays["y_train"].max() + 1).astype(str))
    assert names == tuple(expected.tolist())
