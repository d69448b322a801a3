"""Downloading and loading through torchvision's data-set classes.

torchvision is imported inside functions, so that a run without downloads does not load PyTorch.
"""

import contextlib
import shutil
import socket
import subprocess
import tempfile
import urllib.error
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.base.errors.user import UserError, reason_of
from stages.datasets.base.contract import Origin, RawImages

_TIMEOUT_S = 30


class Archive(NamedTuple):
    """A published file: URL, and MD5 as torchvision expects it."""

    url: str
    md5: str

    @property
    def name(self) -> str:
        """File name, the last component of the URL."""
        return self.url.rsplit("/", 1)[-1]


@contextlib.contextmanager
def fetched_archives(
    dataset: str, archives: Iterable[Archive], origin: Origin, folder: Path, inside: str = "."
) -> Iterator[Path]:
    """A temporary folder with the archives, laid out as torchvision's class expects.

    Each archive comes from the source folder, a mirror or its own URL, in this order; its MD5 is
    always checked. SHA-256 of these files are not published.

    Args:
        dataset: Folder of the archives below the source folder.
        archives: Archives to fetch.
        origin: Source of the archives.
        folder: Parent of the temporary folder, which is removed on exit.
        inside: Folder below its root in which the class looks for archives.

    Raises:
        UserError: An archive was not found, or the one in the source folder is damaged.
    """
    with tempfile.TemporaryDirectory(dir=folder) as root:
        target = Path(root) / inside
        target.mkdir(parents=True, exist_ok=True)
        for archive in archives:
            _fetch_archive(archive, origin.source / dataset, origin.mirrors, target)
        yield Path(root)


def _fetch_archive(archive: Archive, source: Path, mirrors: Sequence[str], target: Path) -> None:
    from torchvision.datasets.utils import calculate_md5

    local = source / archive.name
    if local.is_file():
        if calculate_md5(local) != archive.md5:
            raise UserError(
                f"{local}: is not the file that was published, or is damaged: remove it to "
                "download it"
            )
        shutil.copyfile(local, target / archive.name)
        return
    tried = [f"{local}: no such file"]
    for url in [*(f"{mirror.rstrip('/')}/{archive.name}" for mirror in mirrors), archive.url]:
        try:
            _download(Archive(url, archive.md5), target)
        except UserError as error:
            tried.append(f"{url}: {error}")
        else:
            return
    raise not_found(source.name, archive.name, tried, source)


def not_found(dataset: str, name: str, tried: Sequence[str], folder: Path) -> UserError:
    """The error for a file not found: lists where it was searched for, and what to do."""
    lines = "\n".join(f"  {line}" for line in tried)
    ways = [
        "connect to the network (or add a mirror to data.mirrors) and run again",
        f"put the file into {folder}/",
    ]
    if command := restore_command(folder, name):
        ways.insert(0, f"run {command}, since Git has the file")
    return UserError(
        f"data.dataset {dataset}: {name} was not found:\n{lines}\n"
        f"To fix this, {', or '.join(ways)}."
    )


def restore_command(folder: Path, name: str) -> str:
    """The command that restores a file and its neighbours from Git; empty if Git has no copy."""
    command = ["git", "ls-files", "--", str(folder / f"{name}*")]
    with contextlib.suppress(OSError):  # Git is not installed
        listed = subprocess.run(command, capture_output=True, text=True)
        if listed.stdout:
            return f"git checkout -- {folder.parent}"
    return ""


def raw_images(images: Any, labels: Any) -> RawImages:
    """Images and labels loaded by torchvision, in the pipeline's format.

    Args:
        images: Array or tensor (n, h, w), (n, h, w, 3) or (n, 3, h, w), uint8.
        labels: List, array or tensor of integers (n,).
    """
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[:, None]
    elif images.shape[3] == 3:
        images = images.transpose(0, 3, 1, 2)
    return RawImages(np.ascontiguousarray(images), np.asarray(labels, dtype=np.int64))


def official_mirrors(class_name: str) -> list[str]:
    """Base URLs from which torchvision downloads the files of a class."""
    return list(_torchvision_class(class_name).mirrors)


def download_file(class_name: str, archive_name: str, mirror: str, folder: Path) -> Path:
    """Download one archive of a class of the MNIST family through torchvision.

    Args:
        class_name: Name of a class in `torchvision.datasets`.
        archive_name: One of the class's resources, such as `train-images-idx3-ubyte.gz`.
        mirror: Base URL.
        folder: Folder for the download.

    Returns:
        Path of the archive, whose MD5 torchvision has checked.

    Raises:
        UserError: The download failed; the message gives the reason.
    """
    md5 = dict(_torchvision_class(class_name).resources)[archive_name]
    return _download(Archive(f"{mirror.rstrip('/')}/{archive_name}", md5), folder)


def _download(archive: Archive, folder: Path) -> Path:
    from torchvision.datasets.utils import download_url

    target = folder / archive.name
    try:
        with _default_socket_timeout(_TIMEOUT_S):
            download_url(archive.url, folder, archive.name, archive.md5)
    except (OSError, RuntimeError, ValueError) as error:
        target.unlink(missing_ok=True)
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # or the connection stays open
        raise UserError(reason_of(error)) from None
    return target


def _torchvision_class(name: str) -> Any:
    import torchvision

    return getattr(torchvision.datasets, name)


@contextlib.contextmanager
def _default_socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
