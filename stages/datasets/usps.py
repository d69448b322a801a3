"""USPS: 9,298 handwritten digits from envelopes (Hull 1994), 16×16 grey.

Checked against torchvision's MD5; no SHA-256 is published.
"""

from pathlib import Path

from torchvision.datasets import USPS

from stages.datasets.base import stored
from stages.datasets.base.contract import Dataset, Origin
from stages.datasets.base.torchvision import Archive, fetched_archives, raw_images

read = stored.read


def fetch(origin: Origin, folder: Path) -> None:
    """Fetch both splits into `folder`."""
    archives = [Archive(url, md5) for url, _, md5 in USPS.split_list.values()]
    with fetched_archives("usps", archives, origin, folder) as root:
        splits = [USPS(root, train=train) for train in (True, False)]
    train, test = (raw_images(split.data, split.targets) for split in splits)
    stored.store(folder, Dataset(train, test, tuple("0123456789")))
