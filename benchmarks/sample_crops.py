"""Crops of public sample photographs, in folders of classes.

scikit-image's cup of coffee (CC0, R. Michetti), galaxies (Hubble, NASA, public domain) and stained
tissue (CMMI, no known copyright restrictions), and scikit-learn's flower and temple (CC BY 2.0,
vultilion and danielbuechele) come with these packages. There is one photograph of each class, so
training and test crops show the same thing in the same light, but no pixel twice: a photograph is
divided into five columns, and one of the three inner columns is for testing. That is easier than
photographs of different cups would be.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage import data
from sklearn.datasets import load_sample_image

N_COLUMNS = 5
SMALLEST_PX = 56  # side of a crop

Photograph = NDArray[np.uint8]

PHOTOGRAPHS: dict[str, Callable[[], Photograph]] = {
    "coffee": data.coffee,
    "flower": lambda: load_sample_image("flower.jpg"),
    "galaxies": data.hubble_deep_field,
    "temple": lambda: load_sample_image("china.jpg"),
    "tissue": data.immunohistochemistry,
}


def save_crops(folder: Path, classes: Sequence[str], n_train: int, n_test: int, seed: int) -> None:
    """Write `<folder>/train/<class>/*.png` and `<folder>/test/<class>/*.png`.

    Args:
        folder: The folder.
        classes: Which of the photographs.
        n_train: Number of training images of each class.
        n_test: The same for test images.
        seed: Seed for the columns that are for testing, and for the crops.
    """
    rng = np.random.default_rng(seed)
    for name in classes:
        photograph = PHOTOGRAPHS[name]()
        tested = int(rng.integers(1, N_COLUMNS - 1))
        others = [column for column in range(N_COLUMNS) if column != tested]
        for split, columns, n_images in (("train", others, n_train), ("test", [tested], n_test)):
            target = folder / split / name
            target.mkdir(parents=True)
            for number in range(n_images):
                crop = _crop(_column(photograph, int(rng.choice(columns))), rng)
                Image.fromarray(crop).save(target / f"{number:02}.png")


def _column(photograph: Photograph, number: int) -> Photograph:
    width = photograph.shape[1] // N_COLUMNS
    return photograph[:, number * width : (number + 1) * width]


def _crop(column: Photograph, rng: np.random.Generator) -> Photograph:
    """A square at a random place, of random size, flipped or not."""
    height, width = column.shape[:2]
    side = int(rng.integers(SMALLEST_PX, width + 1))
    top, left = rng.integers(0, height - side + 1), rng.integers(0, width - side + 1)
    crop = column[top : top + side, left : left + side]
    return np.ascontiguousarray(crop[:, ::-1] if rng.random() < 0.5 else crop)
