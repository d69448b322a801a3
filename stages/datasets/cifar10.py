"""CIFAR-10: 60,000 photographs of animals and vehicles (Krizhevsky 2009), 32×32 colour.

Checked against torchvision's MD5 before the pickled arrays are loaded; no SHA-256 is published.
"""

from pathlib import Path

from torchvision.datasets import CIFAR10

from stages.datasets.base import stored
from stages.datasets.base.contract import Dataset, Origin
from stages.datasets.base.torchvision import Archive, fetched_archives, raw_images

read = stored.read


def fetch(origin: Origin, folder: Path) -> None:
    """Fetch both splits into `folder`."""
    archives = [Archive(CIFAR10.url, CIFAR10.tgz_md5)]
    with fetched_archives("cifar10", archives, origin, folder) as root:
        splits = [CIFAR10(root, train=train, download=True) for train in (True, False)]
    train, test = (raw_images(split.data, split.targets) for split in splits)
    stored.store(folder, Dataset(train, test, tuple(splits[0].classes)))
