"""The pages of the retrainings in a real Chromium, and the report."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from stages.explorer import packing
from stages.explorer.document import write_explorer
from stages.figures.run import Run
from tests.explorer.opened import cards, go_to, opened
from tests.explorer.photograph_runs import photographs
from tests.runs import digits_run
from tests.tools.retraining.samples import digits_sample, equal_sample, sample_of
from tools.retraining.explorer import Signs
from tools.retraining.findings import PHOTOS_ON_PAGE, Findings
from tools.retraining.page import write_page
from tools.retraining.report import write_report
from tools.retraining.results import Results

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def findings() -> Findings:
    return Findings(Results(digits_sample()), "red_blue")


@pytest.fixture
def page(findings: Findings, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    write_page(tmp_path / "index.html", findings, "explorer.html")
    yield from opened(browser, tmp_path / "index.html")


def test_the_page_shows_the_numbers(page: Page, findings: Findings) -> None:
    likeness = findings.results.likeness
    sentence = f"similarity of {likeness.mean:.3f} ± {likeness.error:.3f}"
    expect(page.locator("#sentence")).to_contain_text(sentence)
    metrics = page.get_by_role("region", name="Accuracy and measures")
    expect(metrics.get_by_role("row")).to_have_count(3)
    expect(metrics.get_by_role("rowheader", name="accuracy")).to_be_visible()
    pairs = page.get_by_role("region", name="How alike any two trainings are")
    expect(pairs.get_by_role("row")).to_have_count(9)
    first = pairs.get_by_role("row").nth(1).get_by_role("cell").nth(1).inner_text()
    assert float(first) == pytest.approx(likeness.by_pair[0, 1], abs=0.006)


def test_each_class_begins_with_its_least_stable_image(page: Page, findings: Findings) -> None:
    shown = page.locator("article").evaluate_all("(all) => all.map((one) => one.id)")
    assert shown == [f"image-{row}" for row in findings.results.order]
    notes = page.locator("article#image-3 > p.note")
    expect(notes.first).to_contain_text("between two of 8 trainings")
    expect(notes.last).to_contain_text("mean test accuracy of reading 1 (4: this run")
    expect(page.locator("article#image-3 figure")).to_have_count(10)
    expect(page.locator("article#image-4 figure")).to_have_count(7)


def test_the_noise_is_drawn_in_grey(page: Page, findings: Findings) -> None:
    """The third picture after the map: black where the deviation reaches half of the scale."""
    row, limit = int(findings.results.order[0]), findings.painter.scale.limit
    picture = page.locator(f"#image-{row} figure img").nth(3)
    brightness = picture.evaluate(
        """(image) => {
          const canvas = Object.assign(document.createElement("canvas"), { width: 8, height: 8 });
          const context = canvas.getContext("2d");
          context.imageSmoothingEnabled = false;
          context.drawImage(image, 0, 0, 8, 8);
          return Array.from(context.getImageData(0, 0, 8, 8).data);
        }"""
    )
    deviations = findings.results.sample.maps[:, row].std(axis=0, ddof=1)
    expected = 255 * np.clip(1 - deviations / (limit / 2), 0, 1)
    np.testing.assert_allclose(np.array(brightness).reshape(8, 8, 4)[..., 0], expected, atol=1)


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_its_window(
    findings: Findings, browser: Browser, tmp_path: Path, width: int
) -> None:
    write_page(tmp_path / "index.html", findings, "explorer.html")
    for page in opened(browser, tmp_path / "index.html", viewport={"width": width, "height": 800}):
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_equal_trainings_are_reported_as_such(tmp_path: Path) -> None:
    findings = Findings(Results(equal_sample()), "red_blue")
    write_page(tmp_path / "index.html", findings, "explorer.html")
    write_report(tmp_path, findings)
    for name in ("index.html", "report.md"):
        text = (tmp_path / name).read_text()
        assert "All 4 trainings gave the same maps: training does not depend on its seed." in text
    assert "nan" not in findings.text()


def test_the_report_has_its_picture_and_tables(findings: Findings, tmp_path: Path) -> None:
    write_report(tmp_path, findings)
    text = (tmp_path / "report.md").read_text()
    (picture,) = re.findall(r"!\[.+\]\((.+)\)", text)
    assert (tmp_path / picture).stat().st_size > 1000
    for line in text.splitlines():
        if line.startswith("| ---"):
            assert set(line) <= set("| -")
    assert "| accuracy | " in text
    assert "| image | trainings | mean test accuracy | predictions |" in text


def test_photographs_without_error_bars(browser: Browser, tmp_path: Path) -> None:
    run = photographs(6, (96, 96), 3, 3)
    explanation = replace(run.explanation, errors=None, group_means=None)
    run, n = replace(run, explanation=explanation), len(explanation.labels)
    maps = explanation.values.sum(axis=1)[..., 0]  # of the most probable class
    noise = np.random.default_rng(0).normal(size=(3, *maps.shape)) * maps.std()
    findings = Findings(Results(sample_of(run, maps + noise)), "red_blue", 16)
    write_page(tmp_path / "index.html", findings, "explorer.html")
    write_report(tmp_path, findings)
    for page in opened(browser, tmp_path / "index.html"):
        expect(page.locator("article")).to_have_count(min(n, PHOTOS_ON_PAGE))
        expect(page.locator("article").first.locator("figure")).to_have_count(5)
        expect(page.locator("#differences")).to_contain_text("no error bars")
        expect(page.get_by_text("The standard deviation (s.d.) over trainings")).to_be_visible()
        expect(page.get_by_text("over both")).to_have_count(0)


def signs_of(run: Run, n_trainings: int = 4) -> Signs:
    """A first training, then others in which the top left quarter of each map has another sign."""
    signs = Signs(run)
    values = run.explanation.values.copy()
    height, width = values.shape[2] // 2, values.shape[3] // 2
    values[:, :, :height, :width] *= -1
    signs.add(run.explanation)
    for _ in range(n_trainings - 1):
        signs.add(replace(run.explanation, values=values))
    return signs


def test_a_switch_of_the_explorer_fades_what_changes_sign(browser: Browser, tmp_path: Path) -> None:
    run = digits_run()
    signs_of(run).write(tmp_path / "explorer.html")
    for page in opened(browser, tmp_path / "explorer.html"):
        switch = page.get_by_label(re.compile("fewer than 90 % of 4 trainings share"))
        expect(switch).not_to_be_checked()
        assert not painted(page).any()
        switch.check()
        shown = run.explanation.maps(0, [int(run.explanation.predicted[0])])[0]
        expected = np.zeros((8, 8), bool)
        expected[:4, :4] = np.abs(shown[:4, :4]) > 1e-6 * np.abs(shown).max()
        np.testing.assert_array_equal(painted(page), expected)
        page.get_by_label("Grain of the map").select_option("4")
        np.testing.assert_array_equal(
            painted(page), np.pad(np.ones((4, 4), bool), ((0, 4), (0, 4)))
        )
        page.get_by_label("minus the map of").select_option("other")
        assert not painted(page).any()
        expect(page.locator("#changing-note")).to_contain_text("maps of one class")


def test_a_page_without_all_images_fades_each_by_its_own_signs(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In each image another row of pixels has another sign in the other training."""
    monkeypatch.setattr(packing, "MOST_IMAGES", 5)
    run = digits_run()
    values = run.explanation.values.copy()
    rows = np.arange(len(values)) % 8
    values[np.arange(len(values)), :, rows] *= -1
    signs = Signs(run)
    for explanation in (run.explanation, replace(run.explanation, values=values)):
        signs.add(explanation)
    signs.write(tmp_path / "explorer.html")
    for page in opened(browser, tmp_path / "explorer.html"):
        page.get_by_label(re.compile("Fade values whose sign")).check()
        held = cards(page)
        assert len(held) == 5
        positions = [run.explanation.names.tolist().index(name) for name in held]
        assert positions != list(range(5))
        for name, position in zip(held, positions, strict=True):
            go_to(page, name)
            assert set(np.flatnonzero(painted(page).any(axis=1))) == {position % 8}


def painted(page: Page) -> np.ndarray:
    """Pixels over which the explorer has laid a pale colour."""
    alpha = page.locator("#changing").evaluate(
        """(canvas) => {
          const context = new OffscreenCanvas(8, 8).getContext("2d");
          context.drawImage(canvas, 0, 0);
          return Array.from(context.getImageData(0, 0, 8, 8).data).filter((_, i) => i % 4 === 3);
        }"""
    )
    return np.array(alpha).reshape(8, 8) > 0


def test_the_pipelines_own_explorer_has_no_such_switch(tmp_path: Path) -> None:
    """Its content and its scripts are the same, whether or not trainings were counted."""
    run = digits_run()
    write_explorer(tmp_path / "explorer.html", run)
    before = (tmp_path / "explorer.html").read_bytes()
    signs_of(run).write(tmp_path / "changing.html")
    write_explorer(tmp_path / "explorer.html", run)
    assert (tmp_path / "explorer.html").read_bytes() == before
    assert b"changing" not in before


def test_signs_of_large_images_are_counted_by_block(browser: Browser, tmp_path: Path) -> None:
    run = photographs(6, (96, 96), 3, 3)
    signs = signs_of(run)
    signs.write(tmp_path / "explorer.html")
    text = (tmp_path / "explorer.html").read_text()
    content = json.loads(re.search(r'id="run"[^>]*>(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    height, width, block = content["size"]["h"], content["size"]["w"], content["block"]
    bits = np.unpackbits(
        np.frombuffer(base64.b64decode(content["changing"]["fades"][str(block)]), np.uint8),
        bitorder="little",
    )
    rows, columns = -(-height // block), -(-width // block)
    fades = bits[: rows * columns].reshape(rows, columns)
    inner = fades[: height // 2 // block - 1, : width // 2 // block - 1]
    assert inner.mean() > 0.9
    assert fades[height // 2 // block + 1 :, width // 2 // block + 1 :].mean() == 0
    for page in opened(browser, tmp_path / "explorer.html"):
        page.get_by_label(re.compile("Fade values whose sign")).check()
