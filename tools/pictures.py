"""Draw the documentation's pictures from the last run: `python -m tools.pictures`.

Writes `docs/pictures`. Two pictures compare with a shorter training, which runs as an experiment
of its own unless it is there already. Needs Chromium and the development packages.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, sync_playwright
from tqdm import tqdm

from stages.artifacts.explanation import Explanation
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import load_split
from stages.base.errors.user import UserError
from stages.figures.run import Run
from stages.figures.sheets import draw_sheet
from tools.command import run_command

FOLDER = Path("docs/pictures")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
SHORTER = "three-epochs"  # the experiment
SEVEN = ((0.3, 0.25), (0.7, 0.3), (0.4, 0.8))  # corners of a stroke, as shares of the canvas


def main(_: Sequence[str]) -> None:
    """Draw all pictures of the documentation."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    draw_excerpt(FOLDER / "sheet.png")
    _run_shorter_training()
    subprocess.run(["python", "-m", "tools.compare", "HEAD", SHORTER], check=True)
    with _new_page() as page, tempfile.TemporaryDirectory(dir=".") as folder:
        for name, draw in tqdm(
            {"explorer": _explorer, "try": _own_digit, "comparison": _comparison}.items()
        ):
            draw(page, FOLDER / f"{name}.png")
        subprocess.run(["dvc", "plots", "diff", "HEAD", SHORTER, "--out", folder], check=True)
        _plots(page, Path(folder) / "index.html", FOLDER / "diff.png")


def draw_excerpt(path: Path) -> None:
    """Draw four explained images with all their maps: three correct predictions and a mistake."""
    explanation = Explanation.load()
    right = explanation.predicted == explanation.labels
    rows = np.concatenate([np.flatnonzero(right)[:3], np.flatnonzero(~right)[:1]])
    some = explanation.of_images(rows)
    run = Run(some, Predictions.load(), load_split("train"), "red_blue")
    draw_sheet(run, 0).save(path)


def _run_shorter_training() -> None:
    listed = subprocess.run(
        ["dvc", "exp", "list", "--name-only"], capture_output=True, text=True, check=True
    )
    if SHORTER not in listed.stdout.split():
        command = ["dvc", "exp", "run", "--temp", "--name", SHORTER, "--set-param"]
        subprocess.run([*command, "train.epochs=3"], check=True)


@contextmanager
def _new_page() -> Iterator[Page]:
    """A page of a headless Chromium."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        raise UserError(f"pictures: no browser on PATH; install one of {', '.join(BROWSERS)}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        yield page
        browser.close()


def _explorer(page: Page, path: Path) -> None:
    page.goto(Path("plots/explorer.html").resolve().as_uri())
    page.get_by_role("option").filter(has=page.locator("canvas")).first.wait_for()
    page.screenshot(path=path)


def _own_digit(page: Page, path: Path) -> None:
    """Draw a seven in the panel, and wait for its map."""
    page.goto(Path("plots/explorer.html").resolve().as_uri())
    canvas = page.locator("#sketch")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    if box is None:
        raise UserError("pictures: the explorer has no canvas, because its page has no network")
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in SEVEN]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=8)
    page.mouse.up()
    page.get_by_text("against 100 of 100 background images").wait_for()
    page.locator("#try").screenshot(path=path)


def _comparison(page: Page, path: Path) -> None:
    page.goto(Path("plots/comparison/index.html").resolve().as_uri())
    page.screenshot(path=path)


def _plots(page: Page, source: Path, path: Path) -> None:
    """The curves of loss and accuracy of both versions."""
    page.goto(source.resolve().as_uri())
    page.locator(".vega-embed").first.wait_for()
    page.screenshot(path=path, clip={"x": 0, "y": 20, "width": 1120, "height": 385})


if __name__ == "__main__":
    run_command(main)
