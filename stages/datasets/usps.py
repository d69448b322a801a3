"""USPS: 9,298 handwritten digits from envelopes (Hull 1994), 16×16 grey.

Checked by the MD5 that torchvision knows; no SHA-256 is published.
"""

from pathlib import Path

from torchvision.datasets import USPS

from stages.datasets import _stored
from stages.datasets._torchvision import Archive, brought, pictures
from stages.pipeline.dataset import Images, Origin

read = _stored.read


def fetch(origin: Origin, folder: Path) -> None:
    """Bring both splits into `folder`."""
    archives = [Archive(url, md5) for url, _, md5 in USPS.split_list.values()]
    with brought("usps", archives, origin, folder) as root:
        parts = [USPS(root, train=train) for train in (True, False)]
    train, test = (pictures(part.data, part.targets) for part in parts)
    _stored.store(folder, Images(train, test, tuple("0123456789")))
