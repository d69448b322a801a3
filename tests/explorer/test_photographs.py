"""Pages of large images, in a real Chromium: photographs, blocks, segments, zoom, many classes."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from stages.drawing.grain import block_sums
from stages.drawing.segments import can_segment, segments_of
from stages.explorer.document import write_explorer
from stages.figures.run import Run
from tests.conftest import ROOT
from tests.runs import random_run, with_maps, with_names

from .conftest import LOOKS
from .opened import Evaluate, canvas, decimal, opened
from .photograph_runs import exact_maps, photographs

pytestmark = pytest.mark.browser
needs_segments = pytest.mark.skipif(
    not can_segment(), reason="needs scikit-image, the extra `segments`"
)
SIZE = (96, 128)
N_CLASSES = 1000


@pytest.fixture(scope="module")
def run() -> Run:
    return photographs(3, SIZE, N_CLASSES, 3)


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    path = tmp_path_factory.mktemp("photographs") / "explorer.html"
    write_explorer(path, run)
    return path


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:
    for page in opened(browser, page_file):
        page.set_default_timeout(20_000)
        yield page


def sums_shown(page: Page) -> list[float]:
    return [decimal(text.split()[0]) for text in page.locator("#classes .value").all_inner_texts()]


def test_the_photograph_is_shown_at_its_own_size_and_nearly_as_it_was(page: Page, run: Run) -> None:
    shown = canvas(page, "#original")
    assert shown.shape == (*SIZE, 3)
    difference = np.abs(shown - run.explanation.images[0].transpose(1, 2, 0).astype(int))
    assert difference.mean() < 6, "compressed, but the same photograph"
    assert page.locator("#gallery img").count() == 3


def test_blocks_of_a_photograph_show_the_sums_of_their_pixels(page: Page, run: Run) -> None:
    grain = run.grain
    expect(page.get_by_role("combobox", name="Grain of the map")).to_have_value(str(grain))
    page.locator("#map").focus()
    page.keyboard.press("ArrowUp")  # the first press selects the middle
    row, column = SIZE[0] // 2 // grain, SIZE[1] // 2 // grain
    expect(page.locator("#pixel")).to_contain_text(
        f"Rows {row * grain + 1} to {(row + 1) * grain}, "
        f"columns {column * grain + 1} to {(column + 1) * grain}"
    )
    exact = block_sums(exact_maps(run, 0), grain)[:, row, column]
    finest = np.abs(block_sums(exact_maps(run, 0), 2)).max()
    np.testing.assert_allclose(sums_shown(page), exact, atol=finest / 254 * (grain / 2) ** 2)


@pytest.mark.parametrize("side", [128, 224])
def test_the_menu_names_the_blocks_that_the_docs_name(
    browser: Browser, folder: Path, side: int
) -> None:
    """No sum of a block is called a pixel."""
    text = (ROOT / "docs/how-to/own-images.md").read_text()
    named = re.search(rf"(\d+, \d+, \d+ and \d+)(?: pixels)? at {side} × {side}", text)
    assert named
    sides = [int(number) for number in re.findall(r"\d+", named[1])]
    write_explorer(folder / "page.html", photographs(2, (side, side), 3, 2))
    for page in opened(browser, folder / "page.html"):
        offered = page.locator("#grain option").all_inner_texts()
        blocks = [f"sums of {block} × {block} pixels" for block in sides]
        assert [choice for choice in offered if choice != "segments"] == blocks


@needs_segments
def test_segments_show_the_exact_sums_of_their_pixels(page: Page, run: Run) -> None:
    page.get_by_role("combobox", name="Grain of the map").select_option("segments")
    page.locator("#map").focus()
    page.keyboard.press("ArrowUp")
    regions = segments_of(run.explanation.images[0])
    own = regions == regions[SIZE[0] // 2, SIZE[1] // 2]
    expect(page.locator("#pixel")).to_contain_text(f"{own.sum()} pixels")
    exact = exact_maps(run, 0)[:, own].sum(axis=1)
    shown = sums_shown(page)
    np.testing.assert_allclose(shown, exact, atol=0.01 * np.abs(exact).max())
    expect(page).to_have_url(re.compile("grain=segments$"))
    page.reload()
    expect(page.get_by_role("combobox", name="Grain of the map")).to_have_value("segments")


def test_the_map_covers_the_grey_photograph_the_more_the_stronger_it_is(
    page: Page, run: Run
) -> None:
    page.get_by_label("Opacity of the map").fill("100")
    grain = run.grain
    blocks = block_sums(exact_maps(run, 0), grain)[0]
    shown = canvas(page, "#map")
    red_minus_blue = block_sums((shown[..., 0] - shown[..., 2]).astype(float), grain) / grain**2
    strong = np.abs(blocks) > 0.5 * run.summary.limits[grain]
    assert (np.sign(red_minus_blue) == np.sign(blocks))[strong].all()
    weak = np.abs(blocks) < 0.05 * run.summary.limits[grain]
    assert np.abs(red_minus_blue[weak]).max() < 5, "grey where the map is weak"
    page.get_by_label("Opacity of the map").fill("50")
    light = canvas(page, "#original") @ [0.299, 0.587, 0.114]
    weak_pixels = weak.repeat(grain, axis=0).repeat(grain, axis=1)
    half = canvas(page, "#map").mean(axis=2)
    assert np.abs(half - light)[weak_pixels].max() < 5, "grey, but with its blacks: no white veil"
    page.get_by_label("Opacity of the map").fill("0")
    difference = np.abs(canvas(page, "#map") - canvas(page, "#original"))
    assert difference.max() == 0, "the photograph itself"


def test_the_map_is_zoomed_and_moved_and_shown_whole_again(page: Page) -> None:
    width = "document.getElementById('map').getBoundingClientRect().width"
    left = "document.getElementById('map').getBoundingClientRect().left"
    before, start = page.evaluate(width), page.evaluate(left)
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    assert page.evaluate(width) == pytest.approx(2.25 * before)
    box = page.locator("#frame").bounding_box()
    assert box
    middle = page.evaluate(left)
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 150, box["y"] + 100, steps=3)
    page.mouse.up()
    assert page.evaluate(left) == pytest.approx(middle + 50, abs=1)
    page.locator("#map").focus()
    page.keyboard.press("-")
    assert page.evaluate(width) == pytest.approx(1.5 * before)
    page.get_by_role("button", name="Whole image").click()
    assert (page.evaluate(width), page.evaluate(left)) == (before, start)
    expect(page.get_by_role("button", name="Zoom out")).to_be_disabled()


def test_the_pointer_finds_its_pixel_on_a_zoomed_map(page: Page) -> None:
    page.get_by_role("combobox", name="Grain of the map").select_option("sums of 2 × 2 pixels")
    box = page.locator("#frame").bounding_box()
    assert box
    point = (box["x"] + 0.26 * box["width"], box["y"] + 0.26 * box["height"])
    page.mouse.move(*point)
    expect(page.locator("#pixel")).to_contain_text("Rows 25 to 26, columns 33 to 34")
    page.get_by_role("button", name="Zoom in").click()
    page.get_by_role("button", name="Zoom in").click()
    page.mouse.move(*point)
    row, column = (
        side * (0.5 - 0.24 / 2.25) for side in SIZE
    )  # what is seen begins at 0.5 - 0.5 / 2.25
    text = page.locator("#pixel").inner_text()
    found = re.match(r"Rows (\d+) to \d+, columns (\d+) to", text)
    assert found
    assert abs(int(found[1]) - row) <= 2
    assert abs(int(found[2]) - column) <= 2


def test_of_a_thousand_classes_none_is_listed_that_the_page_does_not_show(
    page: Page, run: Run
) -> None:
    longest = page.locator("select, tbody, ul").evaluate_all(
        "lists => Math.max(...lists.map((list) => list.children.length))"
    )
    assert longest <= 25
    own = [run.class_names[number] for number in run.explanation.classes[0]]
    assert page.locator("#classes tbody tr th bdi").all_inner_texts() == own


def test_a_class_is_found_by_its_name(page: Page, run: Run) -> None:
    number = int(run.explanation.probabilities[0, :100].argmin())  # others begin with its name
    page.get_by_label("Probability of another class").fill(f"SPECIES {number}")
    row = (
        page.get_by_role("table", name="Classes found")
        .get_by_role("row")
        .filter(has=page.get_by_text(f"species {number}", exact=True))
    )
    expect(row).to_have_count(1)
    expect(page.locator("#found-classes th").first).to_have_text(f"species {number}")
    value = float(row.get_by_role("cell").first.inner_text())
    assert value == pytest.approx(run.explanation.probabilities[0, number], rel=0.06, abs=6e-4)
    page.get_by_label("Probability of another class").fill("species")
    expect(page.locator("#class-search-note")).to_have_text("992 more; type more letters.")
    page.get_by_label("Probability of another class").fill("unicorn")
    expect(page.locator("#class-search-note")).to_have_text("No class has this in its name.")


def test_images_are_found_by_the_name_of_a_class(page: Page, run: Run) -> None:
    name = run.class_names[run.explanation.predicted[2]]
    page.get_by_label("Name of the image or of a class").fill(name)
    expect(page.locator("#count")).to_have_text(re.compile(r"^[12] of 3 images$"))
    expect(page.get_by_role("heading", name="Test image 2")).to_be_visible()


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("cat.jpg", "make explain IMAGE='cat.jpg'"),
        ("my cat's.jpg", r"make explain IMAGE='my cat'\''s.jpg'"),
        ("$1.png", "python -m tools.explain '$1.png'"),
    ],
)
def test_a_network_that_is_not_on_the_page_is_run_by_one_command(
    page: Page, folder: Path, name: str, command: str
) -> None:
    file = folder / name
    file.write_bytes(b"")
    page.locator("#command-file").set_input_files(file)
    expect(page.locator("#command-words code")).to_have_text(command)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_nothing_is_wider_than_the_window(
    browser: Browser, page_file: Path, width: int, scheme: Any
) -> None:
    view = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    for page in opened(browser, page_file, **view):
        expect(page.locator("#gallery img")).to_have_count(3)
        outside = page.evaluate(
            """() => [...document.querySelectorAll("main *")].filter((e) =>
              !e.closest(".scroll") && e.getBoundingClientRect().right > window.innerWidth + 0.5
            ).map((e) => e.outerHTML.slice(0, 80))"""
        )
        assert outside == []


ZOOM = """({ zoomed, panned }, [view, factor, point]) =>
  factor === null ? panned(view, point) : zoomed(view, factor, point)"""


def test_zooming_keeps_the_point_under_the_pointer_and_stays_inside(js: Evaluate) -> None:
    whole = {"zoom": 1, "left": 0, "top": 0}
    view = js("zoom.js", ZOOM, [whole, 4, [0.5, 0.25]])
    assert view["zoom"] == 4
    assert view["left"] + 0.5 / 4 == pytest.approx(0.5)
    assert view["top"] + 0.25 / 4 == pytest.approx(0.25)
    assert js("zoom.js", ZOOM, [view, 0, [0.5, 0.5]]) == whole
    assert js("zoom.js", ZOOM, [view, None, [-9, 9]]) == {"zoom": 4, "left": 0.75, "top": 0}
    assert js("zoom.js", ZOOM, [view, 99, [0, 0]])["zoom"] == 12


def test_top_classes_come_first_even_if_all_are_explained(browser: Browser, folder: Path) -> None:
    run = with_names(random_run(1, 3, 70, 70, 4), ["a", "b", "c", "d"])
    run = with_maps(run, np.arange(4)[None])
    write_explorer(folder / "page.html", replace(run, grain=4))
    order = np.argsort(-run.explanation.probabilities[0])
    for page in opened(browser, folder / "page.html"):
        rows = page.locator("#classes tbody tr th bdi")
        expect(rows).to_have_count(4)
        assert rows.all_inner_texts() == ["abcd"[number] for number in order]
