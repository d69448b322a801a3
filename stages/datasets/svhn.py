"""SVHN: 99,289 house numbers, cropped to one digit (Netzer et al. 2011), 32×32 colour.

Checked by the MD5 that torchvision knows; no SHA-256 is published. Its 531,131 easier extra images
are not used.
"""

from pathlib import Path

from torchvision.datasets import SVHN

from stages.datasets import _stored
from stages.datasets._torchvision import Archive, brought, pictures
from stages.pipeline.dataset import Images, Origin

read = _stored.read


def fetch(origin: Origin, folder: Path) -> None:
    """Bring both splits into `folder`."""
    names = ("train", "test")
    published = [SVHN.split_list[name] for name in names]
    archives = [Archive(url, md5) for url, _, md5 in published]
    with brought("svhn", archives, origin, folder) as root:
        parts = [SVHN(root, split=name) for name in names]
    train, test = (pictures(part.data, part.labels) for part in parts)
    _stored.store(folder, Images(train, test, tuple("0123456789")))
