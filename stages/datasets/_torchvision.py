"""Downloading through torchvision's data-set classes, one mirror at a time.

torchvision is imported where it is used: a run on files that are there needs no torch.
"""

import contextlib
import socket
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stages.pipeline.errors import UserError

_TIMEOUT_S = 30


def official_mirrors(class_name: str) -> list[str]:
    """Base URLs that torchvision knows for one of its classes."""
    return list(_torchvision_class(class_name).mirrors)


def download_file(class_name: str, archive_name: str, mirror: str, folder: Path) -> Path:
    """Let torchvision download one archive of a class of the MNIST family.

    Args:
        class_name: In `torchvision.datasets`.
        archive_name: One of the class's resources, such as `train-images-idx3-ubyte.gz`.
        mirror: Base URL.
        folder: Scratch space.

    Returns:
        The archive; torchvision has compared its MD5.

    Raises:
        UserError: It could not be had from there; says why.
    """
    parent = _torchvision_class(class_name)
    wanted = [resource for resource in parent.resources if resource[0] == archive_name]
    members = {"mirrors": [f"{mirror.rstrip('/')}/"], "resources": wanted}
    dataset: Any = type(class_name, (parent,), members)
    instance = object.__new__(dataset)  # its __init__ would load files that are not there yet
    instance.root = str(folder)
    try:
        with _socket_timeout(_TIMEOUT_S):
            instance.download()
    except (OSError, RuntimeError, urllib.error.URLError, EOFError) as error:
        raise UserError(_last_line(error)) from None
    return Path(instance.raw_folder) / archive_name


def _torchvision_class(name: str) -> Any:
    import torchvision

    return getattr(torchvision.datasets, name)


def _last_line(error: Exception) -> str:
    """Torchvision lists its mirrors over several lines; there is one, so the last is the reason."""
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__


@contextlib.contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
