"""Images of 12 bits and floats, from files to prepared splits and to pictures of your own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from stages import download, preprocess
from stages.artifacts.splits import load_info, load_split
from stages.base.errors.user import UserError
from tests.conftest import run_stages
from tools.own_pictures import read_pictures


def write(folder: Path, kind: str, values: NDArray[Any]) -> None:
    """Twelve training and four test images of two classes."""
    for number, image in enumerate(values):
        split = "train" if number < 12 else "test"
        path = folder / split / "ab"[number % 2] / f"{number}.{kind}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def prepare(pixel_range: Any) -> None:
    changes = {
        "data": {"dataset": "image_folder", "source": "images"},
        "preprocess": {"pixel_range": pixel_range, "validation_fraction": 0.25},
    }
    run_stages(changes, (download, preprocess))


def twelve_bits() -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, 4096, (16, 40, 50)).astype(np.uint16)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_twelve_bits_stop_the_run_until_a_range_is_chosen(here: Path, kind: str) -> None:
    values = twelve_bits()
    write(here / "images", kind, values)
    with pytest.raises(UserError, match=r"far below the 65,535 of 16 bits: half of the images wou"):
        prepare(None)
    prepare([0, 4095])
    expected = np.rint(values / 4095 * 255)
    assert np.array_equal(load_split("test").images[:, 0], expected[[12, 14, 13, 15]])
    info = load_info()
    assert info.pixel_range == (0, 4095)
    assert info.parameters["preprocess"]["pixel_range"] == [0, 4095]
    (own,) = read_pictures([f"images/test/a/12.{kind}"], info, None, invert=False)
    assert np.array_equal(own.pixels[0], expected[12])
    prepare("full")
    assert len(np.unique(load_split("train").images)) == 17
    assert load_info().pixel_range is None


def test_the_data_give_the_range_of_floats(here: Path) -> None:
    """Test images do not take part: what is beyond the training images is cut."""
    values = np.random.default_rng(0).uniform(-1000, 3000, (16, 40, 50)).astype(np.float32)
    values[:12, 0, :2] = (-1024, 3071)
    values[12, 0, :2] = (-5000, 9000)
    write(here / "images", "tif", values)
    prepare("data")
    low, high = (-1024, 3071)
    assert load_info().pixel_range == (low, high)
    train = load_split("train").images
    assert (train.min(), train.max()) == (0, 255)
    expected = np.rint((values[12].astype(np.float64) - low) / (high - low) * 255).clip(0, 255)
    assert np.array_equal(load_split("test").images[0, 0], expected)
    with pytest.raises(UserError, match=r"train/a/.*\.tif: pixels are float32, which have no rang"):
        prepare("full")


def test_images_in_both_splits_are_said_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = (twelve_bits() >> 4).astype(np.uint8)
    values[12], values[15] = values[4], values[7]
    write(here / "images", "png", values)
    prepare(None)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: 2 of 4 test images are training images too, pixel for pixel")
    assert "test/a/12.png = train/a/4.png, test/b/15.png = train/b/7.png; remove" in line


def test_training_images_that_are_all_alike_stop_the_run(here: Path) -> None:
    write(here / "images", "png", np.full((16, 8, 9), 7, np.uint8))
    with pytest.raises(UserError, match=r"training images are all alike, pixel for pixel"):
        prepare(None)
    assert not Path("data/prepared").exists()
