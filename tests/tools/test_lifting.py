"""Handwriting lifted from synthetic photographs, for a network that knows the digits."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from stages.explorer.strokes import StrokeStyle, stroke_width
from tests.digits import N_TRAINING, SIZE, embedded, labels_of, quick_network
from tests.photographs import SCENES, grey, ten_photographs
from tools.lifting import lifted, looks_like_training


@pytest.fixture(scope="module")
def training() -> NDArray[np.uint8]:
    return embedded("mnist/train", N_TRAINING)


@pytest.fixture(scope="module")
def style(training: NDArray[np.uint8]) -> StrokeStyle:
    found = StrokeStyle.of(training)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return quick_network()


def classes(network: nn.Module, greys: list[NDArray[np.uint8]]) -> NDArray[np.int64]:
    return network(torch.from_numpy(np.stack(greys)[:, None]).float()).argmax(dim=1).numpy()


@pytest.fixture(scope="module")
def known(network: nn.Module) -> NDArray[np.uint8]:
    """Test digits that the network knows, three of each class (3, 10, 28, 28)."""
    digits, labels = embedded("mnist/t10k", 1000)[:, 0], labels_of("mnist/t10k", 1000)
    right = classes(network, list(digits)) == labels
    return np.stack([digits[right & (labels == number)][:3] for number in range(10)], axis=1)


def resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_photographs_of_digits_keep_their_class(
    network: nn.Module, known: NDArray[np.uint8], style: StrokeStyle, seed: int
) -> None:
    photos = [grey(photo) for photo in ten_photographs(known[seed], seed)]
    strokes = [lifted(photo, style, SIZE) for photo in photos]
    found = [picture for picture in strokes if picture is not None]
    assert len(found) == len(SCENES)
    assert (classes(network, found) == np.arange(10)).sum() >= 8
    only_resized = [resized(photo, SIZE) for photo in photos]
    assert (classes(network, only_resized) == np.arange(10)).sum() <= 3


@pytest.mark.parametrize(("side", "negative"), [(560, False), (560, True), (90, True), (28, True)])
def test_scans_of_digits_keep_their_class(
    network: nn.Module, known: NDArray[np.uint8], style: StrokeStyle, side: int, negative: bool
) -> None:
    """White on black and black on white, of any size."""
    strokes = []
    for digit in known[0]:
        scan = resized(digit, (side, side))
        picture = lifted(255 - scan if negative else scan, style, SIZE)
        assert picture is not None
        strokes.append(picture)
    assert (classes(network, strokes) == np.arange(10)).sum() >= 9


def test_digits_of_the_data_set_look_like_the_training_images(
    known: NDArray[np.uint8], style: StrokeStyle
) -> None:
    assert all(looks_like_training(digit, style, SIZE) for digit in known[0])
    assert not looks_like_training(255 - known[0, 0], style, SIZE)
    assert not looks_like_training(resized(known[0, 0], (56, 56)), style, SIZE)


def test_strokes_are_placed_as_mnist_describes(style: StrokeStyle) -> None:
    """Digits fit a box of 20 pixels; their centre of mass is at (14, 14), counted from 0."""
    assert (style.paper, style.ink, style.side, style.by_mass) == (0, 255, 20, True)
    np.testing.assert_allclose(style.middle, 14, atol=0.1)
    page = np.full((300, 500), 240, np.uint8)
    page[40:140, 300:320] = 30  # a bar, 100 by 20 pixels, far from the middle
    picture = lifted(page, style, SIZE)
    assert picture is not None
    rows, columns = np.nonzero(picture)
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 4)
    assert np.abs(np.array([rows.mean(), columns.mean()]) - 14).max() <= 0.5
    assert picture.max() == 255


def test_thin_strokes_are_broadened(style: StrokeStyle) -> None:
    page = np.full((400, 400), 240, np.uint8)
    page[100:300, 100:102] = page[298:300, 100:250] = 30  # an L in a fine pen
    picture = lifted(page, style, SIZE)
    assert picture is not None
    usual = style.usual * style.side
    assert stroke_width(picture >= 128) == pytest.approx(usual, rel=0.35)


def test_specks_and_the_table_s_edge_are_left_out(style: StrokeStyle) -> None:
    page = np.full((300, 300), 230, np.uint8)
    page[100:200, 140:155] = 20
    clean = lifted(page, style, SIZE)
    page[30:34, 40:44] = 20  # a speck
    page[:, :12] = 40  # the table beside the sheet
    dirty = lifted(page, style, SIZE)
    np.testing.assert_array_equal(dirty, clean)


@pytest.mark.parametrize("grain", [0, 5])
def test_an_empty_sheet_has_no_strokes(style: StrokeStyle, grain: int) -> None:
    noise = np.random.default_rng(0).normal(0, grain, (300, 300))
    sheet = np.linspace(250, 150, 300) + noise
    assert lifted(sheet.clip(0, 255).astype(np.uint8), style, SIZE) is None


@pytest.mark.parametrize("shape", [(1, 1), (1, 700), (8, 8), (3000, 2)])
def test_pictures_of_any_shape(style: StrokeStyle, shape: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    strokes = lifted(picture, style, SIZE)
    assert strokes is None or strokes.shape == SIZE


def test_a_data_set_of_dark_strokes_gets_dark_strokes(
    training: NDArray[np.uint8], style: StrokeStyle, known: NDArray[np.uint8]
) -> None:
    dark = StrokeStyle.of(255 - training)
    assert dark is not None
    assert (dark.paper, dark.ink) == (255, 0)
    scan = resized(known[0, 3], (200, 200))
    light, negative = lifted(scan, style, SIZE), lifted(scan, dark, SIZE)
    assert light is not None
    np.testing.assert_array_equal(negative, 255 - light)


def test_other_data_are_no_strokes(training: NDArray[np.uint8]) -> None:
    rng = np.random.default_rng(0)
    for images in (
        embedded("fashion_mnist/t10k", 500),
        training[:100].repeat(3, axis=1),  # in colour
        rng.integers(0, 256, (100, 1, 28, 28), np.uint8),
        np.zeros((5, 1, 28, 28), np.uint8),
    ):
        assert StrokeStyle.of(images) is None
