"""Finds, checks, decompresses and reads data sets published as four IDX files.

The format (http://yann.lecun.com/exdb/mnist), big-endian: two zero bytes, the type of the items
(8 for uint8), the number of dimensions, one uint32 for each dimension, then the items.
"""

import gzip
import hashlib
import lzma
import math
import struct
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Annotated, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from tqdm import tqdm

from stages.base.errors.user import UserError
from stages.datasets.base.contract import Dataset, Origin, RawImages
from stages.datasets.base.marks import MarkName, draw_share, marked, replace_images
from stages.datasets.base.torchvision import (
    download_file,
    not_found,
    official_mirrors,
    restore_command,
)

MAX_UNPACKED_BYTES = 1 << 30  # per file; the largest published one has 47 million

_MAX_XZ_BYTES = 80 << 20  # memory limit; xz -9 needs 65 MiB
_CHUNK = 1 << 16
_SUFFIXES = ("", ".xz", ".gz")
_PREFIXES = ("train", "t10k")


@dataclass(frozen=True)
class IdxDataset:
    """Four IDX files: images and labels for training and for testing.

    Attributes:
        name: Folder of the archives below the source folder.
        torchvision_class: Class in `torchvision.datasets` with the URLs of the archives.
        class_names: Names in class order.
        sha256: SHA-256 by file name: of the decompressed content, or of the archive itself if the
            name ends in `.gz`.
    """

    name: str
    torchvision_class: str
    class_names: tuple[str, ...]
    sha256: Mapping[str, str]

    def fetch(
        self,
        origin: Origin,
        folder: Path,
        *,
        planted: str | None = None,
        mark: MarkName = "tag",
        share: Annotated[float, Field(gt=0, le=1)] = 0.2,
    ) -> None:
        """Fetch the four files into `folder`, decompressed and checked.

        Args:
            origin: Where to look.
            folder: Destination.
            planted: Name of a class; a share of its images gets a mark, a shortcut to be found.
            mark: Which one, see `marked`.
            share: Share of the class's images, in each split.
        """
        for name, sha256 in self.sha256.items():
            target = folder / name.removesuffix(".gz")
            paths = _local_paths(origin.source / self.name, name)
            archive = next((path for path in paths if path.is_file()), None)
            if archive is not None:
                command = restore_command(archive.parent, name)
                advice = f"restore it with {command}" if command else "remove it to download it"
                _extract_checked(archive, target, name, sha256, advice)
            else:
                self._download(name, sha256, origin.mirrors, paths, target)
        if planted is not None:
            self._plant(folder, planted, mark, share)

    def _plant(self, folder: Path, planted: str, mark: MarkName, share: float) -> None:
        if planted not in self.class_names:
            raise UserError(
                f"data.options.planted: must be a class: {', '.join(self.class_names)} "
                f"(got {planted!r})"
            )
        label = self.class_names.index(planted)
        for seed, prefix in enumerate(_PREFIXES):
            file = folder / f"{prefix}-images-idx3-ubyte"
            images = read_idx(file, n_dimensions=3)
            labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte", n_dimensions=1)
            chosen = draw_share(labels, label, share, seed)
            replace_images(file, marked(images, chosen, mark, seed))

    def _download(
        self, name: str, sha256: str, mirrors: Sequence[str], paths: Sequence[Path], target: Path
    ) -> None:
        tried = [f"{path}: no such file" for path in paths]
        archive_name = name if name.endswith(".gz") else f"{name}.gz"
        for mirror in [*mirrors, *official_mirrors(self.torchvision_class)]:
            with tempfile.TemporaryDirectory() as scratch:
                try:
                    archive = download_file(
                        self.torchvision_class, archive_name, mirror, Path(scratch)
                    )
                    _extract_checked(
                        archive, target, name, sha256, "the mirror has a different file"
                    )
                except UserError as error:
                    tried.append(f"{mirror.rstrip('/')}/{archive_name}: {error}")
                else:
                    return
        raise not_found(self.name, name, tried, paths[0].parent)

    def read(self, folder: Path) -> Dataset:
        """Read the four files."""
        splits = []
        for prefix in _PREFIXES:
            images = read_idx(folder / f"{prefix}-images-idx3-ubyte", n_dimensions=3)
            labels = read_idx(folder / f"{prefix}-labels-idx1-ubyte", n_dimensions=1)
            if len(images) != len(labels):
                raise UserError(
                    f"{folder}: {len(images)} images but {len(labels)} labels in the "
                    f"{prefix} files; run dvc repro --force download"
                )
            splits.append(RawImages(images[:, None], labels.astype(np.int64)))
        train, test = splits
        return Dataset(train, test, self.class_names)


def _local_paths(folder: Path, name: str) -> list[Path]:
    if name.endswith(".gz"):
        return [folder / name]
    return [folder / f"{name}{suffix}" for suffix in _SUFFIXES]


def _extract_checked(archive: Path, target: Path, name: str, sha256: str, advice: str) -> None:
    """Decompress `archive` to `target`; remove `target` if the SHA-256 is wrong."""
    try:
        content_digest = _decompress(archive, target, advice)
        digest = _sha256(archive) if name.endswith(".gz") else content_digest
        if digest != sha256:
            raise UserError(
                f"{archive}: SHA-256 is {digest}, expected {sha256}; the file is damaged or a "
                f"different one: {advice}"
            )
    except UserError:
        target.unlink()
        raise


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _decompress(archive: Path, target: Path, advice: str) -> str:
    """Decompress in chunks, since the content of a damaged archive may not fit into memory.

    Returns:
        SHA-256 of the content.
    """
    digest, size = hashlib.sha256(), archive.stat().st_size
    with (
        target.open("wb") as content,
        archive.open("rb") as file,
        tqdm.wrapattr(
            file, "read", total=size, desc=archive.name, unit="B", leave=False, delay=1
        ) as compressed,
    ):
        try:
            for chunk in _chunks(archive.suffix, cast(IO[bytes], compressed)):
                if content.tell() + len(chunk) > MAX_UNPACKED_BYTES:
                    raise UserError(
                        f"{archive}: expands to more than {MAX_UNPACKED_BYTES >> 20:,} MiB; the "
                        f"file is damaged or a different one: {advice}"
                    )
                digest.update(chunk)
                content.write(chunk)
        except (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile) as error:
            raise UserError(
                f"{archive}: cannot be decompressed after {content.tell():,} bytes ({error}); the "
                f"file is truncated or damaged: {advice}"
            ) from None
    return digest.hexdigest()


def _chunks(suffix: str, file: IO[bytes]) -> Iterator[bytes]:
    """The decompressed content of an archive in chunks."""
    if suffix == ".xz":
        return _xz_chunks(file)
    plain = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if suffix == ".gz" else file
    return iter(lambda: plain.read(_CHUNK), b"")


def _xz_chunks(file: IO[bytes]) -> Iterator[bytes]:
    """The content of all streams, as `xz` reads them; `lzma.open` cannot limit its memory."""
    compressed = file.read(_CHUNK)
    while True:
        decompressor = lzma.LZMADecompressor(memlimit=_MAX_XZ_BYTES)
        while not decompressor.eof:
            if decompressor.needs_input and not compressed:
                raise EOFError("the end-of-stream marker is missing")
            yield decompressor.decompress(compressed, _CHUNK)
            compressed = file.read(_CHUNK) if decompressor.needs_input else b""
        compressed = decompressor.unused_data.lstrip(b"\0")  # padding between streams
        while not compressed and (chunk := file.read(_CHUNK)):
            compressed = chunk.lstrip(b"\0")
        if not compressed:
            return


def read_idx(path: Path, n_dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes.

    Args:
        path: The decompressed file.
        n_dimensions: 1 for labels (n,), 3 for images (n, height, width).

    Raises:
        UserError: The magic number is wrong, or the header does not match the file's size.
    """
    content = path.read_bytes()
    magic = content[:4]
    expected = bytes([0, 0, 8, n_dimensions])
    if magic != expected:
        raise UserError(
            f"{path}: magic number is 0x{magic.hex()}, expected 0x{expected.hex()} (unsigned "
            f"bytes in {n_dimensions} dimensions); it is not an IDX file of this kind"
        )
    start = 4 + 4 * n_dimensions
    if len(content) < start:
        raise UserError(
            f"{path}: ends within its header, after {len(content)} bytes; it is truncated"
        )
    shape = struct.unpack_from(f">{n_dimensions}I", content, offset=4)
    n_bytes = len(content) - start
    if n_bytes != math.prod(shape):
        raise UserError(
            f"{path}: its header states {shape[0]:,} items, {math.prod(shape):,} bytes, but it "
            f"has {n_bytes:,}; the file is truncated or damaged"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
