"""QMNIST: MNIST rebuilt, with all 60,000 test digits (Yadav & Bottou 2019, arXiv:1905.10498).

28×28 grey. Checked against torchvision's MD5; no SHA-256 is published.
"""

from pathlib import Path

from torchvision.datasets import QMNIST

from stages.datasets.base import stored
from stages.datasets.base.contract import Dataset, Origin
from stages.datasets.base.torchvision import Archive, fetched_archives, raw_images

read = stored.read


def fetch(origin: Origin, folder: Path) -> None:
    """Fetch both splits into `folder`."""
    names = ("train", "test")
    archives = [Archive(url, md5) for name in names for url, md5 in QMNIST.resources[name]]
    with fetched_archives("qmnist", archives, origin, folder, "QMNIST/raw") as root:
        splits = [QMNIST(root, what=name, download=True) for name in names]
    # A label has eight numbers: first the digit, then details about its writer.
    train, test = (raw_images(split.data, split.targets[:, 0]) for split in splits)
    stored.store(folder, Dataset(train, test, tuple("0123456789")))
