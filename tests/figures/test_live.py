"""The panel *Try your own*: pictures made as a user makes them, answers against the engine's."""

import base64
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from scipy import ndimage

from stages.artifacts.portable import PortableNetwork
from stages.datasets.base.decode import decode
from stages.explain import MOST_WEIGHTS, portable_network
from stages.figures.explorer import write_explorer
from stages.figures.live import live_panel
from stages.figures.packing import PACKED_BYTES
from stages.preparation.arrays import converted
from tests.conftest import ROOT

from .networks import Trained, trained, untrained
from .opened import canvas, opened
from .runs import random_run

pytestmark = pytest.mark.browser

# What a network says reaches the panel as messages of its worker: the exact values are read there.
LISTEN = """
window.answers = [];
window.Worker = class extends Worker {
  constructor(...args) {
    super(...args);
    this.addEventListener("message", ({ data }) => window.answers.push(data));
  }
};
"""


def made(browser: Browser, folder: Path, network: Trained, **context: Any) -> Iterator[Page]:
    write_explorer(folder / "explorer.html", network.run)
    for page in opened(browser, folder / "explorer.html", **context):
        page.add_init_script(LISTEN)
        page.reload()
        page.locator("#try").scroll_into_view_if_needed()
        yield page


@pytest.fixture
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    yield from made(browser, folder, trained("convnet"))


def draw(page: Page, *points: tuple[float, float]) -> None:
    """One stroke through points, given as shares of the canvas from the left and the top."""
    box = page.locator("#sketch").bounding_box()
    assert box is not None
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for point in at[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


SEVEN = ((0.3, 0.25), (0.7, 0.3), (0.4, 0.8))


def seen(page: Page) -> NDArray[np.uint8]:
    """The picture (c, h, w) that the network sees; grey ones have one channel."""
    pixels = canvas(page, "#seen").transpose(2, 0, 1).astype(np.uint8)
    return pixels[:1] if (pixels == pixels[0]).all() else pixels


def answered(page: Page, number: int) -> dict[str, Any]:
    """The whole answer for a class: its map, against all background images."""
    page.locator("#try-for").select_option(str(number))
    whole = re.compile(rf"^digit {number}: .*against 40 of 40 background images")
    expect(page.locator("#try-sum")).to_have_text(whole)
    answer: dict[str, Any] = page.evaluate(
        """() => {
          const map = answers.findLast((answer) => answer.values);
          const { probabilities } = answers.findLast((answer) => answer.probabilities);
          return { ...map, values: [...map.values], probabilities: [...probabilities] };
        }"""
    )
    assert answer["number"] == number
    return answer


NETWORKS = {
    "convnet": ("convnet", "logits", False),
    "lenet": ("lenet", "logits", False),
    "lenet, probabilities": ("lenet", "probabilities", False),
    "single_conv": ("single_conv", "logits", False),
    "resnet": ("resnet", "logits", False),
    "convnet in colour": ("convnet", "logits", True),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_drawn_is_explained_as_the_engine_explains_it(
    browser: Browser, folder: Path, name: str
) -> None:
    network = trained(*NETWORKS[name])
    for page in made(browser, folder, network):
        draw(page, *SEVEN)
        expect(page.locator("#try-sum")).to_contain_text("40 of 40 background images")
        pixels = seen(page)
        if NETWORKS[name][2] and len(pixels) == 1:
            pixels = pixels.repeat(3, axis=0)
        exact = network.attributions(pixels)
        outputs = network.network(torch.from_numpy(pixels[None]).float())[0].double()
        probable = outputs if "probabilities" in name else outputs.softmax(0)
        for number in range(10):
            answer = answered(page, number)
            largest = np.abs(exact[..., number]).max()
            computed = np.reshape(answer["values"], exact.shape[:2])
            np.testing.assert_allclose(computed, exact[..., number], rtol=0, atol=1e-4 * largest)
            np.testing.assert_allclose(answer["probabilities"], probable, rtol=0, atol=1e-4)
            assert answer["output"] - answer["base"] == pytest.approx(
                computed.sum(), rel=1e-4, abs=1e-4
            )


def test_the_map_is_drawn_in_the_colors_of_the_run(page: Page) -> None:
    draw(page, *SEVEN)
    values = np.reshape(answered(page, 3)["values"], (24, 24))
    table = trained("convnet").run.scale.table
    steps = np.rint(values / np.abs(values).max() * 127).astype(int) + 127
    under = canvas(page, "#seen")
    expected = under + (table[steps].astype(float) - under) * 0.9
    np.testing.assert_allclose(canvas(page, "#try-map"), expected, rtol=0, atol=1)
    end = float(f"{np.abs(values).max():.2g}")
    expect(page.locator("#try-ends")).to_contain_text(f"raises +{end:g}")


def test_a_map_of_few_background_images_comes_first(page: Page) -> None:
    draw(page, *SEVEN)
    expect(page.locator("#try-sum")).to_contain_text("40 of 40 background images")
    counts = page.evaluate("answers.filter((answer) => answer.n).map((answer) => answer.n)")
    assert counts[-4:] == [3, 10, 30, 40]


def test_strokes_are_centred_and_scaled_as_the_digits_of_mnist(page: Page) -> None:
    draw(page, (0.1, 0.1), (0.25, 0.15), (0.2, 0.35))
    ink = seen(page)[0].astype(float)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    assert abs(side - 24 * 20 / 28) <= 2, "antialiasing may touch a pixel on each side"
    assert np.abs(np.array(ndimage.center_of_mass(ink)) - 12).max() <= 0.75, (
        "MNIST's own is 14 of 28"
    )
    np.testing.assert_array_less(0, canvas(page, "#sketch")[2:8, 2:6].max())
    page.get_by_label("Centre and scale").uncheck()
    expect(page.locator("#try-sum")).to_contain_text("40 of 40")
    np.testing.assert_array_equal(canvas(page, "#seen"), canvas(page, "#sketch"))
    assert canvas(page, "#sketch")[12:].max() == 0, "and where it was drawn"


def test_a_drawing_can_be_taken_back_and_cleared(page: Page) -> None:
    draw(page, *SEVEN)
    first = seen(page)
    draw(page, (0.2, 0.5), (0.8, 0.5))
    assert (seen(page) != first).any()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#try-sum")).to_contain_text("40 of 40")
    np.testing.assert_array_equal(seen(page), first)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#try-classes")).to_be_hidden()
    assert seen(page).max() == 0
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#try-classes")).to_be_visible()
    np.testing.assert_array_equal(seen(page), first)


def test_the_eraser_takes_ink_away(page: Page) -> None:
    page.get_by_label("Centre and scale").uncheck()
    draw(page, *SEVEN)
    page.get_by_label("Erase").check()
    page.get_by_label("Brush").fill("6")
    for y in np.arange(0.05, 1, 0.08):
        draw(page, (0.02, y), (0.98, y))
    assert seen(page).max() == 0


def test_everything_can_be_done_without_a_mouse(page: Page) -> None:
    page.locator("#take").focus()
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == "sketch":
            break
    expect(page.locator("#sketch")).to_be_focused()
    expect(page.locator("#pen")).to_be_visible()
    image = page.get_by_role("heading", name="Test image").inner_text()
    page.keyboard.press("Space")
    for _ in range(5):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#try-sum")).to_contain_text("40 of 40")
    line = canvas(page, "#sketch")[..., 0]
    assert line[12:18, 12].min() > 200, "five pixels down from the middle"
    assert line[:10].max() == 0
    assert page.get_by_role("heading", name="Test image").inner_text() == image
    page.keyboard.press("Control+z")
    expect(page.locator("#hint")).to_be_visible()
    assert seen(page).max() == 0
    page.keyboard.press("Space")
    page.keyboard.press("Tab")
    expect(page.locator("#undo")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator("#wipe")).to_be_focused()
    expect(page.locator("#hint")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.locator("#hint")).to_be_visible()
    expect(page.locator("#wipe")).to_be_focused()
    assert seen(page).max() == 0


def test_an_explained_image_can_be_painted_on(page: Page) -> None:
    page.get_by_role("option", name="Test image 2,", exact=False).click()
    page.get_by_role("button", name="Paint on this image").click()
    expect(page.locator("#try-sum")).to_contain_text("40 of 40")
    image = trained("convnet").run.explanation.images[2]
    np.testing.assert_array_equal(seen(page), image)
    expect(page.get_by_label("Centre and scale")).to_be_disabled()
    draw(page, (0.1, 0.1), (0.3, 0.1))
    expect(page.locator("#try-sum")).to_contain_text("40 of 40")
    painted = seen(page)
    assert painted[0, 2, 3:7].min() == 255
    np.testing.assert_array_equal(painted[:, 6:], image[:, 6:])


def picture(mode: str) -> bytes:
    draw = np.random.default_rng(0)
    shape = (50, 75, {"L": 1, "RGB": 3, "RGBA": 4}[mode])
    pixels = ndimage.zoom(
        draw.integers(0, 256, (5, 5, shape[2])).astype(float), (10, 15, 1), order=1
    )
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8).squeeze())
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_an_image_file_becomes_what_the_pipeline_makes_of_it(
    browser: Browser, folder: Path, mode: str, color: bool
) -> None:
    content = picture(mode)
    expected = converted(decode(content), "rgb" if color else "grey", (24, 24))
    for page in made(browser, folder, trained("convnet", "logits", color)):
        file = {"name": "photo.png", "mimeType": "image/png", "buffer": content}
        page.locator("#file").set_input_files([file])
        expect(page.locator("#try-sum")).to_contain_text("40 of 40")
        difference = np.abs(canvas(page, "#seen").transpose(2, 0, 1) - expected.astype(int))
        assert difference.max() <= 1


def drop(page: Page, name: str, content: bytes) -> None:
    page.evaluate(
        """([name, bytes]) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([Uint8Array.from(bytes)], name));
          const at = { dataTransfer, bubbles: true, cancelable: true };
          document.getElementById("sketch").dispatchEvent(new DragEvent("drop", at));
        }""",
        [name, list(content)],
    )


def test_a_file_can_be_dropped_and_what_is_no_image_is_refused(page: Page) -> None:
    drop(page, "photo.png", picture("L"))
    expect(page.locator("#try-sum")).to_contain_text("40 of 40")
    before = seen(page)
    drop(page, "notes.txt", b"no image")
    expect(page.get_by_role("alert")).to_contain_text("notes.txt is not an image")
    np.testing.assert_array_equal(seen(page), before)


def test_a_page_without_a_network_says_why(browser: Browser, folder: Path) -> None:
    lenet = trained("lenet")
    vit = portable_network(untrained("vit", 1), torch.zeros(1, 1, 24, 24))
    for page in made(browser, folder, lenet._replace(run=replace(lenet.run, portable=vit))):
        expect(page.locator("#try-words")).to_contain_text(
            "The network of this run is not on this page: this page cannot compute gelu, "
        )
        expect(page.locator("#try-panel")).to_be_hidden()
        expect(page.get_by_role("button", name="Paint on this image")).to_be_hidden()


def test_a_network_that_is_too_large_is_refused_before_any_work() -> None:
    network = torch.nn.Linear(MOST_WEIGHTS, 1)
    refused = portable_network(network, torch.zeros(1, 1, 1, MOST_WEIGHTS))
    assert refused.reason == "it has 1,500,001 weights, and this page has room for 1,500,000"


def test_of_many_background_images_an_even_subset_is_taken() -> None:
    lenet = trained("lenet")
    images = np.zeros((1000, 1, 24, 24), np.uint8)
    images[:, 0, 0, 0] = np.arange(1000) // 100  # which tenth, as the groups are
    explanation = replace(lenet.run.explanation, background=images)
    content = live_panel(replace(lenet.run, explanation=explanation)).content
    taken = np.frombuffer(base64.b64decode(content["background"]), np.uint8).reshape(-1, 24 * 24)
    np.testing.assert_array_equal(np.bincount(taken[:, 0]), np.full(10, 10))
    assert content["count"] == 100
    assert "against 100 of the 1,000 background images" in content["words"]


def test_report_puts_the_network_in_its_page_without_pytorch() -> None:
    program = "import sys, stages.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_the_page_stays_small_beside_the_largest_network(folder: Path) -> None:
    run = random_run(400, 1, 28, 28, 10)
    name = "1_weight"
    linear = {"kind": "linear", "inputs": (0,), "shape": (10,), "settings": {}}
    weights = np.random.default_rng(0).normal(size=(10, 150_000)).astype(np.float32)
    operations = [{**linear, "arrays": {"weight": name}}]
    largest = PortableNetwork(operations, {name: weights})
    write_explorer(folder / "explorer.html", replace(run, portable=largest))
    assert PACKED_BYTES < (folder / "explorer.html").stat().st_size < 8_000_000
