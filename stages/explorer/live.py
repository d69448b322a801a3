"""Content of the explorer's panel *Try your own*: the network and its background images."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.artifacts.explanation import POSITIVE
from stages.artifacts.features import FAR, N_NEIGHBOURS
from stages.explorer.strokes import FLAT, PAPER_AT_EDGE, StrokeStyle
from stages.figures import captions
from stages.figures.run import Run
from stages.webpage.offline import base64_array, base64_text

PAGE = Path(__file__).parent / "page"
WORKER = tuple(PAGE / f"live_{name}.js" for name in ("network", "features", "explainer", "worker"))
"""Modules of the panel's web worker; each imports only from those before it."""
MOST_BACKGROUND = 100  # images
BACKGROUND_BYTES = 1_700_000  # Base64 text of these images; a hundred of 3×64×64 fit
EXACT_BYTES = 2_500_000  # text of a network in float32; larger linear layers take 16 bits
NETWORK_BYTES = 4_100_000  # text of a network
KEPT_BYTES = 300_000_000  # the browser's memory for activations of background images
MOST_PRODUCTS = 500_000_000  # multiplications per image, a few seconds in a browser


class Live(NamedTuple):
    """Content of the panel.

    Attributes:
        content: In JSON types: data of the worker and the panel, or the `reason` why it is missing.
        n_bytes: Size of the content as JSON.
    """

    content: dict[str, Any]
    n_bytes: int


def live_panel(run: Run) -> Live:
    """The network and up to `MOST_BACKGROUND` background images, evenly spread over all.

    In networks above `EXACT_BYTES`, weights of linear layers are rounded to 16 bits, with a step
    size for each output. Linear layers follow the pooling, so no maximum moves.
    """
    reason = run.portable.reason
    if reason:
        return _absent(reason)
    channels = run.explanation.images.shape[1]
    if channels not in (1, 3):
        return _absent(f"its images have {channels} channels, and pictures have 1 or 3")
    preprocess = run.explanation.about["parameters"].get("preprocess", {})
    if preprocess.get("pixel_range") not in (None, "full"):
        return _absent("its images have more than 8 bits, and browsers read 8")
    if (n_products := _products(run)) > MOST_PRODUCTS:
        return _absent(
            f"it needs {n_products:,} multiplications per image, and browsers are fast enough for "
            f"{MOST_PRODUCTS:,}"
        )
    operations = _operations(run, rounded=False)
    n_bytes = len(json.dumps(operations))
    rounded = n_bytes > EXACT_BYTES
    if rounded:
        operations = _operations(run, rounded=True)
        n_bytes = len(json.dumps(operations))
    if n_bytes > NETWORK_BYTES:
        has, room = (f"{size / 1e6:.1f} MB" for size in (n_bytes, NETWORK_BYTES))
        return _absent(f"its weights take {has}, and this page has room for {room}")
    background, features = _background(run), _features(run)
    content = {
        "shape": background.shape[1:],
        "operations": operations,
        "output": run.explanation.about["output"],
        **({"onlyClass": POSITIVE} if run.explanation.one_logit else {}),
        "background": base64_text(background.tobytes()),
        "count": len(background),
        "paper": _paper(run, background),
        "strokes": _strokes(run),
        "features": features,
        "worker": _worker(),
        "words": _note(run, len(background), rounded, features is not None),
    }
    return Live(content, len(json.dumps(content)))


def _absent(reason: str) -> Live:
    note = "A command explains pictures of your own with it: choose a file to see the command."
    return Live({"reason": f"The network of this run is not on this page: {reason}. {note}"}, 0)


def _operations(run: Run, rounded: bool) -> list[dict[str, Any]]:
    def packed(role: str, name: str, kind: str) -> dict[str, Any]:
        array = run.portable.arrays[name]
        if rounded and kind == "linear" and role == "weight":
            steps = np.abs(array).max(axis=1) / np.float32(2**15 - 1)
            steps[steps == 0] = 1
            numbers = np.rint(array / steps[:, None]).astype(np.int16)
            return {
                "sizes": array.shape,
                "steps": base64_array(steps),
                "int16": base64_array(numbers),
            }
        return {"sizes": array.shape, "float32": base64_array(array.astype(np.float32))}

    return [
        {
            **operation,
            "arrays": {
                role: packed(role, name, operation["kind"])
                for role, name in operation["arrays"].items()
            },
        }
        for operation in run.portable.operations
    ]


def _products(run: Run) -> int:
    """Multiplications in convolutions and linear layers, for one image."""
    return sum(
        run.portable.arrays[operation["arrays"]["weight"]].size * math.prod(operation["shape"][1:])
        for operation in run.portable.operations
        if "weight" in operation["arrays"]
    )


def _background(run: Run) -> NDArray[np.uint8]:
    """As many background images as fit, evenly spread, so that all groups are represented."""
    images = run.explanation.background
    room = BACKGROUND_BYTES * 3 // 4 // images[0].size
    kept = 8 * sum(math.prod(operation["shape"]) for operation in run.portable.operations)
    n = max(1, min(len(images), MOST_BACKGROUND, room, KEPT_BYTES // kept))
    return np.asarray(images[np.arange(n) * len(images) // n])


def _paper(run: Run, background: NDArray[np.uint8]) -> list[int]:
    """The colour of a blank canvas: black or white for grey images, else the mean colour."""
    if background.shape[1] == 1:
        return [0 if run.dark else 255]
    return [int(value) for value in np.rint(background.mean(axis=(0, 2, 3)))]


def _strokes(run: Run) -> dict[str, Any] | None:
    """The training images' strokes, if they show strokes, and what decides about paper."""
    style = StrokeStyle.of(run.training.images)
    return style and {**style._asdict(), "flat": FLAT, "paperAtEdge": PAPER_AT_EDGE}


def _features(run: Run) -> dict[str, Any] | None:
    """Features of training images, if the page can compute such features of a picture."""
    features, operations = run.features, run.portable.operations
    last = next((o for o in reversed(operations) if "weight" in o["arrays"]), operations[-1])
    position = last["inputs"][0] if "weight" in last["arrays"] else len(operations)
    shape = operations[position - 1]["shape"] if position else run.explanation.images.shape[1:]
    if features is None or shape[0] != features.vectors.shape[1]:
        return None
    return {
        "vectors": base64_array(features.vectors),
        "n": len(features.vectors),
        "nNeighbours": N_NEIGHBOURS,
        "quantiles": features.quantiles.tolist(),
        "far": FAR,
    }


def _worker() -> str:
    """The worker's modules as one script, since a worker made from a blob has no import map."""
    texts = [path.read_text(encoding="utf-8") for path in WORKER]
    return re.sub(r"^(import .*;\n|export )", "", "".join(texts), flags=re.MULTILINE)


def _note(run: Run, n: int, rounded: bool, features: bool) -> str:
    """A note on the network, the background, the precision, and a missing warning."""
    about: Mapping[str, Any] = run.explanation.about
    n_all = len(run.explanation.background)
    which = f"the {n}" if n == n_all else f"{n} of the {n_all:,}"
    others = f" (the maps above are by {captions.method(about)})"
    method = "" if about["method"] == "deep" else others
    digits = (
        " To fit on this page, the weights of linear layers are rounded to 16 bits."
        if rounded
        else ""
    )
    unlike = (
        "" if features else " It cannot tell whether a picture looks unlike the training images."
    )
    return (
        f"The network of this run, {about['network']}, runs inside this page; no data leaves it. "
        f"The map is computed by DeepSHAP{method} against {which} background images of this run."
        f"{digits}{unlike}"
    )
