"""The explorer's JavaScript modules on a blank page: colours, sums, keys, strokes and weights."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from stages.drawing.grain import block_sums, spread
from stages.webpage.offline import base64_array

from .opened import Evaluate

pytestmark = pytest.mark.browser


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
          const run = { width: 7, height: 5 };
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


def test_strokes_are_centred_like_mnist_digits(js: Evaluate) -> None:
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
    packed = {
        "sizes": [2, 2],
        "int16": base64_array(whole),
        "steps": base64_array(steps),
    }
    assert js("live_explainer.js", unpack, packed) == [0.5, -1, 0.75, 1]
    exact = {"sizes": [2], "float32": base64_array(steps)}
    assert js("live_explainer.js", unpack, exact) == [0.5, 0.25]
