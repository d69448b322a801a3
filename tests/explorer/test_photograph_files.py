"""Pages of large images as files: size and precision."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stages.drawing.grain import block_sums

from .photograph_runs import exact_maps, photographs
from .test_explorer import array, written

SIZE = (96, 128)


def test_a_hundred_photographs_of_224_pixels_fit_in_8_mb(folder: Path) -> None:
    run = photographs(1, (224, 224), 1000, 10)
    explanation = run.explanation
    noise = np.random.default_rng(0).normal(0, 12, (224, 224))  # as grainy as real photographs
    images = np.clip(explanation.images + noise, 0, 255).astype(np.uint8)
    arrays = {
        name: np.repeat(getattr(explanation, name), 100, axis=0)
        for name in ("outputs", "probabilities", "classes", "labels")
    }
    shape = (100, *explanation.values.shape[1:])
    many = replace(
        explanation,
        **arrays,
        images=np.repeat(images, 100, axis=0),
        values=np.broadcast_to(explanation.values, shape),
        errors=np.broadcast_to(np.abs(explanation.values).sum(axis=1) / 9, (100, 224, 224, 10)),
        names=np.arange(100),
        indices=np.arange(100),
    )
    path = folder / "page.html"
    many_run = replace(run, explanation=many)
    sums = np.repeat(run.summary.sums, 100, axis=0)
    vars(many_run)["summary"] = replace(run.summary, sums=sums)  # not computed from all
    _, data = written(path, many_run)
    assert data["size"]["n"] == 100
    assert data["words"]["held"] == ""
    assert (data["size"]["h"], data["size"]["w"]) == (224, 224)
    assert path.stat().st_size < 8_000_000


def test_blocks_of_the_page_are_within_the_stated_rounding(folder: Path) -> None:
    run = photographs(3, SIZE, 1000, 3)
    _, data = written(folder / "page.html", run)
    block = data["block"]
    stated = re.search(r"rounded to ±(\S+) logits per", data["words"]["exactness"])
    assert stated
    n_blocks = (SIZE[0] // block, SIZE[1] // block)
    unpacked = array(data, "maps").reshape(3, 3, *n_blocks).astype(np.float64)
    unpacked *= array(data, "steps").reshape(3, 3, 1, 1)
    exact = np.stack([block_sums(exact_maps(run, image), block) for image in range(3)])
    error = np.abs(unpacked - exact).max()
    assert float(stated[1]) == pytest.approx(error, rel=0.05)
    assert error < np.abs(exact).max() / 100
