"""Runs, and their explorer page opened in a browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from stages.explorer.document import write_explorer
from stages.figures.run import Run
from stages.webpage.offline import import_map
from tests.runs import digits_run, with_names

from .opened import MODULES, NAMES, Evaluate, opened


@pytest.fixture(scope="session")
def digits() -> Run:
    return digits_run()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture(scope="module")
def run(digits: Run) -> Run:
    return with_names(digits, NAMES)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    write_explorer(path, run)
    return path


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:
    """The opened page; afterwards, no requests and no console messages."""
    yield from opened(browser, page_file)


LOOKS = [(width, scheme) for width in (1280, 400) for scheme in ("light", "dark")]


@pytest.fixture(params=LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
def look(request: pytest.FixtureRequest, browser: Browser, page_file: Path) -> Iterator[Page]:
    width, scheme = request.param
    yield from opened(
        browser, page_file, viewport={"width": width, "height": 800}, color_scheme=scheme
    )


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    """A blank page that can import the modules by their file names."""
    page = browser.new_page()
    page.set_content(f'<script type="importmap">{import_map(MODULES)}</script>')
    yield page
    page.close()


@pytest.fixture
def js(blank: Page) -> Evaluate:
    """Calls a function of a module's exports and an argument in the browser."""

    def evaluate(module: str, function: str, argument: Any = None) -> Any:
        return blank.evaluate(
            f"async (argument) => ({function})(await import('{module}'), argument)", argument
        )

    return evaluate
