"""A real explanation with a closed form: scikit-learn's digits and a linear model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page
from sklearn.datasets import load_digits

from stages.artifacts.explanation import Explanation

from .opened import NAMES, opened, write
from .runs import Run

N_TRAIN = 600
N_BACKGROUND = 100


@pytest.fixture(scope="session")
def digits() -> Run:
    """Every mistake of a least-squares classifier on digits, and eighty images it gets right.

    For a linear output w·x + b the attribution of a pixel is w (x - mean of the background).
    """
    data = load_digits()
    images = (data.images * 15.9375).astype(np.uint8)[:, None]  # 0 to 255
    labels = data.target.astype(np.int64)
    inputs = images.reshape(len(images), -1).astype(np.float64)
    train, test = inputs[:N_TRAIN], inputs[N_TRAIN:]
    ridge = train.T @ train + 1e5 * np.eye(64)
    weights = 8 * np.linalg.solve(ridge, train.T @ np.eye(10)[labels[:N_TRAIN]])  # (64, 10)
    logits = test @ weights
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    test_labels = labels[N_TRAIN:]
    wrong = logits.argmax(axis=1) != test_labels
    indices = np.sort(np.append(np.flatnonzero(wrong), np.flatnonzero(~wrong)[:80]))
    background = train[:N_BACKGROUND].mean(axis=0)
    values = (test[indices] - background)[:, :, None] * weights
    about = {
        "class_names": [str(number) for number in range(10)],
        "output": "logits",
        "method": "linear",
        "n_background": N_BACKGROUND,
        "background": "random",
        "versions": {"numpy": "2"},
    }
    explanation = Explanation(
        values=values.reshape(-1, 1, 8, 8, 10).astype(np.float32),
        base_values=background @ weights,
        outputs=logits[indices],
        probabilities=chances[indices].astype(np.float32),
        images=images[N_TRAIN:][indices],
        labels=test_labels[indices],
        indices=indices,
        about=about,
    )
    return Run(explanation, test_labels, chances.astype(np.float32))


@pytest.fixture(scope="session")
def params() -> dict[str, Any]:
    return {
        "seed": 7,
        "data": {"dataset": "digits", "source": "data/embedded"},
        "model": {"architecture": "linear"},
        "train": {"learning_rate": 0.001, "note": "<b>bold</b>"},
    }


@pytest.fixture(scope="session")
def metrics() -> dict[str, Any]:
    return {"evaluate": {"accuracy": 0.9123456789}, "explain": {"diagonal": 0.75}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(scope="module")
def run(digits: Run) -> Run:
    return digits.named(NAMES)


@pytest.fixture(scope="module")
def page_file(
    tmp_path_factory: pytest.TempPathFactory,
    run: Run,
    params: dict[str, Any],
    metrics: dict[str, Any],
) -> Path:
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    write(path, run, params, metrics)
    return path


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:
    """The page, open; afterwards nothing was requested, nothing said on the console."""
    yield from opened(browser, page_file)


LOOKS = [(width, scheme) for width in (1280, 400) for scheme in ("light", "dark")]


@pytest.fixture(params=LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
def look(request: pytest.FixtureRequest, browser: Browser, page_file: Path) -> Iterator[Page]:
    width, scheme = request.param
    yield from opened(
        browser, page_file, viewport={"width": width, "height": 800}, color_scheme=scheme
    )
