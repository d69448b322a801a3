"""Squares of photographs through all stages: sheets, segments, a page that holds them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from stages.artifacts.explanation import Explanation
from stages.drawing.segments import can_segment
from tests.conftest import run_stages

pytestmark = pytest.mark.unhurried

SIDE = 72


def test_photographs_from_files_to_pictures(here: Path) -> None:
    draw = np.random.default_rng(0)
    for name, photograph in zip(("temple", "flower"), load_sample_images().images, strict=True):
        folder = here / "photographs" / name
        folder.mkdir(parents=True)
        for number in range(30):
            top, left = draw.integers(0, 300, 2)
            square = photograph[top : top + 120, left : left + 120]
            Image.fromarray(square).save(folder / f"{number}.png")
    changes = {
        "device": "cpu",
        "data": {"dataset": "image_folder", "source": "photographs"},
        "preprocess": {"image_size": SIDE},
        "model": {"architecture": "lenet"},
        "train": {"epochs": 1, "batch_size": 8},
        "explain": {"n_background": 4, "images": "first", "n_images": 2},
        "quality": {"methods": []},
    }
    run_stages(changes)
    names = {path.name for path in Path("plots/shap").iterdir()}
    assert "sheet_000.png" in names
    assert ("segments_000.png" in names) == can_segment()
    page = Path("plots/explorer.html").read_text()
    found = re.search(r'id="run">(.*?)</script>', page, re.DOTALL)
    assert found
    content = json.loads(found[1])
    explanation = Explanation.load()
    assert (content["size"]["h"], content["size"]["w"]) == (SIDE, SIDE)
    assert len(content["photos"]["images"]) == len(explanation.images) == 2
    assert content["grain"] == 4, "blocks a few millimetres wide"
