"""IDX files: archives that download checks, and files that preprocess reads."""

import gzip
import hashlib
import json
import lzma
import struct
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from stages import preprocess
from stages.artifacts.splits import Split, load_split
from stages.base.errors.user import UserError
from stages.datasets.base.contract import Origin
from stages.datasets.base.idx import IdxDataset
from tests.conftest import run_stages

from .cases import SLACK_BYTES, counted, damaged, refusal_or

pytestmark = pytest.mark.fuzz


def idx(array: NDArray[np.uint8]) -> bytes:
    """Bytes in the IDX format, written from its definition."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


RNG = np.random.default_rng(0)
LABELS = np.tile(np.arange(10, dtype=np.uint8), 3)
SOUND = {
    "train-images-idx3-ubyte": idx(RNG.integers(0, 256, (30, 8, 9), dtype=np.uint8)),
    "train-labels-idx1-ubyte": idx(LABELS),
    "t10k-images-idx3-ubyte": idx(RNG.integers(0, 256, (10, 8, 9), dtype=np.uint8)),
    "t10k-labels-idx1-ubyte": idx(LABELS[:10]),
}
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in SOUND.items()}
TINY = IdxDataset("tiny", "MNIST", tuple("0123456789"), SHA256)
PACK = {"": bytes, ".xz": partial(lzma.compress, preset=0), ".gz": gzip.compress}

NAMES = st.sampled_from(sorted(SOUND))


# A few kilobytes that unpack to twice the memory allowed.
BOMBS = {suffix: PACK[suffix](bytes(2 * SLACK_BYTES)) for suffix in (".xz", ".gz")}


@st.composite
def archives(draw: st.DrawFn) -> tuple[str, str, bytes]:
    """The name of a file, the suffix of its archive, and the archive's bytes."""
    name, suffix = draw(NAMES), draw(st.sampled_from(sorted(PACK)))
    content = draw(
        damaged(PACK[suffix](SOUND[name]))
        | damaged(SOUND[name]).map(PACK[suffix])
        | damaged(BOMBS.get(suffix, b"bomb"))
        | st.just(BOMBS.get(suffix, b"bomb"))
        | st.binary()
    )
    return name, suffix, content


@given(archives())
@example(("train-images-idx3-ubyte", ".gz", BOMBS[".gz"]))
@example(("t10k-labels-idx1-ubyte", ".xz", BOMBS[".xz"]))
def test_archives_are_unpacked_as_published_or_rejected(archive: tuple[str, str, bytes]) -> None:
    damaged_name, suffix, content = archive
    with tempfile.TemporaryDirectory() as scratch:
        source, raw = Path(scratch, "tiny"), Path(scratch, "raw")
        source.mkdir()
        raw.mkdir()
        for name, sound in SOUND.items():
            (source / name).write_bytes(sound)
        (source / damaged_name).unlink()
        (source / f"{damaged_name}{suffix}").write_bytes(content)
        fetched = refusal_or(lambda: TINY.fetch(Origin(source.parent), raw), 2 * len(content))
        got = {path.name: path.read_bytes() for path in raw.iterdir()}
        expected = {name: sound for name, sound in SOUND.items() if name in got}
        assert got == expected
        assert isinstance(fetched, UserError) == (len(got) < len(SOUND))


def parsed(content: bytes, n_dimensions: int) -> NDArray[np.uint8] | None:
    """The array in an IDX file of uint8, read with NumPy; None if the file is invalid."""
    if len(content) < 4 + 4 * n_dimensions or content[:4] != bytes([0, 0, 8, n_dimensions]):
        return None
    shape = np.frombuffer(content, ">u4", n_dimensions, 4).astype(object)
    items = np.frombuffer(content, np.uint8, offset=4 + 4 * n_dimensions)
    return items.reshape(shape.tolist()) if shape.prod() == items.size else None


SETTINGS = {"data": {"source": "."}, "preprocess": {"validation_fraction": 0.5}}
RECORD = {"name": "mnist", "parameters": {"data": {"dataset": "mnist"}}}


@given(NAMES.flatmap(lambda name: st.tuples(st.just(name), damaged(SOUND[name]) | st.binary())))
def test_idx_files_are_read_as_by_numpy_or_rejected(here: Path, change: tuple[str, bytes]) -> None:
    files = SOUND | dict([change])
    raw = here / "data/raw"
    raw.mkdir(parents=True, exist_ok=True)
    (raw / "dataset.json").write_text(json.dumps(RECORD))
    for name, content in files.items():
        (raw / name).write_bytes(content)
    # One byte of a label in the file becomes eight.
    most_bytes = 2 * sum(map(len, files.values())) + 8 * len(LABELS) * 4
    read = refusal_or(lambda: run_stages(SETTINGS, [preprocess]), most_bytes)
    if not isinstance(read, UserError):
        assert_same(files)


def assert_same(files: Mapping[str, bytes]) -> None:
    """Assert that the prepared splits contain the files' images and labels, in any order."""
    for prefix, splits in (("t10k", ["test"]), ("train", ["train", "validation"])):
        images, labels = (
            parsed(files[f"{prefix}-{kind}-ubyte"], n)
            for kind, n in (("images-idx3", 3), ("labels-idx1", 1))
        )
        assert images is not None
        assert labels is not None
        got = sorted(image for name in splits for image in counted(load_split(name)))
        assert got == counted(Split(images[:, None], labels.astype(np.int64)))
