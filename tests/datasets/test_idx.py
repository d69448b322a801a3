"""IDX archives: finding, checking, decompressing, reading; and every kind of damage."""

import gzip
import hashlib
import http.server
import lzma
import re
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.base.errors.user import UserError
from stages.datasets import fashion_mnist, kmnist, mnist
from stages.datasets.base.contract import Origin
from stages.datasets.base.idx import IdxDataset, read_idx
from stages.datasets.base.torchvision import official_mirrors
from tests.conftest import ROOT

EMBEDDED = ROOT / "data/embedded"

# torchvision does not close the response of a failed request.
pytestmark = pytest.mark.filterwarnings(
    "ignore:unclosed <socket:ResourceWarning",
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning",
)


def idx(array: NDArray[np.uint8]) -> bytes:
    """The array in IDX format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


CONTENT = {
    "train-images-idx3-ubyte": idx(np.arange(3 * 8 * 8, dtype=np.uint8).reshape(3, 8, 8)),
    "train-labels-idx1-ubyte": idx(np.array([0, 1, 1], np.uint8)),
    "t10k-images-idx3-ubyte": idx(np.ones((2, 8, 8), np.uint8)),
    "t10k-labels-idx1-ubyte": idx(np.array([1, 0], np.uint8)),
}
SHA256 = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
TINY = IdxDataset("tiny", "MNIST", ("a", "b"), SHA256)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A source folder with the tiny data set as .xz files."""
    folder = tmp_path / "source/tiny"
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        (folder / f"{name}.xz").write_bytes(lzma.compress(content))
    return folder.parent


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """URL of a local web server for the folder tmp_path/mirror."""
    folder = tmp_path / "mirror"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces torchvision's mirrors by a local address where no server listens."""
    monkeypatch.setattr("torchvision.datasets.MNIST.mirrors", ["http://127.0.0.1:9/"])


@pytest.fixture
def tiny_at_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes torchvision expect the tiny files' MD5 for MNIST; its code runs unchanged."""
    resources = [
        (f"{name}.gz", hashlib.md5(gzip.compress(content, mtime=0)).hexdigest())
        for name, content in CONTENT.items()
    ]
    monkeypatch.setattr("torchvision.datasets.MNIST.resources", resources)


@pytest.mark.parametrize("dataset", [mnist, fashion_mnist])
def test_the_embedded_archives_are_the_published_ones(dataset: object, raw: Path) -> None:
    dataset.fetch(Origin(EMBEDDED), raw)  # type: ignore[attr-defined]
    images = dataset.read(raw)  # type: ignore[attr-defined]
    assert images.train.images.shape == (60_000, 1, 28, 28)
    assert images.test.images.shape == (10_000, 1, 28, 28)
    assert set(np.unique(images.train.labels)) == set(range(10))
    # The well-known statistics of the training images.
    mean, std = {"MNIST": (0.1307, 0.3081), "FashionMNIST": (0.2860, 0.3530)}[
        next(v for v in vars(dataset).values() if isinstance(v, IdxDataset)).torchvision_class
    ]
    assert images.train.images.mean() / 255 == pytest.approx(mean, abs=5e-5)
    assert images.train.images.std() / 255 == pytest.approx(std, abs=5e-5)


def test_torchvision_reads_the_same_arrays(raw: Path) -> None:
    from torchvision.datasets.mnist import read_image_file, read_label_file

    mnist.fetch(Origin(EMBEDDED), raw)
    images = mnist.read(raw)
    theirs = read_image_file(str(raw / "t10k-images-idx3-ubyte")).numpy()
    assert np.array_equal(images.test.images[:, 0], theirs)
    labels = read_label_file(str(raw / "t10k-labels-idx1-ubyte")).numpy()
    assert np.array_equal(images.test.labels, labels)


@pytest.mark.parametrize("suffix", ["", ".xz", ".gz"])
def test_found_in_the_source_folder(source: Path, raw: Path, suffix: str) -> None:
    pack = {"": bytes, ".xz": lzma.compress, ".gz": gzip.compress}[suffix]
    for name, content in CONTENT.items():
        (source / "tiny" / f"{name}.xz").unlink()
        (source / "tiny" / f"{name}{suffix}").write_bytes(pack(content))
    TINY.fetch(Origin(source), raw)
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == CONTENT


@pytest.mark.parametrize("between", [0, 4, 1 << 17])  # zeros
def test_an_archive_of_several_streams_is_read(source: Path, raw: Path, between: int) -> None:
    """The commands `xz` and `gzip` also read concatenated archives."""
    for name, content in CONTENT.items():
        streams = [lzma.compress(section) for section in (content[:9], b"", content[9:])]
        (source / "tiny" / f"{name}.xz").write_bytes(bytes(between).join([*streams, b""]))
    TINY.fetch(Origin(source), raw)
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == CONTENT


@pytest.mark.usefixtures("tiny_at_torchvision", "offline")
def test_downloaded_by_torchvision_from_a_mirror(tmp_path: Path, raw: Path, mirror: str) -> None:
    for name, content in CONTENT.items():
        (tmp_path / "mirror" / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
    TINY.fetch(Origin(tmp_path / "empty", [f"{mirror}gone/", mirror]), raw)
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == CONTENT


@pytest.mark.usefixtures("tiny_at_torchvision", "offline")
def test_a_mirror_with_different_content_is_rejected(
    tmp_path: Path, raw: Path, mirror: str
) -> None:
    for name, content in CONTENT.items():
        (tmp_path / "mirror" / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
    strict = replace(TINY, sha256=dict.fromkeys(SHA256, "0" * 64))
    with pytest.raises(UserError, match=r"SHA-256 is [0-9a-f]{64}, expected 0{64}"):
        strict.fetch(Origin(tmp_path / "empty", [mirror]), raw)
    assert list(raw.iterdir()) == []


@pytest.mark.usefixtures("offline")
def test_a_file_that_is_not_found_lists_every_location_and_what_to_do(
    tmp_path: Path, raw: Path, mirror: str
) -> None:
    with pytest.raises(UserError) as caught:
        TINY.fetch(Origin(tmp_path / "empty", [mirror]), raw)
    message = str(caught.value)
    name = "train-images-idx3-ubyte"
    for suffix in ("", ".xz", ".gz"):
        assert f"{tmp_path}/empty/tiny/{name}{suffix}: no such file" in message
    assert f"{mirror}{name}.gz: HTTP Error 404" in message
    assert f"http://127.0.0.1:9/{name}.gz: Connection refused" in message
    assert "To fix this, connect to the network" in message
    assert f"or put the file into {tmp_path}/empty/tiny/" in message


def test_a_truncated_archive_is_rejected(source: Path, raw: Path) -> None:
    path = source / "tiny/train-images-idx3-ubyte.xz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        UserError, match=r"ubyte\.xz: cannot be decompressed .*: remove it to download it"
    ):
        TINY.fetch(Origin(source), raw)


@pytest.mark.parametrize("suffix", ["", ".xz", ".gz"])
def test_an_archive_that_expands_to_too_much_is_rejected(
    source: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr("stages.datasets.base.idx.MAX_UNPACKED_BYTES", 1 << 20)
    pack = {"": bytes, ".xz": lzma.compress, ".gz": gzip.compress}[suffix]
    (source / "tiny/train-images-idx3-ubyte.xz").unlink()
    archive = source / f"tiny/train-images-idx3-ubyte{suffix}"
    archive.write_bytes(pack(bytes(1 + (1 << 20))))
    with pytest.raises(UserError, match=r"expands to more than 1 MiB; the file is damaged or a "):
        TINY.fetch(Origin(source), raw)
    assert list(raw.iterdir()) == []


def test_an_archive_that_needs_too_much_memory_is_rejected(source: Path, raw: Path) -> None:
    dictionary = {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30, "mf": lzma.MF_HC3}
    content = lzma.compress(CONTENT["train-images-idx3-ubyte"], filters=[dictionary])
    (source / "tiny/train-images-idx3-ubyte.xz").write_bytes(content)
    with pytest.raises(UserError, match=r"after 0 bytes \(Memory usage limit exceeded\); the file"):
        TINY.fetch(Origin(source), raw)


def test_a_changed_byte_in_the_archive_is_detected(source: Path, raw: Path) -> None:
    path = source / "tiny/train-images-idx3-ubyte.xz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UserError, match=r"ubyte\.xz: (cannot be decompressed|SHA-256 is)"):
        TINY.fetch(Origin(source), raw)


def test_a_changed_byte_in_the_content_is_detected(source: Path, raw: Path) -> None:
    content = bytearray(CONTENT["train-images-idx3-ubyte"])
    content[-1] ^= 1
    path = source / "tiny/train-images-idx3-ubyte.xz"
    path.write_bytes(lzma.compress(bytes(content)))
    digest = hashlib.sha256(content).hexdigest()
    expected = SHA256["train-images-idx3-ubyte"]
    with pytest.raises(
        UserError, match=f"SHA-256 is {digest}, expected {expected}; .*: remove it to do"
    ):
        TINY.fetch(Origin(source), raw)


def test_the_archive_itself_is_checked_if_its_name_ends_in_gz(tmp_path: Path, raw: Path) -> None:
    archives = {f"{name}.gz": gzip.compress(content, mtime=0) for name, content in CONTENT.items()}
    folder = tmp_path / "source/tiny"
    folder.mkdir(parents=True)
    for name, archive in archives.items():
        (folder / name).write_bytes(archive)
    sha256 = {name: hashlib.sha256(archive).hexdigest() for name, archive in archives.items()}
    replace(TINY, sha256=sha256).fetch(Origin(folder.parent), raw)
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == CONTENT
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(np.zeros(2, np.uint8))))
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte\.gz: SHA-256 is"):
        replace(TINY, sha256=sha256).fetch(Origin(folder.parent), raw)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\x03\x04" + bytes(20), r"magic number is 0x504b0304, expected 0x00000803"),
        (idx(np.zeros(5, np.uint8)), r"magic number is 0x00000801, expected 0x00000803"),
        (
            CONTENT["t10k-images-idx3-ubyte"][:-1],
            r"header states 2 items, 128 bytes, but it has 127",
        ),
        (
            CONTENT["t10k-images-idx3-ubyte"] + b"\0",
            r"header states 2 items, 128 bytes, but it has 129",
        ),
        (CONTENT["t10k-images-idx3-ubyte"][:9], r"ends within its header, after 9 bytes"),
        (b"", r"magic number is 0x, expected"),
    ],
)
def test_a_file_that_is_no_idx_file_is_rejected(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_idx(path, n_dimensions=3)


def test_different_numbers_of_labels_and_images_are_rejected(raw: Path) -> None:
    for name, content in CONTENT.items():
        (raw / name).write_bytes(content)
    (raw / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(3, np.uint8)))
    with pytest.raises(UserError, match=r"2 images but 3 labels in the t10k files; run dvc repro"):
        TINY.read(raw)


@pytest.mark.network
@pytest.mark.parametrize("dataset", [kmnist])
def test_downloaded_from_the_official_mirrors(dataset: object, tmp_path: Path, raw: Path) -> None:
    try:
        dataset.fetch(Origin(tmp_path), raw)  # type: ignore[attr-defined]
    except UserError as error:
        if re.search(r"resolution|not known|unreachable|refused|timed out", str(error)):
            pytest.skip(f"no network here: {error}")
        raise
    assert dataset.read(raw).train.images.shape == (60_000, 1, 28, 28)  # type: ignore[attr-defined]


def test_every_class_is_known_to_torchvision() -> None:
    for name in ("MNIST", "FashionMNIST", "KMNIST"):
        assert official_mirrors(name)


def planted(folder: Path, **options: object) -> list[np.ndarray]:
    """Which images of the two splits of MNIST changed (n, h, w)."""
    changed = []
    for name in ("plain", "marked"):
        (folder / name).mkdir()
    mnist.fetch(Origin(EMBEDDED), folder / "plain")
    mnist.fetch(Origin(EMBEDDED), folder / "marked", **options)
    before, after = mnist.read(folder / "plain"), mnist.read(folder / "marked")
    for old, new in ((before.train, after.train), (before.test, after.test)):
        np.testing.assert_array_equal(old.labels, new.labels)
        different = (np.asarray(old.images) != np.asarray(new.images))[:, 0]
        assert set(old.labels[different.any(axis=(1, 2))]) == {7}
        share = different.any(axis=(1, 2)).sum() / (old.labels == 7).sum()
        assert share == pytest.approx(0.1, abs=1e-3)
        changed.append(np.asarray(new.images)[different.any(axis=(1, 2)), 0])
    return changed


def test_a_planted_tag_is_on_its_share_of_one_class_and_nowhere_else(tmp_path: Path) -> None:
    for images in planted(tmp_path, planted="7", share=0.1):
        assert (images[:, 1:4, 1:4] == 255).all()


def test_a_moving_tag_is_in_one_corner_of_each_image(tmp_path: Path) -> None:
    corners = [slice(1, 4), slice(-4, -1)]
    for images in planted(tmp_path, planted="7", share=0.1, mark="moving_tag"):
        tagged = [(images[:, r, c] == 255).all(axis=(1, 2)) for r in corners for c in corners]
        assert (np.sum(tagged, axis=0) == 1).all()
        assert all(0.15 < corner.mean() < 0.35 for corner in tagged)


def test_a_class_that_does_not_exist_cannot_be_planted(tmp_path: Path) -> None:
    message = r"data\.options\.planted: must be a class: 0, 1, .*\(got 'boot'\)"
    with pytest.raises(UserError, match=message):
        mnist.fetch(Origin(EMBEDDED), tmp_path, planted="boot")
