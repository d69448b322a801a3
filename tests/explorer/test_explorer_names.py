"""A user's images are named after their files, in a real Chromium."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus, urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

from stages.explorer.document import write_explorer
from stages.figures.run import Run
from tests.runs import with_files

from .opened import opened

pytestmark = pytest.mark.browser

HOSTILE = "cats/<img src=x onerror=alert(1)>.jpg"
LONG = f"dogs/{'a_long_name_' * 20}.jpg"


@pytest.fixture(scope="module")
def files(run: Run) -> list[str]:
    folders = ("cats", "dogs")
    names = [f"{folders[n % 2]}/IMG_{n}.jpg" for n in range(len(run.explanation.names))]
    return [HOSTILE, LONG, *names[2:]]


@pytest.fixture(scope="module")
def file_of_page(run: Run, files: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("names") / "explorer.html"
    write_explorer(path, with_files(run, files))
    return path


@pytest.fixture(params=[1280, 400])
def named(request: pytest.FixtureRequest, browser: Browser, file_of_page: Path) -> Iterator[Page]:
    yield from opened(browser, file_of_page, viewport={"width": request.param, "height": 800})


def test_an_image_is_named_after_its_file(named: Page, files: list[str]) -> None:
    cards = named.get_by_role("option").filter(has=named.locator("canvas"))
    for index in (0, 1, 7):
        card = cards.nth(index)
        card.click()
        expect(named.locator("#name")).to_have_text(files[index])
        for attribute in ("title", "aria-label"):
            assert (card.get_attribute(attribute) or "").startswith(f"{files[index]}, ")
        assert files[index] in (named.locator("#map").get_attribute("aria-label") or "")
        assert named.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert named.locator("img").count() == 0


def test_search_by_part_of_the_name(named: Page, files: list[str]) -> None:
    cards = named.get_by_role("option").filter(has=named.locator("canvas"))
    for wanted in ("dogs/img_1", "<img", "LONG_NAME", "cats/IMG_2.jpg"):
        named.get_by_label("Name of the image").fill(wanted)
        expected = [name for name in files if wanted.lower() in name.lower()]
        expect(cards).to_have_count(len(expected))
        assert expected
        labels = cards.evaluate_all("cards => cards.map((card) => card.ariaLabel)")
        assert all(label.startswith(name) for label, name in zip(labels, expected, strict=True))


def test_the_address_of_a_view_names_the_file(named: Page, files: list[str]) -> None:
    cards = named.get_by_role("option").filter(has=named.locator("canvas"))
    for index in (7, 0):
        cards.nth(index).click()
        expected = f"#{urlencode({'image': files[index]}, safe='*-._', quote_via=quote_plus)}"
        expect(named).to_have_url(re.compile(f"{re.escape(expected)}$"))
    named.go_back()
    expect(named.locator("#name")).to_have_text(files[7])
    named.evaluate("name => { location.hash = `image=${encodeURIComponent(name)}`; }", files[1])
    expect(named.locator("#name")).to_have_text(files[1])
