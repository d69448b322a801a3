"""`dvc plots` in a browser, offline."""

import re
import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.conftest import Project, copy

pytestmark = pytest.mark.browser

# Title of each chart, and the Vega marks that carry its data.
MARKS = {
    "Loss": ".mark-line path",
    "Accuracy": ".mark-line path",
    "Learning rate": ".mark-line path",
    "Confusion of the test split": ".mark-rect path",
    "Reliability on the test split": ".mark-line path",
    "Classes": ".mark-line path",
    "Removal": ".mark-line path",
    "Tiles": ".mark-symbol.role-mark path",
}

DASHED = (
    "Loss",
    "Accuracy",
    "Reliability on the test split",
)  # the second entry of the legend, too


def see(browser: Browser, printed: str) -> tuple[dict[str, int], list[str], str]:
    """Open the page whose address DVC printed; it must send no requests to other hosts.

    Returns:
        Number of different marks in each chart, names of the pictures, the text of the page.
    """
    requests: list[str] = []
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.goto(printed.strip().splitlines()[-1])
        page.wait_for_function("document.querySelectorAll('svg.marks').length >= 8")
        marks = {
            title: page.locator(f"[id='{title.replace(' ', '_')}'] svg.marks {mark}").evaluate_all(
                "paths => new Set(paths.map(path => path.getAttribute('d'))).size"
            )
            for title, mark in MARKS.items()
        }
        for title in DASHED:
            legend = page.locator(f"[id='{title.replace(' ', '_')}'] .role-legend-symbol path")
            dashes = legend.evaluate_all(
                "paths => paths.map(path => path.getAttribute('stroke-dasharray'))"
            )
            assert "4,3" in dashes, f"legend of {title}: {dashes}"
        pictures = page.evaluate(
            "Array.from(document.images).filter(i => i.naturalWidth > 0).map(i => i.src)"
        )
        text = page.inner_text("body")
    assert all(url.startswith(("file://", "data:", "blob:")) for url in requests), requests
    return marks, [re.sub(r".*/", "", source) for source in pictures], text


def test_plots_show_draws_all_charts_and_pictures(project: Project, browser: Browser) -> None:
    project.succeed("python", "-m", "tools.plots_page")
    marks, pictures, _ = see(browser, project.succeed("dvc", "plots", "show"))
    assert marks["Loss"] == marks["Accuracy"] == 2  # training and validation
    assert marks["Learning rate"] == 1
    assert marks["Confusion of the test split"] > 10  # cells
    assert marks["Reliability on the test split"] == 2  # measured and perfect
    assert marks["Classes"] > 20  # ten classes by three measures or more; some may coincide
    assert marks["Removal"] == 6  # three methods, two orders
    assert marks["Tiles"] == 1  # all dots are alike
    for name in ("samples", "sheet_000", "class_means_000"):
        assert f"workspace_plots_shap_{name}.png" in pictures


def test_of_many_sheets_two_are_shown_and_the_others_linked(
    project: Project, browser: Browser
) -> None:
    sheet = project.root / "plots/shap/sheet_000.png"
    for number in range(1, 4):
        shutil.copy(sheet, sheet.with_name(f"sheet_{number:03d}.png"))
    project.succeed("python", "-m", "tools.plots_page")
    result = project.run("python", "-m", "tools.plots", BROWSER="false", DISPLAY="")
    assert result.returncode == 0, result.stderr
    address, advice = result.stdout.strip().splitlines()[-2:]
    assert advice == "No browser was found here: open this page in one."
    _, pictures, text = see(browser, address)
    names = {name for name in pictures if "sheet" in name}
    assert names == {f"workspace_plots_shap_sheet_00{number}.png" for number in (0, 1)}
    assert "plots/shap/sheet_003.png" in text.replace("\\", "/")


def test_plots_diff_shows_both_versions(
    two_versions: Project, tmp_path: Path, browser: Browser
) -> None:
    project = copy(two_versions, tmp_path / "clone")
    project.succeed("python", "-m", "tools.plots_page")
    printed = project.succeed("dvc", "plots", "diff", "HEAD~1", "HEAD")
    marks, pictures, text = see(browser, printed)
    assert marks["Loss"] == marks["Accuracy"] == 4
    assert marks["Learning rate"] == 2
    for revision in ("HEAD", "HEAD~1"):
        assert any(
            name.startswith(f"{revision}_plots") and name.endswith("sheet_000.png")
            for name in pictures
        ), pictures
        assert revision in text
