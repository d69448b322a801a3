"""List test images that are also training images: `python -m tools.verdict.duplicates`.

Compares the pixels in `data/prepared` by their SHA-256; images that only look alike do not count.
Validation images count as training images, because the best epoch is chosen by them.
"""

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from tqdm import tqdm

from stages.artifacts.splits import FOLDER, SplitName, load_names, load_split
from stages.base.errors.user import UserError
from tools.command import run_command
from tools.verify.arrays import rows_of


class Duplicates(NamedTuple):
    """Test images with the same pixels as a training or validation image.

    Attributes:
        pairs: A line for each such test image: its name, the split and name of the first image
            there with the same pixels.
        n_test: Number of test images.
        n_others: Number of training and validation images.
    """

    pairs: list[str]
    n_test: int
    n_others: int


def main(arguments: Sequence[str]) -> None:
    """Print the pairs, and their number."""
    parser = argparse.ArgumentParser(prog="python -m tools.verdict.duplicates", description=__doc__)
    parser.parse_args(arguments)
    if not FOLDER.is_dir():
        raise UserError(f"{FOLDER}: no such folder; run dvc pull to fetch it, or dvc repro")
    found = find_duplicates()
    print(
        *found.pairs,
        f"{len(found.pairs):,} of {found.n_test:,} test images are among the {found.n_others:,} "
        "training and validation images",
        sep="\n",
    )


def find_duplicates(folder: Path = FOLDER) -> Duplicates:
    """Compare all images of the splits by their pixels."""
    names = {split: load_names(split, folder) for split in get_args(SplitName)}
    n_test = len(names["test"])
    n_others = sum(map(len, names.values())) - n_test
    wanted = set(_digests("test", folder))
    first: dict[bytes, str] = {}
    for split in ("train", "validation"):
        for index, digest in enumerate(_digests(split, folder)):
            if digest in wanted:
                first.setdefault(digest, f"{split} image {names[split][index]}")
    pairs = [
        f"test image {names['test'][index]}: {first[digest]}"
        for index, digest in enumerate(_digests("test", folder))
        if digest in first
    ]
    return Duplicates(pairs, n_test, n_others)


def _digests(split: SplitName, folder: Path) -> Iterator[bytes]:
    """The SHA-256 of each image's pixels, with a progress bar."""
    images = load_split(split, folder).images
    with tqdm(
        total=len(images), desc=f"{split} images", unit="image", delay=1, leave=False, disable=None
    ) as bar:
        for rows in rows_of(images):
            for image in images[rows]:
                yield hashlib.sha256(image.tobytes()).digest()
            bar.update(rows.stop - rows.start)


if __name__ == "__main__":
    run_command(main)
