"""The panel *Try your own*: pictures made like a user, answers compared with the engine's."""

import base64
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
from playwright.sync_api import Browser, Page, expect

from stages.artifacts.portable import PortableNetwork
from stages.attribution.portable import MAX_WEIGHTS, portable_network
from stages.explorer.document import write_explorer
from stages.explorer.live import live_panel
from stages.explorer.packing import PACKED_BYTES
from tests.conftest import ROOT
from tests.runs import random_run

from .networks import Trained, trained, untrained
from .opened import canvas, opened

pytestmark = pytest.mark.browser

# The worker's messages to the panel hold the network's exact values.
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
    """The network's input (c, h, w); grey pictures have one channel."""
    pixels = canvas(page, "#seen").transpose(2, 0, 1).astype(np.uint8)
    return pixels[:1] if (pixels == pixels[0]).all() else pixels


def answered(page: Page, number: int) -> dict[str, Any]:
    """The complete answer for a class, against all background images."""
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


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow if n == "resnet" else ()) for n in NETWORKS],
)
def test_a_drawing_is_explained_as_by_the_engine(browser: Browser, folder: Path, name: str) -> None:
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


def test_on_a_phone_the_prediction_is_in_sight_below_the_canvas(
    browser: Browser, folder: Path
) -> None:
    phone = {"viewport": {"width": 390, "height": 700}}
    for page in made(browser, folder, trained("lenet"), **phone):
        page.locator("#sketch").evaluate("sketch => sketch.scrollIntoView({ block: 'start' })")
        draw(page, *SEVEN)
        expect(page.locator("#try-verdict")).to_contain_text("predicted digit")
        expect(page.locator("#try-verdict")).to_be_in_viewport(ratio=1)


def test_a_map_of_few_background_images_comes_first(page: Page) -> None:
    draw(page, *SEVEN)
    expect(page.locator("#try-sum")).to_contain_text("40 of 40 background images")
    counts = page.evaluate("answers.filter((answer) => answer.n).map((answer) => answer.n)")
    assert counts[-4:] == [3, 10, 30, 40]


def test_probabilities_follow_the_explained_output_not_the_last_operation(
    browser: Browser, folder: Path
) -> None:
    # Recorded by the run as logits that end in softmax.
    network = trained("lenet", "probabilities")
    about = {**network.run.explanation.about, "output": "logits"}
    run = replace(network.run, explanation=replace(network.run.explanation, about=about))
    for page in made(browser, folder, network._replace(run=run)):
        draw(page, *SEVEN)
        outputs = network.network(torch.from_numpy(seen(page)[None]).float())[0].double()
        probabilities = answered(page, 3)["probabilities"]
        np.testing.assert_allclose(probabilities, outputs.softmax(0), rtol=0, atol=1e-4)


def test_a_network_that_cannot_be_loaded_is_reported_for_each_picture(
    browser: Browser, folder: Path
) -> None:
    for page in made(browser, folder, trained("lenet")):
        page.add_init_script("""
          const post = Worker.prototype.postMessage;
          Worker.prototype.postMessage = function (data) {
            const sent = data.operations ? { ...data, background: "*" } : data;
            post.call(this, sent);
          };
        """)
        page.reload()
        page.locator("#try").scroll_into_view_if_needed()
        for _ in range(2):
            expect(page.get_by_role("alert")).to_contain_text("The network stopped: ")
            expect(page.locator("#try-sum")).to_be_empty()
            draw(page, *SEVEN)


def test_a_browser_that_blocks_workers_is_reported(browser: Browser, folder: Path) -> None:
    path = folder / "explorer.html"
    write_explorer(path, trained("lenet").run)
    rules = '<meta http-equiv="Content-Security-Policy" content="worker-src \'none\'">'
    text = path.read_text(encoding="utf-8").replace("<head>", f"<head>{rules}", 1)
    path.write_text(text, encoding="utf-8")
    page = browser.new_page()  # not `opened`: the browser reports the block on the console
    page.goto(path.as_uri())
    page.locator("#try").scroll_into_view_if_needed()
    message = "The network stopped: this browser blocks the page's worker"
    expect(page.get_by_role("alert")).to_have_text(message)
    page.close()


def test_a_page_without_a_network_gives_the_reason(browser: Browser, folder: Path) -> None:
    lenet = trained("lenet")
    vit = portable_network(untrained("vit", 1), torch.zeros(1, 1, 24, 24))
    for page in made(browser, folder, lenet._replace(run=replace(lenet.run, portable=vit))):
        expect(page.locator("#try-words")).to_contain_text(
            "The network of this run is not on this page: this page cannot compute gelu, "
        )
        expect(page.locator("#try-panel")).to_be_hidden()
        expect(page.get_by_role("button", name="Paint on this image")).to_be_hidden()


def test_a_network_that_is_too_large_is_refused() -> None:
    network = torch.nn.Linear(MAX_WEIGHTS, 1)
    refused = portable_network(network, torch.zeros(1, 1, 1, MAX_WEIGHTS))
    assert refused.reason == "it has 1,500,001 weights, and this page has room for 1,500,000"


def test_an_even_subset_of_many_background_images_is_taken() -> None:
    lenet = trained("lenet")
    images = np.zeros((1000, 1, 24, 24), np.uint8)
    images[:, 0, 0, 0] = np.arange(1000) // 100  # the group, a tenth of the images
    explanation = replace(lenet.run.explanation, background=images)
    content = live_panel(replace(lenet.run, explanation=explanation)).content
    taken = np.frombuffer(base64.b64decode(content["background"]), np.uint8).reshape(-1, 24 * 24)
    np.testing.assert_array_equal(np.bincount(taken[:, 0]), np.full(10, 10))
    assert content["count"] == 100
    assert "against 100 of the 1,000 background images" in content["words"]


def test_report_does_not_import_pytorch() -> None:
    program = "import sys, stages.report; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0


def test_the_page_stays_small_with_the_largest_network(folder: Path) -> None:
    run = random_run(400, 1, 28, 28, 10)
    name = "1_weight"
    linear = {"kind": "linear", "inputs": (0,), "shape": (10,), "settings": {}}
    weights = np.random.default_rng(0).normal(size=(10, 150_000)).astype(np.float32)
    operations = [{**linear, "arrays": {"weight": name}}]
    largest = PortableNetwork(operations, {name: weights})
    write_explorer(folder / "explorer.html", replace(run, portable=largest))
    assert PACKED_BYTES < (folder / "explorer.html").stat().st_size < 8_000_000
