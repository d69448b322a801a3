"""Pictures made in the panel *Try your own*, like a user."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from scipy import ndimage

from stages.datasets.base.decode import decode
from stages.preparation.arrays import converted

from .networks import trained
from .opened import canvas
from .test_live import SEVEN, draw, made, seen

pytestmark = pytest.mark.browser


@pytest.fixture
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    yield from made(browser, folder, trained("convnet"))


def test_strokes_are_centred_and_scaled_like_mnist_digits(page: Page) -> None:
    draw(page, (0.1, 0.1), (0.25, 0.15), (0.2, 0.35))
    ink = seen(page)[0].astype(float)
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    assert abs(side - 24 * 20 / 28) <= 2, "antialiasing may touch a pixel on each side"
    assert np.abs(np.array(ndimage.center_of_mass(ink)) - 12).max() <= 0.75, (
        "MNIST's middle is 14 of 28"
    )
    np.testing.assert_array_less(0, canvas(page, "#sketch")[2:8, 2:6].max())
    page.get_by_label("Centre and scale").uncheck()
    expect(page.locator("#try-sum")).to_contain_text("40 of 40")
    np.testing.assert_array_equal(canvas(page, "#seen"), canvas(page, "#sketch"))
    assert canvas(page, "#sketch")[12:].max() == 0, "and where it was drawn"


def test_a_drawing_can_be_undone_and_cleared(page: Page) -> None:
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


@pytest.mark.parametrize("centre", [False, True])
def test_the_eraser_removes_ink(page: Page, centre: bool) -> None:
    page.get_by_label("Centre and scale").set_checked(centre)
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
def test_an_image_file_is_converted_as_by_the_pipeline(
    browser: Browser, folder: Path, mode: str, color: bool
) -> None:
    content = picture(mode)
    expected = converted(decode(content).pixels, "rgb" if color else "grey", (24, 24))
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


def test_a_stroke_ends_when_it_is_undone_or_covered(page: Page) -> None:
    def stroke_during(interrupt: Callable[[], None]) -> NDArray[np.uint8]:
        box = page.locator("#sketch").bounding_box()
        assert box is not None
        x, y, side = box["x"], box["y"], box["width"]
        page.mouse.move(x + 0.2 * side, y + 0.9 * side)
        page.mouse.down()
        page.mouse.move(x + 0.4 * side, y + 0.9 * side)
        interrupt()
        page.mouse.move(x + 0.9 * side, y + 0.1 * side, steps=5)
        page.mouse.up()
        page.evaluate("new Promise(requestAnimationFrame)")
        return seen(page)

    def undo() -> None:
        page.keyboard.press("Control+z")

    def cover() -> None:
        drop(page, "photo.png", picture("L"))
        expect(page.get_by_label("Centre and scale")).to_be_disabled()

    assert stroke_during(undo).max() == 0
    draw(page, *SEVEN)
    first = seen(page)
    np.testing.assert_array_equal(stroke_during(undo), first)
    covered = converted(decode(picture("L")).pixels, "grey", (24, 24))
    difference = stroke_during(cover).astype(int) - covered.astype(int)
    assert np.abs(difference).max() <= 1


def test_an_image_can_be_dropped_and_other_files_are_refused(page: Page) -> None:
    drop(page, "photo.png", picture("L"))
    expect(page.locator("#try-sum")).to_contain_text("40 of 40")
    before = seen(page)
    drop(page, "notes.txt", b"no image")
    expect(page.get_by_role("alert")).to_contain_text("notes.txt: not an image")
    np.testing.assert_array_equal(seen(page), before)


def test_an_image_with_too_many_pixels_is_refused_with_its_size(page: Page) -> None:
    file = io.BytesIO()
    Image.new("1", (10_000, 5_000)).save(file, "PNG")
    drop(page, "scan.png", file.getvalue())
    expect(page.get_by_role("alert")).to_have_text(
        "scan.png: 10000 × 5000 pixels, and this page reads up to 40 million; "
        "choose a smaller image.",
        timeout=20_000,
    )
    draw(page, *SEVEN)
    expect(page.locator("#try-error")).to_be_empty()
