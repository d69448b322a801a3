"""The page as a file: size, bytes, content and precision."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stages.explorer import packing
from stages.explorer.document import write_explorer
from stages.explorer.packing import pack
from stages.figures.run import Run
from tests.runs import arrays_by_image, random_run, with_about, with_files, with_maps, with_names


def written(path: Path, run: Run) -> tuple[str, dict[str, Any]]:
    write_explorer(path, run)
    page = path.read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="run">(.*?)</script>', page, re.DOTALL)
    assert data
    return page, json.loads(data[1])


def array(data: dict[str, Any], name: str) -> np.ndarray[Any, Any]:
    packed = data["arrays"][name]
    return np.frombuffer(base64.b64decode(packed["base64"]), np.dtype(packed["type"]))


def test_unpacked_attributions_are_within_the_stated_rounding(digits: Run, folder: Path) -> None:
    _, data = written(folder / "page.html", digits)
    n = len(digits.explanation.labels)
    maps = array(data, "maps").reshape(n, 10, 8, 8).astype(np.float64)
    unpacked = maps * array(data, "steps").reshape(n, 10, 1, 1)
    exact = digits.explanation.values.sum(axis=1).transpose(0, 3, 1, 2)
    error = np.abs(unpacked - exact).max()
    stated = re.search(r"rounded to ±(\S+) logits per pixel", data["words"]["exactness"])
    assert stated
    assert float(stated[1].replace("\N{MINUS SIGN}", "-")) == pytest.approx(error, rel=0.05)
    assert error < digits.scale.limit / 1000
    np.testing.assert_array_equal(array(data, "images"), digits.explanation.images.ravel())
    np.testing.assert_allclose(array(data, "sums"), digits.explanation.sums.ravel(), rtol=1e-6)


def test_unpacked_error_bars_are_within_the_stated_rounding(digits: Run, folder: Path) -> None:
    _, data = written(folder / "page.html", digits)
    n = len(digits.explanation.labels)
    errors = array(data, "errors").reshape(n, 10, 8, 8).astype(np.float64)
    unpacked = errors * array(data, "errorSteps").reshape(n, 10, 1, 1)
    assert digits.explanation.errors is not None
    exact = digits.explanation.errors.transpose(0, 3, 1, 2)
    rounding = np.abs(unpacked - exact).max()
    stated = re.search(r"errors are rounded to ±(\S+)\.$", data["words"]["exactness"])
    assert stated
    assert float(stated[1]) == pytest.approx(rounding, rel=0.05)
    assert rounding < exact.max() / 500
    assert "from 10 groups of background images" in data["words"]["exactness"]


def test_the_page_holds_the_maps_of_the_explained_classes(digits: Run, folder: Path) -> None:
    order = np.argsort(-digits.explanation.probabilities, axis=1)[:, :3]
    _, data = written(folder / "page.html", with_maps(digits, order))
    n = len(digits.explanation.labels)
    assert (data["size"]["m"], data["size"]["k"]) == (3, 10)
    np.testing.assert_array_equal(array(data, "shown").reshape(n, 3), order)
    sums = np.take_along_axis(digits.explanation.sums, order, axis=1)
    np.testing.assert_allclose(array(data, "sums").reshape(n, 3), sums, rtol=1e-6)
    assert len(array(data, "maps")) == len(array(data, "errors")) == n * 3 * 64
    assert "3 of 10 classes are explained for each image" in data["words"]["map-words"]
    assert "Top-class agreement: unknown" in data["words"]["by-class-note"]


def test_the_page_and_the_pictures_share_colors_and_limit(digits: Run, folder: Path) -> None:
    _, data = written(folder / "page.html", digits)
    np.testing.assert_array_equal(array(data, "colors"), digits.scale.table.ravel())
    assert data["limits"]["1"] == digits.scale.limit


def test_two_hundred_images_of_ten_classes_fit_in_8_mb(folder: Path) -> None:
    run = random_run(200, 1, 28, 28, 10)
    errors = np.abs(run.explanation.values).sum(axis=1) / 3
    run = replace(run, explanation=replace(run.explanation, errors=errors))
    _, data = written(folder / "page.html", run)
    assert data["size"]["n"] == 200
    assert data["words"]["held"] == ""
    assert (folder / "page.html").stat().st_size < 8_000_000


@pytest.mark.parametrize("shape", [(10_000, 1, 8, 8, 2), (150, 3, 224, 224, 30)])
def test_any_number_and_size_of_images_stays_under_8_mb(
    shape: tuple[int, ...], folder: Path
) -> None:
    long = f"{'猫' * 85}/{'猫' * 80}.png"  # the longest possible file name
    small = with_files(random_run(1, *shape[1:]), [long])
    n_images = shape[0]
    explanation = small.explanation
    arrays = {  # one image repeated takes no memory
        name: np.broadcast_to(array[0], (n_images, *array.shape[1:]))
        for name, array in arrays_by_image(explanation).items()
    }
    explanation = replace(explanation, **arrays)
    run = replace(small, explanation=explanation)
    sums = np.broadcast_to(small.summary.sums, (n_images, shape[4]))
    vars(run)["summary"] = replace(small.summary, sums=sums)  # not computed from so many images
    path = folder / "page.html"
    write_explorer(path, run)
    assert path.stat().st_size < 8_000_000
    assert f"of {n_images:,} explained images fit on this page" in path.read_text(encoding="utf-8")


def test_mistakes_are_kept_if_not_all_images_fit(
    digits: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    explanation = digits.explanation
    wrong = np.flatnonzero(explanation.predicted != explanation.labels)
    every = pack(explanation, digits.summary).arrays
    by_image = sum(array.nbytes for name, array in every.items() if name != "baseValues")
    one = by_image // len(explanation.labels) + 2 * len('"Test image 1796"')
    monkeypatch.setattr(packing, "PACKED_BYTES", 4 * one * (len(wrong) + 5) // 3 + 1)
    held = explanation.names[pack(explanation, digits.summary).chosen]
    assert len(held) == len(wrong) + 5
    assert set(explanation.names[wrong]) < set(held)
    assert (np.diff(held) > 0).all()


def test_the_same_run_gives_the_same_bytes(digits: Run, folder: Path) -> None:
    first, _ = written(folder / "a.html", digits)
    second, _ = written(folder / "b.html", digits)
    assert first == second


def test_no_text_from_the_data_can_open_or_close_a_tag(digits: Run, folder: Path) -> None:
    plain, _ = written(folder / "plain.html", digits)
    names = ["</script><script>alert(1)</script>", "<!--<script>", "{{data}}", "\udc80", "\u2028"]
    files = [f"{number}{names[number % 5]}" for number in range(len(digits.explanation.names))]
    hostile = with_about(
        with_files(with_names(digits, [*names, *"56789"]), files),
        dataset="<title>{{modules}}&",
        parameters={"note": "<!--"},
    )
    page, data = written(folder / "page.html", hostile)
    assert data["classNames"][:5] == names
    assert data["titles"] == files
    for mark in ("<script", "</script", "<!--", "<title", "</title"):
        assert page.count(mark) == plain.count(mark)


def test_the_page_allows_only_its_own_scripts_and_styles(digits: Run, folder: Path) -> None:
    page, _ = written(folder / "page.html", digits)
    rules = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert rules
    assert "default-src 'none'" in rules[1]
    assert "unsafe" not in rules[1]
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page)
    assert "http://" not in page
    assert "https://" not in page
