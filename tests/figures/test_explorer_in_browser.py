"""The explorer as people use it: each test acts in a real Chromium and looks at what appears."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from playwright.sync_api import Browser, Page, expect

from stages.figures.explorer import write_explorer

from .runs import Run, random_run

pytestmark = pytest.mark.browser

NAMES = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    *(f"digit {number}" for number in range(2, 10)),
]


@pytest.fixture(scope="module")
def run(digits: Run) -> Run:
    return digits.named(NAMES)


@pytest.fixture(scope="module")
def page_file(
    tmp_path_factory: pytest.TempPathFactory,
    run: Run,
    params: dict[str, Any],
    metrics: dict[str, Any],
) -> Path:
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    write(path, run, params, metrics)
    return path


def write(path: Path, run: Run, params: dict[str, Any], metrics: dict[str, Any]) -> None:
    write_explorer(
        path,
        run.explanation,
        run.summary,
        run.scale,
        run.test_labels,
        run.test_probabilities,
        params,
        metrics,
    )


@pytest.fixture
def page(browser: Browser, page_file: Path) -> Iterator[Page]:
    """The page, open; afterwards nothing was requested, nothing said on the console."""
    yield from opened(browser, page_file)


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
            if request.url.startswith("data:") or request.url == path.as_uri()
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
    return [int(index) for index in run.explanation.indices[chosen]]


def canvas(page: Page, selector: str) -> np.ndarray[Any, Any]:
    """Colours (h, w, 3) drawn on a canvas."""
    url = page.locator(selector).evaluate("(canvas) => canvas.toDataURL()")
    pixels = imread(io.BytesIO(base64.b64decode(url.partition(",")[2])))
    return np.rint(pixels[..., :3] * 255).astype(np.int64)


def shown(page: Page) -> int:
    return int(page.get_by_role("heading", name="Test image").inner_text().split()[-1])


def decimal(text: str) -> float:
    return float(text.replace("\N{MINUS SIGN}", "-"))


def go_to(page: Page, index: int) -> None:
    page.get_by_role("option", name=f"Test image {index},", exact=False).click()


def test_the_gallery_lists_every_explained_image(page: Page, run: Run) -> None:
    n = len(run.explanation.labels)
    assert cards(page) == [int(index) for index in run.explanation.indices]
    expect(page.locator("#count")).to_have_text(f"{n} of {n} images")
    expect(page.locator("#held")).to_have_text(f"All {n} explained images.")


def test_filter_by_true_class(page: Page, run: Run) -> None:
    page.get_by_role("combobox", name="True class").select_option("digit 3")
    assert cards(page) == numbers(run, run.explanation.labels == 3)


def test_filter_by_predicted_class(page: Page, run: Run) -> None:
    page.get_by_role("combobox", name="Predicted class").select_option("digit 8")
    assert cards(page) == numbers(run, run.explanation.predictions == 8)


def test_filter_by_right_and_wrong(page: Page, run: Run) -> None:
    wrong = run.explanation.predictions != run.explanation.labels
    page.get_by_role("combobox", name="Prediction", exact=True).select_option("wrong")
    assert cards(page) == numbers(run, wrong)
    page.get_by_role("combobox", name="Prediction", exact=True).select_option("right")
    assert cards(page) == numbers(run, ~wrong)
    page.get_by_role("button", name="Show all").click()
    assert len(cards(page)) == len(wrong)


def test_search_by_index(page: Page, run: Run) -> None:
    page.get_by_label("Test image number").fill("11")
    assert cards(page) == [int(i) for i in run.explanation.indices if str(i).startswith("11")]
    page.get_by_label("Test image number").fill("999999")
    expect(page.locator("#count")).to_contain_text("None of")


def test_sort_by_confidence(page: Page, run: Run) -> None:
    confidence = run.explanation.probabilities.max(axis=1)
    page.get_by_role("combobox", name="Sorted by").select_option("confidence, highest first")
    assert cards(page) == numbers(run, np.argsort(-confidence, kind="stable"))
    page.get_by_role("combobox", name="Sorted by").select_option("confidence, lowest first")
    assert cards(page) == numbers(run, np.argsort(confidence, kind="stable"))


def test_sort_by_surprise(page: Page, run: Run) -> None:
    chances = run.explanation.probabilities[
        np.arange(len(run.explanation.labels)), run.explanation.labels
    ]
    page.get_by_role("combobox", name="Sorted by").select_option("surprise, highest first")
    order = np.argsort(chances, kind="stable")
    assert cards(page) == numbers(run, order)
    assert shown(page) == run.explanation.indices[order[0]]


def test_a_cell_of_the_confusion_matrix_lists_its_images(page: Page, run: Run) -> None:
    predictions = run.test_probabilities.argmax(axis=1)
    own = run.explanation.predictions
    wrong = np.flatnonzero(own != run.explanation.labels)[0]
    true, predicted = run.explanation.labels[wrong], own[wrong]
    count = int(((run.test_labels == true) & (predictions == predicted)).sum())
    chosen = (run.explanation.labels == true) & (own == predicted)
    name = (
        f"true {NAMES[true]}, predicted {NAMES[predicted]}: {count} test images, {chosen.sum()} on"
    )
    cell = page.get_by_role("button", name=name)
    expect(cell).to_have_text(str(count))
    cell.click()
    assert cards(page) == numbers(run, chosen)
    expect(cell).to_have_attribute("aria-pressed", "true")
    cell.click()
    assert len(cards(page)) == len(own)


def test_the_confusion_matrix_counts_the_whole_test_split(page: Page, run: Run) -> None:
    cells = page.locator("#matrix td").all_inner_texts()
    predictions = run.test_probabilities.argmax(axis=1)
    counts = np.zeros((10, 10), int)
    np.add.at(counts, (run.test_labels, predictions), 1)
    assert [int(cell) for cell in cells] == counts.ravel().tolist()


def test_one_image_is_shown_with_every_probability_and_sum(page: Page, run: Run) -> None:
    explanation = run.explanation
    image = int(np.flatnonzero(explanation.predictions != explanation.labels)[0])
    go_to(page, explanation.indices[image])
    expect(page.locator("#verdict")).to_contain_text(NAMES[explanation.labels[image]])
    expect(page.locator("#verdict")).to_contain_text(
        f"✗ predicted {NAMES[explanation.predictions[image]]}"
    )
    rows = page.locator("#classes tbody tr")
    expect(rows).to_have_count(10)
    for number in range(10):
        chance, sums = (rows.nth(number).locator("td").nth(column) for column in (0, 1))
        expect(chance).to_have_text(f"{explanation.probabilities[image, number]:.3f}")
        base, output = explanation.base_values[number], explanation.outputs[image, number]
        parts = re.findall(r"[\d.]+", sums.inner_text())
        exact = (base, explanation.sums[image, number], output)
        for part, value in zip(parts, exact, strict=True):
            assert float(part) == pytest.approx(abs(value), abs=0.006)
        bar = chance.locator(".chance").bounding_box()
        track = chance.locator(".track").bounding_box()
        assert bar
        assert track
        share = explanation.probabilities[image, number]
        assert bar["width"] / track["width"] == pytest.approx(share, abs=0.02)
    np.testing.assert_array_equal(
        canvas(page, "#original"), explanation.images[image, 0][..., None].repeat(3, axis=2)
    )


def test_the_bar_of_a_class_reaches_from_its_base_value_to_its_output(page: Page, run: Run) -> None:
    explanation = run.explanation
    image = 5
    go_to(page, explanation.indices[image])
    row = page.locator("#classes tbody tr").nth(int(explanation.predictions[image]))
    bar, tick, track = (
        row.locator("td").nth(1).locator(part).bounding_box()
        for part in (".warm", ".tick", ".track")
    )
    assert bar
    assert tick
    assert track
    ends = np.append(explanation.base_values, explanation.sums + explanation.base_values)
    share = explanation.sums[image].max() / np.ptp(ends)
    assert bar["width"] / track["width"] == pytest.approx(share, abs=0.02)
    assert bar["x"] == pytest.approx(tick["x"] + tick["width"] / 2, abs=1)


def test_the_map_has_the_colors_of_its_values(page: Page, run: Run) -> None:
    go_to(page, run.explanation.indices[7])
    page.get_by_label("Opacity of the map").fill("100")
    page.get_by_role("combobox", name="Map of", exact=True).select_option("digit 4")
    values = run.explanation.values[7, 0, ..., 4].astype(np.float64)
    exact = run.scale.paint(values).astype(int)
    assert np.abs(canvas(page, "#map") - exact).max() <= 4  # half a step where rounding differs


def test_a_contrast_is_the_difference_of_two_classes(page: Page, run: Run) -> None:
    go_to(page, run.explanation.indices[7])
    page.get_by_label("Opacity of the map").fill("100")
    page.get_by_role("combobox", name="Map of", exact=True).select_option("digit 4")
    page.get_by_role("combobox", name="minus the map of").select_option("digit 9")
    values = run.explanation.values[7, 0].astype(np.float64)
    exact = run.scale.paint(values[..., 4] - values[..., 9]).astype(int)
    assert np.abs(canvas(page, "#map") - exact).max() <= 4
    expect(page.locator("#pixel")).to_contain_text("digit 4 \N{MINUS SIGN} digit 9")


def test_predicted_against_true_follows_from_image_to_image(page: Page, run: Run) -> None:
    explanation = run.explanation
    page.get_by_role("combobox", name="Prediction", exact=True).select_option("wrong")
    page.get_by_role("combobox", name="minus the map of").select_option("the true class")
    for image in np.flatnonzero(explanation.predictions != explanation.labels)[:3]:
        a, b = NAMES[explanation.predictions[image]], NAMES[explanation.labels[image]]
        expect(page.locator("#pixel")).to_contain_text(f"{a} \N{MINUS SIGN} {b}")
        page.keyboard.press("ArrowRight")


def test_the_opacity_slider_goes_from_the_image_to_the_map(page: Page, run: Run) -> None:
    go_to(page, run.explanation.indices[3])
    page.get_by_label("Opacity of the map").fill("0")
    image = run.explanation.images[3, 0][..., None].repeat(3, axis=2).astype(int)
    np.testing.assert_array_equal(canvas(page, "#map"), image)
    page.get_by_label("Opacity of the map").fill("100")
    opaque = canvas(page, "#map")
    page.get_by_label("Opacity of the map").fill("50")
    assert np.abs(canvas(page, "#map") - (image + opaque) / 2).max() <= 1


def test_pointing_at_a_pixel_shows_its_value_for_every_class(page: Page, run: Run) -> None:
    go_to(page, run.explanation.indices[3])
    box = page.locator("#map").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 5.5 / 8, box["y"] + box["height"] * 2.5 / 8)
    brightness = run.explanation.images[3, 0, 2, 5]
    expect(page.locator("#pixel")).to_contain_text(f"Row 3, column 6 (brightness {brightness})")
    texts = page.locator("#classes .value").all_inner_texts()
    values = [decimal(text) for text in texts]
    np.testing.assert_allclose(values, run.explanation.values[3, 0, 2, 5], atol=1e-3)
    page.mouse.move(5, 5)
    expect(page.locator("#classes .value").first).to_have_text("")


def test_pixels_can_be_read_with_the_keyboard(page: Page, run: Run) -> None:
    first = shown(page)
    page.locator("#map").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#pixel")).to_contain_text("Row 5, column 5")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#pixel")).to_contain_text("Row 3, column 4")
    value = decimal(page.locator("#classes .value").nth(6).inner_text())
    assert value == pytest.approx(run.explanation.values[0, 0, 2, 3, 6], abs=1e-3)
    for _ in range(9):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#pixel")).to_contain_text("Row 3, column 1 ")
    page.keyboard.press("Escape")
    expect(page.locator("#pixel")).to_contain_text("Point at a pixel")
    assert shown(page) == first


def test_arrows_move_between_images(page: Page, run: Run) -> None:
    indices = run.explanation.indices
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert shown(page) == indices[2]
    page.keyboard.press("ArrowLeft")
    assert shown(page) == indices[1]
    page.get_by_role("button", name="Previous image").click()
    page.keyboard.press("ArrowLeft")
    assert shown(page) == indices[0], "the first stays the first"
    page.get_by_role("button", name="Next image").click()
    assert shown(page) == indices[1]


def test_arrows_in_the_gallery_carry_the_focus_along(page: Page, run: Run) -> None:
    go_to(page, run.explanation.indices[0])
    page.locator("#gallery [aria-selected=true]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    focused = page.evaluate("document.activeElement.ariaLabel")
    assert f"Test image {shown(page)}," in focused
    assert shown(page) not in run.explanation.indices[:3]
    assert page.locator("#gallery [aria-selected=true]").count() == 1
    assert page.locator("#gallery [tabindex='0']").count() == 1


def test_digits_choose_the_class(page: Page) -> None:
    page.keyboard.press("7")
    expect(page.get_by_role("button", name="digit 7 7")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#pixel")).to_contain_text("Map of digit 7")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#pixel")).to_contain_text("Map of digit 7")
    page.get_by_role("button", name="digit 2 2").click()
    expect(page.get_by_role("combobox", name="Map of", exact=True)).to_have_value("2")


def test_keys_typed_into_a_control_stay_in_it(page: Page, run: Run) -> None:
    first = shown(page)
    page.get_by_label("Test image number").press("ArrowRight")
    page.get_by_label("Opacity of the map").press("ArrowLeft")
    page.get_by_label("Opacity of the map").press("5")
    assert shown(page) == first
    expect(page.get_by_label("Opacity of the map")).to_have_value("89")
    expect(page.get_by_role("combobox", name="Map of", exact=True)).to_have_value("predicted")


def test_the_page_says_what_the_run_was(page: Page) -> None:
    expect(page).to_have_title(re.compile("digits, linear"))
    facts = page.locator("#facts")
    for words in (
        "data set digits",
        "network linear",
        "method linear",
        "100 training images, random draw",
        "train.learning_rate 0.001",
        "train.note <b>bold</b>",
        "evaluate.accuracy 0.912346",
        "numpy 2",
    ):
        expect(facts).to_contain_text(re.compile(re.escape(words).replace(r"\ ", r"\s*")))
    expect(page.locator("#map-words")).to_contain_text("in logits per pixel")
    expect(page.locator("#exactness")).to_contain_text("logits per pixel off")


def test_names_that_look_like_markup_are_shown_as_text(page: Page) -> None:
    for name in NAMES[:2]:
        expect(page.locator("#classes").get_by_text(name)).to_be_visible()
        expect(page.locator("#matrix").get_by_text(name).first).to_be_visible()
    assert page.locator("img").count() == 0
    assert page.locator("#classes script, #matrix script").count() == 0


def test_nothing_can_be_fetched_even_by_a_script_on_the_page(
    browser: Browser, page_file: Path
) -> None:
    page = browser.new_page()
    page.goto(page_file.as_uri())
    blocked = page.evaluate(
        "fetch('https://example.com').then(() => 'sent', (error) => error.message)"
    )
    assert "fetch" in blocked.lower()
    page.close()


LOOKS = [(width, scheme) for width in (1280, 400) for scheme in ("light", "dark")]


@pytest.fixture(params=LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
def look(request: pytest.FixtureRequest, browser: Browser, page_file: Path) -> Iterator[Page]:
    width, scheme = request.param
    yield from opened(
        browser, page_file, viewport={"width": width, "height": 800}, color_scheme=scheme
    )


def test_nothing_is_wider_than_the_window(look: Page) -> None:
    assert look.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    outside = look.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((e) =>
          !e.closest(".scroll") && e.getBoundingClientRect().right > window.innerWidth + 0.5
        ).map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert outside == []


CONTRASTS = """() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  function rgba(css) {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = css;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  }
  const over = (top, below) => top.slice(0, 3).map((v, i) => v * top[3] + below[i] * (1 - top[3]));
  function ground(element) {
    if (!element) return [255, 255, 255];
    return over(rgba(getComputedStyle(element).backgroundColor), ground(element.parentElement));
  }
  function luminance(color) {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = color.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }
  const found = {};
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!(own || element.matches("select, input")) || !element.checkVisibility()) continue;
    const below = ground(element);
    const text = over(rgba(getComputedStyle(element).color), below);
    const [a, b] = [luminance(text), luminance(below)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const name = `${element.tagName} ${element.className} ${element.textContent.slice(0, 30)}`;
    if (contrast < 4.5) found[name] = contrast;
  }
  return found;
}"""


def test_every_text_stands_out_from_its_ground(look: Page) -> None:
    look.keyboard.press("3")
    assert look.evaluate(CONTRASTS) == {}


def test_everything_is_reached_by_the_tab_key_and_shows_that_it_is(page: Page) -> None:
    seen: list[str] = []
    for _ in range(200):
        page.keyboard.press("Tab")
        focus = page.evaluate(
            """() => {
              const e = document.activeElement;
              const { outlineStyle, outlineWidth } = getComputedStyle(e);
              return [e.id || e.ariaLabel || e.textContent, outlineStyle, parseFloat(outlineWidth)];
            }"""
        )
        if focus[0] in seen or page.evaluate("document.activeElement === document.body"):
            break
        seen.append(focus[0])
        assert focus[1] != "none", focus
        assert focus[2] >= 2, focus
    for control in ("true", "predicted", "outcome", "order", "search", "clear", "map", "for"):
        assert control in seen
    assert "against" in seen
    assert "opacity" in seen
    assert any(name.startswith("Test image") for name in seen)
    assert any(name.startswith("true ") and "on this page" in name for name in seen)


def test_every_control_has_a_name_for_a_screen_reader(page: Page) -> None:
    tree = page.locator("body").aria_snapshot()
    controls = re.findall(
        r"- (button|combobox|slider|searchbox|listbox|application|option)\b(.*)", tree
    )
    assert len(controls) > 30
    assert [control for control in controls if '"' not in control[1]] == []


def test_many_classes_and_colors_are_shown(
    browser: Browser, folder: Path, params: dict[str, Any], metrics: dict[str, Any]
) -> None:
    run = random_run(12, 3, 16, 24, 200)
    write(folder / "many.html", run, params, metrics)
    for page in opened(browser, folder / "many.html"):
        expect(page.locator("#classes tbody tr")).to_have_count(10)
        expect(page.locator("#sum-note")).to_contain_text("10 of 200 classes")
        expect(page.locator("#confusion-note")).to_contain_text("The 20 of 200 classes")
        image = run.explanation.images[0].transpose(1, 2, 0)
        np.testing.assert_array_equal(canvas(page, "#original"), image)
        page.keyboard.press("4")
        ranked = np.argsort(-run.explanation.probabilities[0], kind="stable")
        expect(page.locator("#pixel")).to_contain_text(f"Map of class number {ranked[4]}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
