"""The page of a comparison in a real Chromium."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import Browser, expect

from stages.drawing.grain import block_sums
from stages.figures.run import Run
from tests.explorer.opened import NAMES, opened
from tests.explorer.photograph_runs import photographs
from tests.explorer.test_explorer_page import CONTRASTS
from tests.runs import digits_run, with_names
from tools.compare.comparison import Comparison
from tools.compare.findings import ON_PAGE, PHOTOS_ON_PAGE, Findings
from tools.compare.page import write_page
from tools.compare.pairs import Pairs
from tools.compare.versions import Version

pytestmark = pytest.mark.browser

RUN = with_names(digits_run(), NAMES)
N_CHANGED = 7  # images whose prediction changes


def changed_run() -> Run:
    """`RUN` with noise in its maps, and other predictions for some images."""
    old = RUN.explanation
    noise = 0.05 * np.random.default_rng(0).normal(size=old.values.shape)
    probabilities = old.probabilities.copy()
    probabilities[:N_CHANGED] = np.roll(probabilities[:N_CHANGED], 1, axis=1)
    values = (old.values + noise).astype(np.float32)
    names = np.array([f"cats/<b>{number}</b>.jpg" for number in range(len(old.names))])
    changed = replace(old, values=values, probabilities=probabilities, names=names)
    return replace(RUN, explanation=changed)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    old, new = (
        Version(name, run.explanation, run.predictions, pd.DataFrame(), run.predictions.metrics)
        for name, run in (("<b>old</b>", RUN), ("new", changed_run()))
    )
    path = tmp_path_factory.mktemp("comparison") / "index.html"
    write_page(path, Findings(Comparison(Pairs.of(old, new), None), "red_blue"))
    return path


def test_every_image_is_a_dot_that_links_to_its_maps(browser: Browser, page_file: Path) -> None:
    n_images = len(RUN.explanation.labels)
    for page in opened(browser, page_file):
        expect(page.get_by_role("heading", level=1)).to_have_text("Explanations: <b>old</b> → new")
        expect(page.locator("circle.dot")).to_have_count(n_images)
        expect(page.locator("svg")).to_contain_text(f"prediction changed ({N_CHANGED})")
        expect(page.locator("svg")).to_contain_text(f"same prediction ({n_images - N_CHANGED})")
        expect(page.locator("article[id]")).to_have_count(ON_PAGE)
        expect(page.locator("svg a")).to_have_count(ON_PAGE)
        expect(page.locator("body")).to_contain_text(f"The {ON_PAGE} most changed of {n_images}.")
        loaded = "images => images.every((image) => image.complete && image.naturalWidth > 0)"
        assert page.locator("article img").evaluate_all(loaded)
        dot = page.locator("svg a").nth(5)
        title = dot.locator("title").text_content() or ""
        dot.click()
        target = page.locator("article:target h3")
        assert re.match(r"cats/<b>\d+</b>\.jpg: ", title)
        expect(target).to_contain_text(f"{title.partition(':')[0]}, true ")
        expect(target).to_be_in_viewport()


def test_photographs_have_maps_by_block_and_a_small_page(browser: Browser, tmp_path: Path) -> None:
    run = photographs(70, (96, 96), 3, 3)
    old = run.explanation
    noise = np.random.default_rng(0).normal(size=old.values.shape)
    changed = replace(run, explanation=replace(old, values=(old.values + noise).astype(np.float32)))
    versions = [
        Version(name, each.explanation, each.predictions, pd.DataFrame(), {})
        for name, each in (("old", run), ("new", changed))
    ]
    findings = Findings(Comparison(Pairs.of(*versions), None), "red_blue", run.grain)
    write_page(tmp_path / "index.html", findings)
    assert (tmp_path / "index.html").stat().st_size < 5_000_000
    for page in opened(browser, tmp_path / "index.html"):
        expect(page.locator("article[id]")).to_have_count(PHOTOS_ON_PAGE)
        expect(page.locator("body")).to_contain_text(f"per {run.grain} × {run.grain} pixels")
    painter, (strip, *_) = findings.images
    shown = strip.thumbnails[1].astype(int)
    assert shown.shape == (168, 168, 3)
    index = findings.order[0]
    blocks = block_sums(findings.comparison.pairs.old_maps[index], run.grain)
    centres = ((np.arange(len(blocks)) + 0.5) * 168 / len(blocks)).astype(int)
    redness = (shown[..., 0] - shown[..., 2])[np.ix_(centres, centres)]
    strong = np.abs(blocks) > 0.3 * painter.scale.limit
    assert strong.any()
    assert (np.sign(redness) == np.sign(blocks))[strong].all()


def test_the_most_changed_come_first(browser: Browser, page_file: Path) -> None:
    for page in opened(browser, page_file):
        notes = page.locator("article[id] .note").all_inner_texts()
        written = re.findall(r"similarity (\S+),", "\n".join(notes))
        assert len(written) == len(notes)
        found = [float(number.replace("\N{MINUS SIGN}", "-")) for number in written]
        assert found == sorted(found)
        assert found[0] < found[-1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_can_be_read(browser: Browser, page_file: Path, width: int, scheme: str) -> None:
    viewport = {"width": width, "height": 900}
    for page in opened(browser, page_file, viewport=viewport, color_scheme=scheme):
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
        assert page.evaluate(CONTRASTS) == {}
