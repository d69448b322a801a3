"""`python -m tools.league` on a real run: the tables, the page, and errors of users."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from stages.base.tracking.plugins import plugin_names
from tests.conftest import ROOT, Project, assert_refused, copy, made_once

LEAGUE = ("python", "-m", "tools.league")
TAKE_LONG = {"shap_gradient", "shap_deep"}
ANSWERS = ["tiles", "planted region", "additive", "two regions"]
pytestmark = pytest.mark.unhurried


@pytest.fixture(scope="module")
def printed(ran_project: Project, shared_folder: Path) -> tuple[Project, str]:
    """A project in which the command has run, and what it printed."""

    def make(root: Path) -> None:
        project = copy(ran_project, root)
        for name in TAKE_LONG:
            (root / f"stages/explainers/{name}.py").unlink()
        # A method that no network has what it needs for.
        broken = "def build(network, background, seed):\n    raise ValueError('no such network')\n"
        (root / "stages/explainers/broken.py").write_text(broken)
        (root / "printed.txt").write_text(project.succeed(*LEAGUE, "--image", "2"))

    project = made_once(shared_folder, "league", make)
    return project, (project.root / "printed.txt").read_text()


def tables(text: str) -> list[dict[str, list[str]]]:
    """Cells of each Markdown table by the first cell of their row."""
    found: list[dict[str, list[str]]] = []
    for line in text.splitlines():
        if not line.startswith("| "):
            continue
        name, *cells = (cell.strip() for cell in line.split("|")[1:-1])
        if name == "method":
            found.append({})
        if not re.fullmatch("-+", name):
            found[-1][name] = cells
    return found


def number(cell: str) -> float:
    return float(cell.replace("\N{MINUS SIGN}", "-").split(" ")[0])


def test_all_methods_stand_between_the_right_answer_and_noise(
    printed: tuple[Project, str],
) -> None:
    answers, measures = tables(printed[1])
    names = list(answers)
    assert names[:2] == ["method", "exact"]
    assert names[-2:] == ["edges", "random"]
    assert set(names[2:-2]) == set(plugin_names("explainers")) - TAKE_LONG
    assert list(measures) == names
    assert answers["method"] == ["adds up", *ANSWERS, "found", "ms per image"]
    for name, cells in answers.items():
        if name != "method":
            errors = [number(cell) for cell in cells[1:5]]
            assert cells[5] == f"{sum('✓' in cell for cell in cells)} of 4"
            assert all(error <= 0.1 for error in errors) == (cells[5] == "4 of 4")
    found = [int(cells[5][0]) for name, cells in answers.items() if name in names[2:-2]]
    assert found == sorted(found, reverse=True)
    assert answers["exact"][1:6] == ["0.00 ✓"] * 4 + ["4 of 4"]
    assert answers["random"][5] == answers["edges"][5] == "0 of 4"


def test_baselines_fail_the_randomisation_and_attributions_pass(
    printed: tuple[Project, str],
) -> None:
    measures = tables(printed[1])[1]
    last = measures["method"].index("all re-drawn")
    assert measures["edges"][last] == measures["random"][last] == "1.00 ± 0.00 fails"
    assert measures["deep"][last].endswith("passes")
    assert measures["random"][-1] == "0.00 ± 0.00"  # noise that never changes is stable


def test_the_measures_are_those_of_the_quality_stage(printed: tuple[Project, str]) -> None:
    """On the same images, which are all of this run's."""
    import pandas as pd

    project, text = printed
    measures = tables(text)[1]
    quality = pd.read_csv(project.root / "plots/methods.csv").set_index("method")
    for position, name in enumerate(("removal_gain", "contrast_shift", "coalition_error")):
        for method in ("deep", "edges", "random"):
            shown = number(measures[method][position])
            assert shown == pytest.approx(quality[name][method], abs=0.0051)


def test_a_method_that_fails_is_left_out_with_its_reason(printed: tuple[Project, str]) -> None:
    assert re.search(
        r"^left out: broken: explain\.method broken: failed on this network: ValueError: no such",
        printed[1],
        re.M,
    )


@pytest.fixture
def page(browser: Browser, printed: tuple[Project, str]) -> Page:
    page = browser.new_page(viewport={"width": 400, "height": 800})
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(printed[1].splitlines()[-1])
    assert [address for address in requested if not address.startswith("data:")] == [page.url]
    return page


@pytest.mark.browser
def test_the_page_shows_the_same_tables_and_fits_a_phone(
    page: Page, printed: tuple[Project, str]
) -> None:
    for label, table in zip(
        ("Known answers", "Measures on this run"), tables(printed[1]), strict=True
    ):
        rows = page.get_by_role("region", name=label).locator("tr").all()
        shown = [[cell.inner_text() for cell in row.locator("th, td").all()] for row in rows]
        assert shown == [[name, *cells] for name, cells in table.items()]
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.close()


@pytest.mark.browser
def test_both_say_how_many_images_are_measured_and_explained_again(
    page: Page, printed: tuple[Project, str]
) -> None:
    again = "The columns from randomised on explain 3 images again, against 10 background images."
    assert "mnist, convnet (3 images)\n" in printed[1]
    assert f"\n{again}\n" in printed[1]
    text = page.locator("body").inner_text()
    assert "on this run (3 images)" in text
    assert again in text
    page.close()


@pytest.mark.browser
def test_methods_stay_in_sight_while_a_table_is_scrolled(page: Page) -> None:
    for region in page.get_by_role("region").all():
        scrolled = region.evaluate("(table) => (table.scrollLeft = 10_000, table.scrollLeft)")
        assert scrolled > 50
        box = region.get_by_role("rowheader", name="gradient_x_input").bounding_box()
        assert box is not None
        assert box["x"] >= 0
    page.close()


@pytest.mark.browser
def test_the_page_shows_maps_side_by_side_and_what_they_are(page: Page) -> None:
    strips = page.locator(".strip").all()
    assert len(strips) == 4
    for strip in strips:
        names = [caption.inner_text() for caption in strip.locator("figcaption").all()]
        assert names[:2] == ["image", "exact"]
        assert {"deep", "grad_cam", "edges", "random"} <= set(names)
        sizes = strip.locator("img").evaluate_all("all => all.map((image) => image.naturalWidth)")
        assert min(sizes) >= 24
    title = page.locator("h3").first.inner_text()
    assert re.fullmatch(r"Test image \d+: maps of \d", title)
    text = page.locator("body").inner_text()
    assert "0 or more, without a unit; enlarged by bilinear interpolation" in text
    assert "broken" in text
    page.close()


@pytest.mark.parametrize("image", ["3", "-1", "first", "²"])
def test_an_image_that_is_none_is_refused(ran_project: Project, image: str) -> None:
    result = ran_project.run(*LEAGUE, f"--image={image}")
    assert_refused(result, rf"--image: must be the position of .*, 0 to 2 \(got {image}\)")
    assert not (ran_project.root / "plots/league").exists()


def test_without_a_run_the_message_says_what_to_do(project: Project) -> None:
    shutil.rmtree(project.root / "data/shap")
    assert_refused(project.run(*LEAGUE), r"data/shap/\S+: no such file; run dvc repro first")


def test_make_passes_the_image_on() -> None:
    for image, arguments in (("", ""), ("7", ' --image "7"')):
        command = ["make", "--dry-run", "--always-make", "league", f"IMAGE={image}"]
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        assert f"python -m tools.league{arguments}\n" in result.stdout.replace(" \n", "\n")
        assert ".[captum," in result.stdout
