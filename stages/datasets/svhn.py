"""SVHN: 99,289 house numbers, cropped to one digit (Netzer et al. 2011), 32×32 colour.

Checked against torchvision's MD5; no SHA-256 is published. The 531,131 easier extra images are not
used.
"""

from pathlib import Path

from torchvision.datasets import SVHN

from stages.datasets.base import stored
from stages.datasets.base.contract import Dataset, Origin
from stages.datasets.base.torchvision import Archive, fetched_archives, raw_images

read = stored.read


def fetch(origin: Origin, folder: Path) -> None:
    """Fetch both splits into `folder`."""
    names = ("train", "test")
    published = [SVHN.split_list[name] for name in names]
    archives = [Archive(url, md5) for url, _, md5 in published]
    with fetched_archives("svhn", archives, origin, folder) as root:
        splits = [SVHN(root, split=name) for name in names]
    train, test = (raw_images(split.data, split.labels) for split in splits)
    stored.store(folder, Dataset(train, test, tuple("0123456789")))
