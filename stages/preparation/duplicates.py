"""Finds images that are equal pixel for pixel."""

import hashlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.splits import Names, Split, SplitName
from stages.base.errors.user import UserError
from stages.base.run.bars import ProgressBar

MOST_LISTED = 5


def require_different(images: NDArray[np.uint8]) -> None:
    """Reject training images (n, c, h, w) that are all alike.

    Raises:
        UserError: They are.
    """
    if all(np.array_equal(image, images[0]) for image in images[1:]):
        raise UserError(
            f"data: the {len(images):,} training images are all alike, pixel for pixel, so there "
            "is nothing to learn; look at the images, and at preprocess.pixel_range"
        )


def leak_warning(splits: Mapping[SplitName, Split], names: Mapping[SplitName, Names]) -> str:
    """A line about test images that are training or validation images too; "" if none is.

    Args:
        splits: Prepared images.
        names: Their names, given in the line.
    """
    n_images = sum(len(split.images) for split in splits.values())
    known: dict[bytes, str] = {}
    pairs = []
    with ProgressBar[None](desc="duplicates", unit="image", total=n_images) as progress:
        for split in ("train", "validation", "test"):
            for image, name in zip(splits[split].images, names[split], strict=True):
                digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
                if split != "test":
                    known.setdefault(digest, str(name))
                elif digest in known:
                    pairs.append(f"{name} = {known[digest]}")
                progress.update()
    if not pairs:
        return ""
    listed = ", ".join(pairs[:MOST_LISTED])
    more = f" and {len(pairs) - MOST_LISTED:,} more" if len(pairs) > MOST_LISTED else ""
    return (
        f"warning: {len(pairs):,} of {len(splits['test'].images):,} test images are training "
        f"images too, pixel for pixel, so the test is too easy: {listed}{more}; remove them from "
        "one side"
    )
