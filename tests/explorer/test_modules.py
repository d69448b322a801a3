"""The explorer's JavaScript modules on a blank page: the run, the selection and lists."""

from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from stages.webpage.offline import base64_array, import_map

from .opened import MODULES, Evaluate

pytestmark = pytest.mark.browser

STARTS = {"explorer.js", "live_worker.js"}


# Records calls by which a module could read or change the page while it is imported.
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
for (const name of ["setTimeout", "requestAnimationFrame", "postMessage", "Worker", "Blob"]) {
  spy(window, name);
}
"""


def test_importing_a_module_has_no_effect(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content(f'<script type="importmap">{import_map(MODULES)}</script>')
    page.evaluate(SPY)
    for name in sorted({module.name for module in MODULES} - STARTS):
        page.evaluate(f"import('{name}')")
        assert page.evaluate("effects") == [], name
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
    "block": 1,
    "photos": None,
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
        name: {"type": array.dtype.name, "base64": base64_array(array)}
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
          const outputs = [run.output(first, 2), run.output(second, 0)];
          return [first, second, run.classNames, maps, outputs];
        }""",
        content,
    )
    assert (first["predicted"], first["right"], first["mapClasses"]) == (0, True, [0, 2])
    assert (second["predicted"], second["right"], second["mapClasses"]) == (1, True, [2, 0])
    assert second["surprise"] == pytest.approx(-np.log(0.5))
    assert names == ["cat", "class 1", "dog"]
    assert maps == [[6, 8], [2.5, 3]]
    assert outputs == [3 - 5, 1 + 7]


def test_a_run_with_several_labels(js: Evaluate, content: dict[str, Any]) -> None:
    labels = np.array([[1, 0, 1], [0, 0, 0]], np.int32)
    probabilities = np.array([[0.7, 0.1, 0.6], [0.2, 0.3, 0.9]], np.float32)
    for name, array in (("labels", labels), ("probabilities", probabilities)):
        content["arrays"][name] = {"type": array.dtype.name, "base64": base64_array(array)}
    del content["cells"]
    first, second, listed, accuracy = js(
        "run.js",
        """({ Run }, content) => {
          const run = new Run(content);
          return [...run.images, run.images.map(({ labels }) => run.listed(labels)), run.accuracy];
        }""",
        content | {"multiple": True, "nTest": 10, "accuracy": 0.75},
    )
    assert (first["labels"], first["predictions"], first["right"]) == ([0, 2], [0, 2], True)
    assert (second["labels"], second["predictions"], second["right"]) == ([], [2], False)
    assert (first["predicted"], second["predicted"]) == (0, 2)
    assert first["confidence"] == pytest.approx(0.6)
    assert second["surprise"] == pytest.approx(-np.log([0.8, 0.7, 0.1]).mean())
    assert listed == ["cat, dog", "none"]
    assert accuracy == 0.75


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
    "address",
    [
        "#image=b%26c.png",
        "#image=a.png&class=2&minus=true&grain=4",
        "#image=a.png&minus=1&scale=image",
    ],
)
def test_the_address_of_a_parsed_view_is_the_original(
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
          selection.onSelect(() => heard.push([selection.shownClass, selection.subtractedClass]));
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
        {
            **{"index": i, "title": t, "labels": [a], "predictions": [b]},
            **{"right": a == b, "confidence": c},
        }
        for i, (t, a, b, c) in enumerate(
            [("Cat 1", 0, 0, 0.6), ("cat 2", 0, 1, 0.9), ("dog", 1, 1, 0.8)]
        )
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
