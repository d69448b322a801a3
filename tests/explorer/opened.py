"""Open the explorer in a real Chromium and read its contents."""

import base64
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.image import imread
from playwright.sync_api import Browser, Page

from stages.explorer.document import PAGE
from stages.figures.run import Run

MODULES = sorted(PAGE.glob("*.js"))

Evaluate = Callable[..., Any]
"""Calls a function of a module's exports and an argument: (module, function, argument)."""

NAMES = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    *(f"digit {number}" for number in range(2, 10)),
]

# The page draws changes at the next frame: after two frames they are visible.
DRAWN = """
async (canvas) => {
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  return canvas.toDataURL();
}
"""


def opened(browser: Browser, path: Path, **context: Any) -> Iterator[Page]:
    page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **context})
    page.set_default_timeout(5_000)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("data:", "blob:")) or request.url == path.as_uri()
            else complaints.append(f"request: {request.url}")
        ),
    )
    page.goto(path.as_uri())
    yield page
    page.close()
    assert complaints == []


def cards(page: Page) -> list[int]:
    """Numbers of the test images in the gallery."""
    labels = page.get_by_role("option").filter(has=page.locator("canvas"))
    names = labels.evaluate_all("cards => cards.map((card) => card.ariaLabel)")
    return [int(re.match(r"Test image (\d+)", name)[1]) for name in names]  # type: ignore[index]


def numbers(run: Run, chosen: np.ndarray[Any, Any]) -> list[int]:
    return [int(index) for index in run.explanation.names[chosen]]


def canvas(page: Page, selector: str) -> np.ndarray[Any, Any]:
    """Colours (h, w, 3) on a canvas after all pending drawing."""
    url = page.locator(selector).evaluate(DRAWN)
    pixels = imread(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    return np.rint(pixels[..., :3] * 255).astype(np.int64)


def shown(page: Page) -> int:
    return int(page.get_by_role("heading", name="Test image").inner_text().split()[-1])


def decimal(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-"))


def go_to(page: Page, index: int) -> None:
    page.get_by_role("option", name=f"Test image {index},", exact=False).click()
