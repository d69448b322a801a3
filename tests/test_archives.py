"""Archives of arrays as people have them, from the file to explanations and the page."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from stages import download, preprocess
from stages.artifacts.explanation import Explanation
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import load_info, load_names, load_split
from stages.base.errors.user import UserError
from tests.conftest import run_stages
from tests.datasets.parquet_files import png, write

PARTS = {"train": slice(0, 400), "val": slice(400, 460), "test": slice(460, 600)}
SMALL: dict[str, Any] = {
    "model": {"architecture": "lenet"},
    "train": {"epochs": 1, "batch_size": 32},
    "explain": {"n_background": 10, "images": "first", "n_images": 3},
}


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Six hundred real images (n, 16, 16) and their classes."""
    data = load_digits()
    pixels = np.kron(data.images[:600] * 15.9375, np.ones((2, 2)))
    return pixels.astype(np.uint8), data.target[:600].astype(np.int64)


def require_explained(channels: int) -> Explanation:
    """Require complete results: an additive explanation, measures, pictures and the page."""
    explanation = Explanation.load()
    assert explanation.values.shape == (3, channels, 16, 16, 10)
    np.testing.assert_allclose(explanation.sums, explanation.changes, atol=1e-3)
    metrics = json.loads(Path("metrics/explain.json").read_text())
    assert np.isfinite(metrics["removal_gain"])
    for name in ("samples", "sheet_000", "class_means_000"):
        assert Path(f"plots/shap/{name}.png").exists()
    return explanation


def test_arrays_named_as_in_medmnist(here: Path) -> None:
    images, labels = digits()
    content = {f"{split}_images": images[part] for split, part in PARTS.items()}
    content |= {f"{split}_labels": labels[part, None] for split, part in PARTS.items()}
    np.savez(here / "digitmnist.npz", **content)
    run_stages({**SMALL, "data": {"dataset": "arrays", "source": "digitmnist.npz"}})
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        prepared = load_split(split)
        assert np.array_equal(prepared.images[:, 0], images[PARTS[name]])
        assert prepared.labels.tolist() == labels[PARTS[name]].tolist()
    assert load_info().name == "digitmnist"
    assert require_explained(1).labels.tolist() == labels[460:463].tolist()


def test_parquet_files_of_hugging_face(here: Path) -> None:
    images, labels = digits()
    names = [f"digit {label}" for label in range(10)]
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        file = here / f"digits/data/{split}-00000-of-00001.parquet"
        part = PARTS[name]
        write(file, [png(image) for image in images[part]], labels[part], names)
    run_stages({**SMALL, "data": {"dataset": "parquet", "source": "digits"}})
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        prepared = load_split(split)
        assert np.array_equal(prepared.images[:, 0], images[PARTS[name]])
        assert prepared.labels.tolist() == labels[PARTS[name]].tolist()
        assert load_names(split).tolist() == list(range(len(prepared.labels)))
    assert load_info().class_names == tuple(names)
    assert require_explained(1).names.tolist() == [0, 1, 2]


@pytest.mark.parametrize("channels", [pytest.param(2, marks=pytest.mark.slow), 13])
def test_images_of_many_channels(here: Path, channels: int) -> None:
    """As satellites send them; each channel has the digit at another place."""
    images, labels = digits()
    shifted = [np.roll(images, shift, axis=2) for shift in range(channels)]
    pixels = np.stack(shifted, axis=3)
    splits = {"X_train": pixels[:460], "X_test": pixels[460:]}
    np.savez(here / "bands.npz", **splits, Y_train=labels[:460] + 1.0, Y_test=labels[460:] + 1.0)
    data = {"dataset": "arrays", "source": "bands.npz", "options": {"labels_from": 1}}
    changes = {**SMALL, "data": data}
    changes["train"] = {**SMALL["train"], "augment": ["shift", "rotate", "erase"]}
    run_stages(changes)
    assert load_info().channels == channels
    assert load_info().class_names == tuple(map(str, range(1, 11)))
    explanation = require_explained(channels)
    assert np.array_equal(explanation.images, pixels[460:463].transpose(0, 3, 1, 2))
    maps = explanation.maps(0, [0])
    summed = explanation.values[0, ..., 0].sum(axis=0)  # in another order
    np.testing.assert_allclose(maps[0], summed, rtol=1e-5, atol=1e-6 * np.abs(summed).max())
    assert len(Predictions.load().labels) == 140


def test_classes_from_1_are_explained_to_the_user(here: Path) -> None:
    images, labels = digits()
    arrays = {"x_train": images, "y_train": labels + 1, "x_test": images, "y_test": labels + 1}
    np.savez(here / "matlab.npz", **arrays)
    data = {"dataset": "arrays", "source": "matlab.npz"}
    with pytest.raises(UserError, match=r"classes from 1 to 10.* as in MATLAB, set data\.options"):
        run_stages({"data": data}, (download, preprocess))
    assert list((here / "data").iterdir()) == []
    run_stages({"data": {**data, "options": {"labels_from": 1}}}, (download, preprocess))
    assert load_info().class_names == tuple(map(str, range(1, 11)))
    assert load_split("test").labels.tolist() == labels.tolist()
