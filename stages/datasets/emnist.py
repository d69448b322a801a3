"""EMNIST: handwritten letters and digits (Cohen et al. 2017, arXiv:1702.05373), 28×28 grey.

Checked by the MD5 that torchvision knows; no SHA-256 is published.
"""

from pathlib import Path
from typing import Literal

from torchvision.datasets import EMNIST

from stages.datasets.base import stored
from stages.datasets.base.contract import Dataset, Origin
from stages.datasets.base.torchvision import Archive, fetched, raw_images

read = stored.read


def fetch(
    origin: Origin,
    folder: Path,
    *,
    split: Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"] = "balanced",
) -> None:
    """Bring the training and test images of one of EMNIST's splits into `folder`."""
    archives = [Archive(EMNIST.url, EMNIST.md5)]
    with fetched("emnist", archives, origin, folder, "EMNIST/raw") as root:
        parts = [EMNIST(root, split=split, train=train, download=True) for train in (True, False)]
    names = parts[0].classes
    first = 1 if split == "letters" else 0  # class 0 of `letters` is "N/A" and has no image
    # Published with rows and columns exchanged.
    train, test = (raw_images(part.data.mT, part.targets - first) for part in parts)
    stored.store(folder, Dataset(train, test, tuple(names[first:])))
