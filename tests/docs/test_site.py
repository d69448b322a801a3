"""The documentation as a site: built strictly, read in a real Chromium over HTTP."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from urllib.parse import urldefrag, urljoin

import pytest
import yaml
from playwright.sync_api import Browser, Page

from tests.conftest import ROOT

pytestmark = pytest.mark.browser


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    variables = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """A page on which every request must stay within the site and succeed."""
    page = browser.new_page(viewport={"width": 400, "height": 800})
    outside: list[str] = []
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith((site, "data:", "blob:"))
            else outside.append(request.url)
        ),
    )
    page.on("response", lambda response: response.status < 400 or outside.append(response.url))
    yield page
    page.close()
    assert outside == []


def pages_of_navigation() -> set[str]:
    """Addresses of all pages in mkdocs.yml, relative to the site."""
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    entries = [next(iter(entry.values())) for entry in nav]  # a page, or a section's pages
    files = [file for entry in entries for file in ([entry] if isinstance(entry, str) else entry)]
    return {file.replace(".md", ".html") for file in files}


def test_every_page_is_in_the_navigation() -> None:
    written = {str(file.relative_to(ROOT / "docs")) for file in (ROOT / "docs").rglob("*.md")}
    assert {file.replace(".md", ".html") for file in written} == pages_of_navigation()


def test_no_dead_link_and_every_page_is_reached_and_fits_a_phone(page: Page, site: str) -> None:
    waiting, seen, anchors = {site + "index.html"}, set[str](), set[str]()
    ids: dict[str, set[str]] = {}
    while waiting:
        address = waiting.pop()
        seen.add(address)
        page.goto(address)
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 400, f"{address} is {width} pixels wide"
        ids[address] = set(page.evaluate("[...document.querySelectorAll('[id]')].map((e) => e.id)"))
        for link in page.evaluate("[...document.links].map((a) => a.getAttribute('href'))"):
            target, fragment = urldefrag(urljoin(address, link))
            if not target.startswith(site):
                assert target.startswith("https://"), f"{address}: {link}"
                continue
            target = target + "index.html" if target.endswith("/") else target
            if fragment and not fragment.startswith("__"):
                anchors.add(f"{target}#{fragment}")
            if target.endswith(".html") and target not in seen:
                waiting.add(target)
    assert {address.removeprefix(site) for address in seen} == pages_of_navigation()
    dead = {a for a in anchors if a.split("#")[1] not in ids[a.split("#")[0]]}
    assert dead == set()


def test_the_search_finds_a_word(page: Page, site: str) -> None:
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(site + "index.html")
    page.locator(".md-search__input").click()
    page.keyboard.type("additivity")
    page.locator(".md-search-result__item").first.wait_for()
