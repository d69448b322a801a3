"""A folder of images, and what the plug-in reads from it."""

from pathlib import Path
from typing import Any

from stages.datasets import image_folder
from stages.datasets.base.contract import Dataset, Origin

from .image_files import PNG


def put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def two_classes(folder: Path) -> Path:
    """Write two classes with three training and three test images each."""
    for split in ("train", "test"):
        for name in ("big cat", "小さい犬"):
            for number in range(3):
                put(folder / f"{split}/{name}/{number}.png", PNG)
    return folder


def fetched(source: Path, folder: Path, skip_damaged: bool = False, **options: Any) -> Dataset:
    folder.mkdir()
    image_folder.fetch(Origin(source, skip_damaged=skip_damaged), folder, **options)
    return image_folder.read(folder)
