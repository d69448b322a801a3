"""Twelve classes of which four have training images and three have test images."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.conftest import run_stages

NAMES = [f"class {number}" for number in range(12)]
TRAIN, TEST = {1: 9, 4: 7, 5: 8, 11: 6}, {4: 3, 5: 2, 7: 1}


@pytest.mark.unhurried
@pytest.mark.parametrize(
    "explain",
    [{"images": "per_class", "outputs": "all"}, {"images": "all", "outputs": {"top": 2}}],
)
def test_all_stages_accept_classes_without_images(here: Path, explain: dict[str, object]) -> None:
    rng = np.random.default_rng(0)
    for split, sizes in (("train", TRAIN), ("test", TEST)):
        for label, n_images in sizes.items():
            folder = here / f"images/{split}/{NAMES[label]}"
            folder.mkdir(parents=True)
            for number in range(n_images):
                pixels = rng.integers(0, 60, (12, 12), np.uint8)
                pixels[label] += 180  # a bright row, at a height of its own
                Image.fromarray(pixels).save(folder / f"{number}.png")
    run_stages(
        {
            "data": {
                "dataset": "image_folder",
                "source": "images",
                "options": {"classes": NAMES},
            },
            "preprocess": {"validation_fraction": 0.2},
            "model": {"architecture": "single_conv"},
            "train": {"epochs": 12, "batch_size": 8},
            "explain": {"n_background": 9, **explain},
        }
    )
    # Right are 3 of class 4 and 2 of class 5; class 7 was never seen in training.
    evaluated = json.loads(Path("metrics/evaluate.json").read_text())
    assert evaluated["accuracy"] == pytest.approx(5 / 6)
    table = pd.read_csv("plots/classes.csv").set_index("class")
    assert table.index.tolist() == NAMES
    assert table["recall"][[NAMES[4], NAMES[5], NAMES[7]]].tolist() == [1, 1, 0]
    confusion = pd.read_csv("plots/confusion.csv")
    assert confusion["actual"].value_counts().to_dict() == {
        NAMES[label]: n_images for label, n_images in TEST.items()
    }
    explained = json.loads(Path("metrics/explain.json").read_text())
    assert all(np.isfinite(value) for value in explained.values() if value is not None)
    labels = np.load("data/prepared/train_labels.npy")
    background = labels[np.load("data/shap/background_indices.npy")]
    assert set(background) == set(TRAIN)
    assert Path("plots/explorer.html").stat().st_size > 10_000
