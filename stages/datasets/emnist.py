"""EMNIST: handwritten letters and digits (Cohen et al. 2017, arXiv:1702.05373), 28×28 grey.

Checked against torchvision's MD5; no SHA-256 is published.
"""

from pathlib import Path
from typing import Literal

from torchvision.datasets import EMNIST

from stages.datasets.base import stored
from stages.datasets.base.contract import Dataset, Origin
from stages.datasets.base.torchvision import Archive, fetched_archives, raw_images

read = stored.read


def fetch(
    origin: Origin,
    folder: Path,
    *,
    split: Literal["byclass", "bymerge", "balanced", "letters", "digits", "mnist"] = "balanced",
) -> None:
    """Fetch the training and test images of one of EMNIST's splits into `folder`."""
    archives = [Archive(EMNIST.url, EMNIST.md5)]
    with fetched_archives("emnist", archives, origin, folder, "EMNIST/raw") as root:
        loaded = [EMNIST(root, split=split, train=train, download=True) for train in (True, False)]
    names = loaded[0].classes
    first_class = 1 if split == "letters" else 0  # class 0 of `letters` is "N/A", without images
    # EMNIST is published with rows and columns swapped.
    train, test = (raw_images(images.data.mT, images.targets - first_class) for images in loaded)
    stored.store(folder, Dataset(train, test, tuple(names[first_class:])))
