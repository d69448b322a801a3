"""The page lifts handwriting from photographs and warns as `make explain` does."""

import base64
import io
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

from stages.artifacts.splits import Split
from stages.explorer.strokes import FLAT, PAPER_AT_EDGE, StrokeStyle
from stages.measures.predictions.base.features import features_of, measure_features
from tests.digits import embedded, labels_of
from tests.photographs import SCENES, grey, ten_photographs
from tools.lifting import lifted, looks_like_training
from tools.own_pictures import Picture, warning_of

from .networks import Trained, trained
from .opened import Evaluate, canvas
from .test_live import made, seen

pytestmark = pytest.mark.browser

CPU = torch.device("cpu")

LIFT = """({ lifted, looksLikeTraining }, [bytes, width, height, style, size]) => {
  const values = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
  const plane = { values, width, height };
  const strokes = lifted(plane, style, size);
  return { strokes: strokes && [...strokes], alike: looksLikeTraining(plane, style, size) };
}"""


@pytest.fixture(scope="module")
def digits() -> NDArray[np.uint8]:
    return embedded("mnist/train", 600)


@pytest.fixture(scope="module")
def style(digits: NDArray[np.uint8]) -> StrokeStyle:
    found = StrokeStyle.of(digits)
    assert found is not None
    return found


def lifted_in_browser(
    js: Evaluate, image: NDArray[np.uint8], style: StrokeStyle
) -> tuple[NDArray[np.uint8] | None, bool]:
    content = {**style._asdict(), "flat": FLAT, "paperAtEdge": PAPER_AT_EDGE}
    height, width = image.shape
    text = base64.b64encode(image.tobytes()).decode()
    found: dict[str, Any] = js("lifting.js", LIFT, [text, width, height, content, [28, 28]])
    strokes = found["strokes"]
    return (None if strokes is None else np.reshape(strokes, (28, 28)), found["alike"])


def pictures(digits: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    yield from map(grey, ten_photographs(digits[:10, 0]))
    yield digits[0, 0]
    yield 255 - digits[1, 0]
    yield np.asarray(Image.fromarray(digits[2, 0]).resize((301, 250)))
    thin = np.full((400, 300), 240, np.uint8)
    thin[100:300, 100:102] = 30
    yield thin
    yield np.full((90, 90), 200, np.uint8)
    rng = np.random.default_rng(0)
    for shape in ((1, 1), (1, 700), (9, 8), (500, 3)):
        yield rng.integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("dark", [False, True])
def test_the_page_and_the_command_lift_the_same_pixels(
    js: Evaluate, digits: NDArray[np.uint8], style: StrokeStyle, dark: bool
) -> None:
    if dark:
        style = style._replace(paper=240, ink=20, by_mass=False)
    n_lifted = 0
    for image in pictures(digits):
        expected = lifted(image, style, (28, 28))
        strokes, alike = lifted_in_browser(js, image, style)
        assert alike == looks_like_training(image, style, (28, 28))
        assert (strokes is None) == (expected is None), image.shape
        if expected is not None and strokes is not None:
            assert np.abs(strokes.astype(int) - expected).max() <= 1
            n_lifted += 1
    assert n_lifted > len(SCENES)


@pytest.fixture(scope="module")
def mnist(digits: NDArray[np.uint8]) -> Trained:
    """A run of MNIST's digits at 24 by 24 pixels, with features of training images."""
    network = trained("convnet")
    cut = digits[:, :, 2:-2, 2:-2]
    split = Split(cut, np.zeros(len(cut), np.int64))
    features = measure_features(network.network, cut, cut, CPU)
    return network._replace(run=replace(network.run, training=split, features=features))


@pytest.fixture
def page(browser: Browser, folder: Path, mnist: Trained) -> Iterator[Page]:
    yield from made(browser, folder, mnist)


def choose(page: Page, image: NDArray[np.uint8], name: str = "photo.png") -> None:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    content = {"name": name, "mimeType": "image/png", "buffer": file.getvalue()}
    # What the page says of the picture before must not pass for its answer to this one.
    page.locator("#try-sum").evaluate("(node) => { node.textContent = ''; }")
    page.locator("#file").set_input_files([content])


def test_a_photograph_is_lifted_beside_what_the_network_sees(
    page: Page, digits: NDArray[np.uint8], mnist: Trained
) -> None:
    style = StrokeStyle.of(mnist.run.training.images)
    assert style is not None
    photo = next(ten_photographs(digits[:10, 0]))
    expect(page.locator("#photo")).to_be_hidden()
    choose(page, photo)
    expect(page.locator("#photo")).to_be_visible()
    expect(page.locator("#try-sum")).to_contain_text("40 of 40")
    shown = canvas(page, "#photo")
    assert shown.shape == (300, 225, 3)
    np.testing.assert_allclose(shown.mean(axis=(0, 1)), photo.mean(axis=(0, 1)), atol=2)
    expected = lifted(grey(photo), style, (24, 24))
    assert expected is not None
    assert np.abs(seen(page)[0].astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(canvas(page, "#sketch"), canvas(page, "#seen"))

    page.get_by_label("Place strokes").uncheck()
    resized = Image.fromarray(grey(photo)).resize((24, 24), Image.Resampling.BILINEAR)
    assert np.abs(seen(page)[0].astype(int) - np.asarray(resized)).max() <= 1
    page.get_by_label("Place strokes").check()
    assert np.abs(seen(page)[0].astype(int) - expected).max() <= 1
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#photo")).to_be_hidden()


def test_a_sheet_without_strokes_is_only_resized(page: Page) -> None:
    choose(page, np.tile(np.linspace(250, 150, 300).astype(np.uint8), (300, 1)))
    expect(page.locator("#lift-note")).to_have_text(
        "No strokes stand out from the paper: only resized."
    )
    expect(page.get_by_label("Place strokes")).to_be_disabled()


def command_warning(trained: Trained, pixels: NDArray[np.uint8]) -> str:
    """The warning of `make explain`, without its advice."""
    features = trained.run.features
    assert features is not None
    pair = features_of(trained.network, np.stack([pixels, 255 - pixels]), CPU)
    distance, negative = features.distances(pair).tolist()
    picture = Picture("own", pixels, np.zeros((1, 1, 3), np.uint8))
    warning = warning_of(picture, (distance, negative), features, inverted=False)
    return warning.replace("; run python -m tools.explain with --invert", "")


def test_the_page_warns_as_the_command_does(
    page: Page, digits: NDArray[np.uint8], mnist: Trained
) -> None:
    rng = np.random.default_rng(0)
    digit = digits[7, 0, 2:-2, 2:-2]
    kinds = set()
    page.get_by_label("Place strokes").uncheck()
    for image in (
        digit,
        255 - digit,
        rng.integers(0, 256, (24, 24), np.uint8),
        np.full((24, 24), 9, np.uint8),
    ):
        choose(page, image)
        expect(page.locator("#try-sum")).to_contain_text("40 of 40")
        np.testing.assert_array_equal(seen(page)[0], image)
        warning = command_warning(mnist, image[None])
        kinds.add(" ".join(warning.split()[:3]))
        shown = page.locator("#try-warning").inner_text()
        if warning:
            assert shown.replace("; swap dark and light", "") == f"This picture {warning}."
        else:
            assert shown == ""
    assert kinds == {"", "looks like a", "looks unlike the", "is empty: all"}


def test_a_photographed_seven_that_is_only_resized_gets_the_warning_of_the_command(
    page: Page, digits: NDArray[np.uint8], mnist: Trained
) -> None:
    sevens = digits[labels_of("mnist/train", len(digits)) == 7, 0]
    choose(page, next(ten_photographs(sevens[:10])))
    for lifted_from_paper in (True, False):
        page.get_by_label("Place strokes").set_checked(lifted_from_paper)
        expect(page.locator("#try-sum")).to_contain_text("40 of 40")
        warning = command_warning(mnist, seen(page))
        shown = f"This picture {warning}." if warning else ""
        expect(page.locator("#try-warning")).to_have_text(shown)
    assert warning.startswith("looks unlike the training images")
