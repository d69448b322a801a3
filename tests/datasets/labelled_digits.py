"""Digits with four labels, as arrays and as a folder with a table."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits

NAMES = ("even", "at least 5", "prime", "zero")


def digits_with_labels() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    data = load_digits()
    images = (data.images * 15.9375).astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)
    digits = data.target
    labels = [digits % 2 == 0, digits >= 5, np.isin(digits, (2, 3, 5, 7)), digits == 0]
    return images[:900], np.stack(labels, axis=1)[:900].astype(np.int64)


def write_folder(folder: Path, n_images: int, table: bool = True) -> None:
    folder.mkdir(parents=True)
    images, labels = digits_with_labels()
    rows = [["file", *NAMES]]
    for number in range(n_images):
        Image.fromarray(images[number]).save(folder / f"{number:03d}.png")
        rows.append([f"{number:03d}.png", *map(str, labels[number])])
    if table:
        with (folder / "labels.csv").open("w", newline="") as file:
            csv.writer(file).writerows(rows)
