"""A user's own images, from files to explanations, through the real DVC."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from stages import explain, quality, report
from stages.artifacts.explanation import Explanation
from stages.base.errors.user import UserError
from tests.conftest import Project, assert_refused, copy, run_stages


@pytest.fixture
def own(fresh_project: Project, tmp_path: Path) -> Project:
    """A fresh clone for a user's own images."""
    return copy(fresh_project, tmp_path / "clone")


def metrics(root: Path, stage: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / f"metrics/{stage}.json").read_text())
    return content


def classes(root: Path) -> list[str]:
    """Class names in `plots/classes.csv`."""
    return list(pd.read_csv(root / "plots/classes.csv")["class"])


@pytest.mark.slow
def test_real_digits_as_png_files(own: Project) -> None:
    digits = load_digits()
    scale = 255 / digits.images.max()
    train_images, test_images, train_labels, test_labels = train_test_split(
        digits.images, digits.target, test_size=0.25, stratify=digits.target, random_state=0
    )
    splits = (("train", train_images, train_labels), ("test", test_images, test_labels))
    for split, images, labels in splits:
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            folder = own.root / f"images/{split}/digit {label}"
            folder.mkdir(parents=True, exist_ok=True)
            pixels = np.round(image * scale).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    own.set(
        {
            "data": {"dataset": "image_folder", "source": "images"},
            "preprocess.image_size": 16,
            "model.architecture": "lenet",
            "train": {"epochs": 30, "batch_size": 32, "learning_rate": 5e-3, "keep": "last"},
            "explain": {"n_background": 20, "images": "per_class"},
        }
    )
    assert set(own.repro().values()) == {"ran"}
    evaluated = metrics(own.root, "evaluate")
    assert evaluated["accuracy"] >= 0.97
    assert classes(own.root) == [f"digit {label}" for label in range(10)]
    explanation = Explanation.load(own.root / "data/shap")
    assert explanation.values.shape == (10, 1, 16, 16, 10)
    assert explanation.labels.tolist() == list(range(10))

    require_files_named(own)
    require_chosen_by_name(own)

    # A new size reruns preprocess but not download.
    own.set({"preprocess.image_size": 20, "train.epochs": 1, "explain.images": "per_class"})
    outcome = own.repro("train")
    assert (outcome["download"], outcome["preprocess"]) == ("unchanged", "ran")


def require_files_named(own: Project) -> None:
    """Require that tables name each image by its path, whose folder is the true class."""
    plots = own.root / "plots"
    tables = {name: pd.read_csv(plots / f"{name}.csv") for name in ("attributions", "mistakes")}
    true = [tables["attributions"]["true"], tables["mistakes"]["actual"]]
    names = [table["name"] for table in tables.values()]
    for name, label in zip(pd.concat(names), pd.concat(true), strict=True):
        assert (own.root / "images" / name).is_file()
        assert name.startswith(f"test/{label}/")
    explanation = Explanation.load(own.root / "data/shap")
    assert explanation.names.tolist() == names[0].tolist()
    assert set(pd.read_csv(plots / "tiles.csv")["name"]) == set(names[0])
    measures = pd.read_csv(own.root / "data/quality/measures.csv")
    assert set(measures.query("method != 'exact'")["name"]) == set(names[0])


def require_chosen_by_name(own: Project) -> None:
    source = own.root / "images"
    four, seven = (
        str(next((source / f"test/digit {label}").iterdir()).relative_to(source))
        for label in (4, 7)
    )
    own.set({"explain.images": [seven, four]})
    assert own.repro("report")["evaluate"] == "unchanged"
    explanation = Explanation.load(own.root / "data/shap")
    assert explanation.names.tolist() == [seven, four]
    assert explanation.labels.tolist() == [7, 4]
    for name, image in zip((seven, four), explanation.images, strict=True):
        with Image.open(source / name) as file:
            expected = file.resize((16, 16), Image.Resampling.BILINEAR)
        assert np.array_equal(image[0], np.asarray(expected))

    own.set({"explain.images": [seven.replace("digit", "digits")]})
    message = rf"no test image is called 'test/digits 7/.*'; did you mean {re.escape(seven)}\?"
    assert_refused(own.stage("explain"), message)
    training_image = next((source / "train/digit 3").iterdir())
    own.set({"explain.images": [str(training_image.relative_to(source))]})
    message = r"train/digit 3/\d+\.png is an image of the (train|validation) split; only test"
    assert_refused(own.stage("explain"), message)


def test_colour_images_of_two_classes_without_a_test_split(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for name, color in (("rote Äpfel", (200, 40, 40)), ("青い空", (60, 90, 220))):
        folder = here / "images" / name
        folder.mkdir(parents=True)
        for number in range(40):
            height, width = rng.integers(8, 30, 2)
            noise = rng.normal(0, 30, (height, width, 3))
            pixels = np.clip(np.array(color) + noise, 0, 255).astype(np.uint8)
            suffix = ("png", "jpg", "webp", "bmp")[number % 4]
            Image.fromarray(pixels).save(folder / f"Bild {number}.{suffix}")
    (here / "images/青い空/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    changes: dict[str, dict[str, Any]] = {
        "data": {"dataset": "image_folder", "source": "images"},
        "preprocess": {"image_size": [8, 10], "color": "rgb"},
        "model": {"architecture": "resnet", "options": {"widths": [4, 8]}},
        "train": {"epochs": 8, "batch_size": 16, "learning_rate": 1e-2, "keep": "last"},
        "explain": {"method": "shap_deep", "n_background": 8, "images": "first", "n_images": 4},
    }
    with pytest.raises(
        UserError, match=r"images: 1 of 81 files .*\n  青い空/broken\.jpg: truncated"
    ):
        run_stages(changes)
    assert list((here / "data").iterdir()) == []

    changes["data"]["skip_damaged"] = True
    run_stages(changes)
    assert "images: left out 1 of 81 files (data.skip_damaged):" in capsys.readouterr().out
    assert metrics(here, "evaluate")["accuracy"] >= 0.9
    assert classes(here) == ["rote Äpfel", "青い空"]
    explanation = Explanation.load(here / "data/shap")
    assert explanation.values.shape == (4, 3, 8, 10, 2)
    assert all((here / "images" / name).is_file() for name in explanation.names)
    assert explanation.titles[0].startswith("rote Äpfel/Bild ")
    change = explanation.outputs - explanation.base_values
    np.testing.assert_allclose(explanation.sums, change, atol=2e-3 * np.ptp(explanation.outputs))


@pytest.mark.slow  # trains until it tells 200 classes apart
def test_two_hundred_classes_as_arrays(here: Path) -> None:
    """Each class has its own pattern, so that the network can learn them."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 256, (200, 8, 8))
    labels = np.tile(np.arange(200), 10)
    noisy = patterns[labels] + rng.normal(0, 20, (len(labels), 8, 8))
    images = np.clip(noisy, 0, 255).astype(np.uint8)
    test, rest = slice(0, 400), slice(400, None)
    for_training = {"x_train": images[rest], "y_train": labels[rest]}
    np.savez("own.npz", x_test=images[test], y_test=labels[test], **for_training)
    changes = {
        "data": {"dataset": "arrays", "source": "own.npz"},
        "preprocess": {"validation_fraction": 0.25},
        "model": {"architecture": "single_conv"},
        "train": {"epochs": 15, "batch_size": 32, "learning_rate": 5e-3},
        "explain": {"n_background": 4, "images": "first", "n_images": 2},
    }
    run_stages(changes)
    every = Explanation.load(here / "data/shap")
    assert every.values.shape == (2, 1, 8, 8, 200)
    assert every.errors is not None
    assert metrics(here, "evaluate")["accuracy"] >= 0.9
    table = pd.read_csv("plots/attributions.csv")
    assert sum(name.startswith("sum of") for name in table) == 200

    changes["explain"]["outputs"] = {"top": 3}
    run_stages(changes, (explain, quality, report))
    top = Explanation.load(here / "data/shap")
    order = np.argsort(-every.probabilities, axis=1)[:, :3]
    np.testing.assert_array_equal(top.classes, order)
    index = order[:, None, None, None]
    atol = 1e-5 * np.abs(every.values).max()
    values = np.take_along_axis(every.values, index, axis=4)
    np.testing.assert_allclose(top.values, values, rtol=0, atol=atol)
    errors = np.take_along_axis(every.errors, order[:, None, None], axis=3)
    np.testing.assert_allclose(top.errors, errors, rtol=0, atol=atol)
    np.testing.assert_allclose(top.group_means, every.group_means, rtol=0, atol=atol)
    table = pd.read_csv("plots/attributions.csv")
    sums = [name for name in table if name.startswith("sum of")]
    assert sums == [f"sum of {number}" for number in np.unique(order)]
    assert "top_class_agreement" not in metrics(here, "explain")
    assert (here / "plots/shap/sheet_000.png").exists()
