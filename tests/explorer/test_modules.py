"""The explorer's JavaScript modules, each imported on a blank page."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page

from stages.explorer.document import PAGE
from stages.webpage.offline import import_map

pytestmark = pytest.mark.browser

MODULES = sorted(PAGE.glob("*.js"))
STARTS = ("explorer.js", "live_worker.js")

Evaluate = Callable[..., Any]


@pytest.fixture(scope="module")
def blank(browser: Browser) -> Iterator[Page]:
    """A blank page that can import the modules by their file names."""
    page = browser.new_page()
    page.set_content(f'<script type="importmap">{import_map(MODULES)}</script>')
    yield page
    page.close()


@pytest.fixture
def js(blank: Page) -> Evaluate:
    """Calls a function of a module's exports and an argument in the browser."""

    def evaluate(module: str, function: str, argument: Any = None) -> Any:
        return blank.evaluate(
            f"async (argument) => ({function})(await import('{module}'), argument)", argument
        )

    return evaluate


# Records whatever a module could do to a page or get from it when it is imported.
SPY = """
window.effects = [];
const spy = (owner, name) => {
  const original = owner[name];
  owner[name] = function (...args) {
    effects.push(`${name}(${args[0]})`);
    return original.apply(this, args);
  };
};
for (const name of ["getElementById", "querySelector", "querySelectorAll", "createElement"]) {
  spy(Document.prototype, name);
}
spy(EventTarget.prototype, "addEventListener");
for (const name of ["setTimeout", "requestAnimationFrame", "postMessage", "Worker", "Blob", "MessageChannel"]) {
  spy(window, name);
}
"""


@pytest.mark.parametrize("module", [path.name for path in MODULES if path.name not in STARTS])
def test_importing_a_module_has_no_effect_on_the_page(browser: Browser, module: str) -> None:
    page = browser.new_page()
    page.set_content(f'<script type="importmap">{import_map(MODULES)}</script>')
    page.evaluate(SPY)
    page.evaluate(f"import('{module}')")
    assert page.evaluate("effects") == []
    page.close()


RUN = {
    "classNames": ["cat", " ", "dog"],
    "names": ["a.png", "b&c.png"],
    "titles": ["a.png", "b&c.png"],
    "grain": 2,
    "limits": {"1": 0.5, "2": 1, "4": 2},
    "size": {"n": 2, "c": 1, "h": 1, "w": 2, "m": 2, "k": 3},
    "cells": [[0, 0, 3], [0, 1, 1]],
    "fade": {"share": 0.2},
}
PACKED = {
    "colors": np.zeros(9, np.uint8),
    "errors": np.zeros(0, np.uint8),
    "labels": np.array([0, 1], np.int32),
    "shown": np.array([[0, 2], [2, 0]], np.int32),
    "probabilities": np.array([[0.7, 0.1, 0.2], [0.2, 0.5, 0.3]], np.float32),
    "baseValues": np.array([1, 2, 3], np.float32),
    "sums": np.array([[4, -5], [6, 7]], np.float32),
    "maps": np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], np.int16),
    "steps": np.array([[1, 2], [0.5, 1]], np.float32),
}


@pytest.fixture
def content() -> dict[str, Any]:
    """A page's content: two images of 1 by 2 pixels, each with maps of two of three classes."""
    arrays = {
        name: {"type": array.dtype.name, "base64": base64_text(array.tobytes())}
        for name, array in PACKED.items()
    }
    return {**RUN, "arrays": arrays}


def test_a_run_is_read_from_the_page_s_content(js: Evaluate, content: dict[str, Any]) -> None:
    first, second, names, maps, outputs = js(
        "run.js",
        """({ Run }, content) => {
          const run = new Run(content);
          const [first, second] = run.images;
          const maps = [run.map(first, 2), run.map(second, 2)].map((map) => [...map]);
          return [first, second, run.classNames, maps, [run.output(first, 2), run.output(second, 0)]];
        }""",
        content,
    )
    assert (first["predicted"], first["right"], first["mapClasses"]) == (0, True, [0, 2])
    assert (second["predicted"], second["right"], second["mapClasses"]) == (1, True, [2, 0])
    assert second["surprise"] == pytest.approx(-np.log(0.5))
    assert names == ["cat", "class 1", "dog"]
    assert maps == [[6, 8], [2.5, 3]]
    assert outputs == [3 - 5, 1 + 7]


ADDRESSES = {
    "": ("a.png", "predicted", "nothing", 2, None),
    "#image=b%26c.png": ("b&c.png", "predicted", "nothing", 2, None),
    "#image=a.png&class=2&minus=true&grain=4": ("a.png", "2", "true", 4, None),
    "#image=lost.png&class=1": ("a.png", "1", "nothing", 2, "lost.png"),
    "#class=3&minus=predicted&grain=3": ("a.png", "predicted", "nothing", 2, None),
    "#class=toString&grain=__proto__": ("a.png", "predicted", "nothing", 2, None),
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_parsed_into_a_view(
    js: Evaluate, content: dict[str, Any], address: str
) -> None:
    view = js(
        "address.js",
        """async ({ parseAddress }, [hash, content]) => {
          const { Run } = await import("run.js");
          const view = parseAddress(hash, new Run(content));
          return [view.image.name, view.for, view.against, view.grain, view.missing];
        }""",
        [address, content],
    )
    assert tuple(view) == ADDRESSES[address]


@pytest.mark.parametrize(
    "address", ["#image=b%26c.png", "#image=a.png&class=2&minus=true&grain=4", "#image=a.png&minus=1"]
)
def test_an_address_is_the_one_of_its_own_view(
    js: Evaluate, content: dict[str, Any], address: str
) -> None:
    written = js(
        "address.js",
        """async ({ addressOf, parseAddress }, [hash, content]) => {
          const { Run } = await import("run.js");
          const { Selection } = await import("selection.js");
          const selection = new Selection(new Run(content));
          selection.select(parseAddress(hash, selection.run));
          return addressOf(selection);
        }""",
        [address, content],
    )
    assert written == address


def test_a_selection_falls_back_to_a_class_that_has_a_map(
    js: Evaluate, content: dict[str, Any]
) -> None:
    shown = js(
        "selection.js",
        """async ({ Selection }, content) => {
          const { Run } = await import("run.js");
          const run = new Run(content);
          const selection = new Selection(run);
          const heard = [];
          selection.onSelect((changes) => heard.push([selection.shownClass, selection.subtractedClass]));
          selection.select({ image: run.images[1] });
          selection.select({ for: "0", against: "other" });
          selection.select({ image: run.images[0], against: "0" });
          return heard;
        }""",
        content,
    )
    assert shown == [[2, None], [0, 2], [0, None]]


def test_all_classes_are_listed_by_number_and_the_most_probable_of_many(js: Evaluate) -> None:
    order = "({ listedClasses }, probabilities) => listedClasses(probabilities)"
    few, many = np.random.default_rng(0).dirichlet(np.ones(20)), np.arange(30) % 7
    assert js("answers.js", order, few.tolist()) == list(range(20))
    assert js("answers.js", order, many.tolist()) == np.argsort(-many, kind="stable")[:10].tolist()


def test_the_matrix_shows_the_classes_with_most_mistakes_in_order(js: Evaluate) -> None:
    order = "({ matrixClasses }, [cells, n]) => matrixClasses(cells, n)"
    cells = [[0, 0, 99], *([label, 0, label] for label in range(1, 25))]
    assert js("confusion.js", order, [cells, 25]) == [0, *range(6, 25)]
    assert js("confusion.js", order, [cells[:3], 3]) == [0, 1, 2]


def test_images_are_filtered_and_sorted(js: Evaluate) -> None:
    images = [
        {"index": i, "title": t, "label": a, "predicted": b, "right": a == b, "confidence": c}
        for i, (t, a, b, c) in enumerate([("Cat 1", 0, 0, 0.6), ("cat 2", 0, 1, 0.9), ("dog", 1, 1, 0.8)])
    ]
    everything = {"label": "", "predicted": "", "outcome": "", "search": "", "order": "index"}
    for filters, expected in (
        ({}, [0, 1, 2]),
        ({"order": "sure"}, [1, 2, 0]),
        ({"predicted": "1"}, [1, 2]),
        ({"label": "0", "outcome": "wrong"}, [1]),
        ({"search": " CAT ", "order": "unsure"}, [0, 1]),
    ):
        listed = js(
            "gallery.js",
            "({ listed }, [images, filters]) => listed(images, filters).map(({ index }) => index)",
            [images, everything | filters],
        )
        assert listed == expected, filters


def test_values_have_the_color_of_their_share_of_the_limit(js: Evaluate) -> None:
    table = [[0, 0, 200], [100, 100, 200], [250, 250, 250], [200, 100, 100], [200, 0, 0]]
    colors, faded, blended = js(
        "colors.js",
        """({ ColorScale, blend }, table) => {
          const scale = new ColorScale(Uint8Array.from(table.flat()), 0.2);
          const colors = [-9, -2, -1, 0, 0.4, 0.6, 2, 9].map((value) => [...scale.color(value, 2)]);
          return [colors, scale.faded(2, 2), blend([0, 100, 200], [100, 100, 0], 0.9)];
        }""",
        table,
    )
    assert colors == [table[i] for i in (0, 0, 1, 2, 2, 3, 4, 4)]
    np.testing.assert_allclose(faded, [240, 200, 200])
    np.testing.assert_allclose(blended, [90, 100, 20])


def test_a_canvas_gets_one_pixel_per_pixel(js: Evaluate) -> None:
    painted = js(
        "colors.js",
        """({ paint }) => {
          const canvas = document.createElement("canvas");
          paint(canvas, { width: 3, height: 2 }, (pixel) => [pixel, 10 * pixel, 7.6]);
          return [...canvas.getContext("2d").getImageData(0, 0, 3, 2).data];
        }""",
    )
    expected = [[pixel, 10 * pixel, 8, 255] for pixel in range(6)]
    assert np.reshape(painted, (6, 4)).tolist() == expected


@pytest.mark.parametrize("grain", [1, 2, 4])
def test_each_pixel_has_the_sum_of_its_block(js: Evaluate, grain: int) -> None:
    values = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    computed = js(
        "maps.js",
        """({ blockSums }, [values, grain]) => {
          const run = { width: 7, height: 5, block: 1 };
          return [...blockSums(Float32Array.from(values), { run, grain })];
        }""",
        [values.ravel().tolist(), grain],
    )
    exact = spread(block_sums(values.astype(np.float64), grain), grain, values.shape)
    np.testing.assert_allclose(np.reshape(computed, values.shape), exact, rtol=1e-6, atol=1e-6)


def test_arrow_keys_move_within_bounds(js: Evaluate) -> None:
    step = """({ arrowStep, moved }, [key, from]) => {
      const step = arrowStep({ key });
      return step && moved(from, step, { width: 3, height: 2 });
    }"""
    assert js("keys.js", step, ["ArrowRight", [0, 0]]) == [1, 0]
    assert js("keys.js", step, ["ArrowRight", [2, 1]]) == [2, 1]
    assert js("keys.js", step, ["ArrowUp", [1, 1]]) == [1, 0]
    assert js("keys.js", step, ["ArrowLeft", [0, 0]]) == [0, 0]
    assert js("keys.js", step, ["a", [0, 0]]) is None


STROKES = """({ Drawing }, steps) => {
  const drawing = new Drawing(28, 28, [0]);
  const strokes = [];
  const photo = new Uint8Array(28 * 28 * 3).fill(9);
  const actions = {
    start: (point) => strokes.push(drawing.start([255], 2, point)),
    extend: (index, point) => drawing.extend(strokes[index], point),
    put: () => drawing.put(photo),
    clear: () => drawing.clear(),
    undo: () => drawing.undo(),
  };
  for (const [name, ...args] of steps) actions[name](...args);
  return [drawing.isBlank, drawing.canMove, drawing.state.strokes.map(({ points }) => points)];
}"""


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        ([], (True, True, [])),
        ([["start", [1, 1]], ["extend", 0, [2, 2]]], (False, True, [[[1, 1], [2, 2]]])),
        ([["start", [1, 1]], ["undo"], ["extend", 0, [2, 2]]], (True, True, [])),
        ([["start", [1, 1]], ["put"], ["extend", 0, [2, 2]]], (False, False, [])),
        ([["start", [1, 1]], ["clear"], ["undo"]], (False, True, [[[1, 1]]])),
        ([["clear"], ["undo"], ["undo"], ["start", [3, 4]]], (False, True, [[[3, 4]]])),
    ],
    ids=lambda value: " ".join(step[0] for step in value) if isinstance(value, list) else "",
)
def test_strokes_are_drawn_extended_and_undone(js: Evaluate, steps: Any, state: Any) -> None:
    assert tuple(js("drawing.js", STROKES, steps)) == state


def test_strokes_are_centred_as_the_digits_of_mnist(js: Evaluate) -> None:
    pixels = js(
        "drawing.js",
        """({ Drawing }) => {
          const drawing = new Drawing(28, 28, [0]);
          drawing.extend(drawing.start([255], 1, [3, 2]), [3, 8]);
          const canvas = document.createElement("canvas");
          return [...drawing.paint(canvas, drawing.centred())];
        }""",
    )
    ink = np.reshape(pixels, (28, 28, 4))[..., 0]
    rows = np.flatnonzero(ink.any(axis=1))
    assert abs(np.ptp(rows) + 1 - 20) <= 1
    np.testing.assert_allclose(ndimage.center_of_mass(ink), 14, atol=0.75)


def test_weights_are_unpacked_with_the_step_size_of_each_output(js: Evaluate) -> None:
    whole = np.array([[1, -2], [3, 4]], "<i2")
    steps = np.array([0.5, 0.25], "<f4")
    unpack = "({ weights }, packed) => [...weights(packed)]"
    packed = {"sizes": [2, 2], "int16": base64_text(whole.tobytes()), "steps": base64_text(steps.tobytes())}
    assert js("live_explainer.js", unpack, packed) == [0.5, -1, 0.75, 1]
    exact = {"sizes": [2], "float32": base64_text(steps.tobytes())}
    assert js("live_explainer.js", unpack, exact) == [0.5, 0.25]
