"""What the explorer's panel *Try your own* computes with: the network and its background images."""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.figures import captions
from stages.figures.run import Run
from stages.webpage.offline import base64_text

PAGE = Path(__file__).parent / "page"
WORKER = (PAGE / "live_network.js", PAGE / "live_worker.js")
MOST_BACKGROUND = 100  # images
BACKGROUND_BYTES = 1_700_000  # of these images, as text: a hundred of 3×64×64
EXACT_BYTES = 2_500_000  # of a network in float32, as text; above, linear layers take 16 bits
NETWORK_BYTES = 4_100_000  # of a network, as text
KEPT_BYTES = 300_000_000  # in the browser, of what background images leave in the network
MOST_PRODUCTS = 500_000_000  # of one image: a few seconds in a browser


class Live(NamedTuple):
    """The panel's part of the page's content.

    Attributes:
        content: As JSON takes it: what the worker and the panel read, or the reason why not.
        n_bytes: Size of the content as text.
    """

    content: dict[str, Any]
    n_bytes: int


def live_panel(run: Run) -> Live:
    """The network and up to `MOST_BACKGROUND` background images, an even subset of more.

    Linear layers of a network that takes too many bytes are rounded to 16 bits, in steps of each
    output's own size. They stand behind the pooling, so no maximum moves.
    """
    reason = run.portable.reason
    if reason:
        return _absent(reason)
    if (n_products := _products(run)) > MOST_PRODUCTS:
        return _absent(
            f"it takes {n_products:,} products an image, and a browser is quick enough for "
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
    background = _background(run)
    content = {
        "shape": background.shape[1:],
        "operations": operations,
        "output": run.explanation.about["output"],
        "background": base64_text(background.tobytes()),
        "count": len(background),
        "paper": _paper(run, background),
        "worker": _worker(),
        "words": _sentences(run, len(background), rounded),
    }
    return Live(content, len(json.dumps(content)))


def _absent(reason: str) -> Live:
    return Live({"reason": f"The network of this run is not on this page: {reason}."}, 0)


def _operations(run: Run, rounded: bool) -> list[dict[str, Any]]:
    def packed(role: str, name: str, kind: str) -> dict[str, Any]:
        array = run.portable.arrays[name]
        whole = {"sizes": array.shape}
        if rounded and kind == "linear" and role == "weight":
            steps = np.abs(array).max(axis=1) / np.float32(2**15 - 1)
            steps[steps == 0] = 1
            numbers = np.rint(array / steps[:, None]).astype("<i2")
            return {**whole, "steps": _base64(steps), "int16": base64_text(numbers.tobytes())}
        return {**whole, "float32": _base64(array)}

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


def _base64(array: NDArray[np.float32]) -> str:
    return base64_text(array.astype("<f4").tobytes())


def _products(run: Run) -> int:
    """Multiplications that one image takes in convolutions and linear layers."""
    return sum(
        run.portable.arrays[operation["arrays"]["weight"]].size * math.prod(operation["shape"][1:])
        for operation in run.portable.operations
        if "weight" in operation["arrays"]
    )


def _background(run: Run) -> NDArray[np.uint8]:
    """As many as there is room for, spread evenly over all of them and so over their groups."""
    images = run.explanation.background
    room = BACKGROUND_BYTES * 3 // 4 // images[0].size
    kept = 8 * sum(math.prod(operation["shape"]) for operation in run.portable.operations)
    n = max(1, min(len(images), MOST_BACKGROUND, room, KEPT_BYTES // kept))
    return np.asarray(images[np.arange(n) * len(images) // n])


def _paper(run: Run, background: NDArray[np.uint8]) -> list[int]:
    """The colour of an empty canvas: black or white like that of grey images, else their mean."""
    if background.shape[1] == 1:
        return [0 if run.dark else 255]
    return [int(value) for value in np.rint(background.mean(axis=(0, 2, 3)))]


def _worker() -> str:
    """The worker's modules as one script, since a worker made from text has no import map."""
    texts = [path.read_text(encoding="utf-8") for path in WORKER]
    return re.sub(r"^(import .*;\n|export )", "", "".join(texts), flags=re.MULTILINE)


def _sentences(run: Run, n: int, rounded: bool) -> str:
    """Which network and background compute, and how exactly."""
    about: Mapping[str, Any] = run.explanation.about
    n_all = len(run.explanation.background)
    which = f"the {n}" if n == n_all else f"{n} of the {n_all:,}"
    others = f" (the maps above are by {captions.method(about)})"
    method = "" if about["method"] == "deep" else others
    digits = (
        " To fit on this page, weights of its linear layers are rounded to 16 bits."
        if rounded
        else ""
    )
    return (
        f"The network of this run, {about['network']}, computes in this page, and nothing leaves "
        f"it. The map is DeepSHAP{method} against {which} background images of this run.{digits}"
    )
