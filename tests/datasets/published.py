"""Small substitutes for published data sets, in the published formats."""

import bz2
import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

from stages.datasets import cifar10, emnist, qmnist, svhn, usps

RNG = np.random.default_rng(0)
Split = tuple[NDArray[Any], NDArray[Any]]
Files = dict[str, bytes]


def split_of(n: int, *shape: int, n_classes: int = 10) -> Split:
    """Random images (n, *shape) and labels."""
    images = RNG.integers(0, 256, (n, *shape), dtype=np.uint8)
    return images, np.arange(n, dtype=np.int64) % n_classes


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def idx(array: NDArray[Any], kind: int) -> bytes:
    """The array in IDX format, as defined by its author."""
    header = bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def usps_files(splits: dict[str, Split], patch: Callable[[str, Any], None]) -> Files:
    """LIBSVM's text format: labels from 1, pixels from -1 to 1."""
    files, known = {}, {}
    for split, name in (("train", "usps.bz2"), ("test", "usps.t.bz2")):
        lines = []
        for image, label in zip(*splits[split], strict=True):
            pixels = (image.ravel() / 255 * 2 - 1).tolist()
            values = " ".join(f"{i}:{value:.7f}" for i, value in enumerate(pixels, start=1))
            lines.append(f"{label + 1} {values} \n")
        files[name] = bz2.compress("".join(lines).encode())
        known[split] = [f"http://127.0.0.1:9/{name}", name, md5(files[name])]
    patch("USPS.split_list", known)
    return files


def svhn_files(splits: dict[str, Split], patch: Callable[[str, Any], None]) -> Files:
    """MATLAB files: images (32, 32, 3, n), labels (n, 1) in which 10 stands for the digit 0."""
    files, known = {}, {}
    for split, (images, labels) in splits.items():
        buffer = io.BytesIO()
        y = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        scipy.io.savemat(buffer, {"X": images.transpose(2, 3, 1, 0), "y": y})
        name = f"{split}_32x32.mat"
        files[name] = buffer.getvalue()
        known[split] = [f"http://127.0.0.1:9/{name}", name, md5(files[name])]
    patch("SVHN.split_list", known)
    return files


def cifar10_files(splits: dict[str, Split], patch: Callable[[str, Any], None]) -> Files:
    """A tar of pickled batches: rows of 3072 bytes, red first, and lists of labels."""
    images, labels = splits["train"]
    fifths = zip(np.array_split(images, 5), np.array_split(labels, 5), strict=True)
    batches = {f"data_batch_{i}": batch for i, batch in enumerate(fifths, start=1)}
    batches["test_batch"] = splits["test"]
    contents = {
        name: pickle.dumps({"data": x.reshape(len(x), -1), "labels": y.tolist()})
        for name, (x, y) in batches.items()
    }
    contents["batches.meta"] = pickle.dumps({"label_names": [f"animal {i}" for i in range(10)]})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    lists = [[name, md5(contents[name])] for name in batches]
    patch("CIFAR10.train_list", lists[:5])
    patch("CIFAR10.test_list", lists[5:])
    meta = {"filename": "batches.meta", "key": "label_names", "md5": md5(contents["batches.meta"])}
    patch("CIFAR10.meta", meta)
    patch("CIFAR10.url", "http://127.0.0.1:9/cifar-10-python.tar.gz")
    patch("CIFAR10.tgz_md5", md5(buffer.getvalue()))
    return {"cifar-10-python.tar.gz": buffer.getvalue()}


def qmnist_files(splits: dict[str, Split], patch: Callable[[str, Any], None]) -> Files:
    """IDX files; each label has eight numbers, first the digit."""
    files: Files = {}
    known: dict[str, list[tuple[str, str]]] = {}
    for split, (images, labels) in splits.items():
        about = np.column_stack([labels, *RNG.integers(0, 4000, (7, len(labels)))])
        contents = {
            f"qmnist-{split}-images-idx3-ubyte.gz": gzip.compress(idx(images, 0x08), mtime=0),
            f"qmnist-{split}-labels-idx2-int.gz": gzip.compress(
                idx(about.astype(np.int32), 0x0C), mtime=0
            ),
        }
        files |= contents
        known[split] = [
            (f"http://127.0.0.1:9/{name}", md5(content)) for name, content in contents.items()
        ]
    patch("QMNIST.resources", known)
    return files


def emnist_files(
    splits: dict[str, Split], patch: Callable[[str, Any], None], split: str, first: int
) -> Files:
    """A zip of compressed IDX files with rows and columns of the images swapped."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, (images, labels) in splits.items():
            prefix = f"gzip/emnist-{split}-{name}"
            pixels = idx(np.ascontiguousarray(images.transpose(0, 2, 1)), 0x08)
            archive.writestr(f"{prefix}-images-idx3-ubyte.gz", gzip.compress(pixels))
            numbers = idx((labels + first).astype(np.uint8), 0x08)
            archive.writestr(f"{prefix}-labels-idx1-ubyte.gz", gzip.compress(numbers))
    patch("EMNIST.url", "http://127.0.0.1:9/gzip.zip")
    patch("EMNIST.md5", md5(buffer.getvalue()))
    return {"gzip.zip": buffer.getvalue()}


DIGITS = tuple("0123456789")
LETTERS = tuple("abcdefghijklmnopqrstuvwxyz")
# Cohen et al., section III: 15 letters look alike in both cases, which leaves 10 + 26 + 11 classes.
BALANCED = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
CASES: dict[str, tuple[Any, dict[str, Any], tuple[int, ...], Any, tuple[str, ...]]] = {
    "usps": (usps, {}, (16, 16), usps_files, DIGITS),
    "svhn": (svhn, {}, (3, 32, 32), svhn_files, DIGITS),
    "cifar10": (cifar10, {}, (3, 32, 32), cifar10_files, tuple(f"animal {i}" for i in range(10))),
    "qmnist": (qmnist, {}, (28, 28), qmnist_files, DIGITS),
    "emnist": (emnist, {}, (28, 28), partial(emnist_files, split="balanced", first=0), BALANCED),
    "emnist letters": (
        emnist,
        {"split": "letters"},
        (28, 28),
        partial(emnist_files, split="letters", first=1),
        LETTERS,
    ),
}


def publish(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, Any], Any, Files]:
    """Make torchvision expect small files by patching its URLs and MD5; its code runs unchanged."""
    module, options, shape, make, class_names = CASES[name]
    n_classes = len(class_names)
    splits = {
        "train": split_of(2 * n_classes, *shape, n_classes=n_classes),
        "test": split_of(n_classes, *shape, n_classes=n_classes),
    }

    def patch(attribute: str, value: Any) -> None:
        monkeypatch.setattr(f"torchvision.datasets.{attribute}", value)

    return module, options, splits, make(splits, patch)
