"""Synthetic photographs of handwriting: ink on shaded, grainy paper, turned and moved."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

BLUE, PENCIL, GREY = (30, 40, 120), (90, 90, 95), (60, 60, 60)


@dataclass(frozen=True)
class Scene:
    """What a photograph looks like: one grey level is one of 255.

    Attributes:
        angle: Degrees by which the sheet is turned.
        ink, paper: Red, green and blue.
        contrast: Share of the difference between ink and paper that remains.
        shadow: Share of the light lost from one side to the other, and again in a soft shadow.
        hard: Whether the shadow has a hard edge.
        grain: Standard deviation of the paper's grain.
        digit_px: Side of the square that the digit's image fills.
    """

    angle: float
    ink: tuple[int, int, int] = BLUE
    paper: tuple[int, int, int] = (235, 230, 215)
    contrast: float = 1.0
    shadow: float = 0.4
    hard: bool = False
    grain: float = 6.0
    digit_px: int = 420


SCENES = (
    Scene(-15),
    Scene(-10, ink=GREY),
    Scene(-6, contrast=0.35),
    Scene(0, shadow=0.6),
    Scene(5, hard=True),
    Scene(8, ink=PENCIL, contrast=0.5, grain=8),
    Scene(12, paper=(250, 245, 200)),
    Scene(15, digit_px=220),
    Scene(3, grain=10),
    Scene(-12, contrast=0.25, shadow=0.5),
)
HEIGHT, WIDTH = 800, 600


def photograph(
    digit: NDArray[np.uint8], scene: Scene, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """A photograph (HEIGHT, WIDTH, 3) of a digit (h, w) that is white on black."""
    ink = ndimage.zoom(digit / 255, scene.digit_px / len(digit), order=3).clip(0, 1)
    ink = ndimage.rotate(ink, scene.angle, order=1).clip(0, 1)
    top = rng.integers(0, HEIGHT - ink.shape[0] + 1)
    left = rng.integers(0, WIDTH - ink.shape[1] + 1)
    share = np.zeros((HEIGHT, WIDTH, 1))
    share[top : top + ink.shape[0], left : left + ink.shape[1], 0] = ink
    paper = np.array(scene.paper, float)
    sheet = paper + share * scene.contrast * (np.array(scene.ink) - paper)
    grain = sum(_noise(rng, blur, scene.grain / n) for n, blur in ((1, 1.5), (2, (1, 12))))
    lit = (sheet + grain[..., None]) * _light(scene, rng)[..., None]
    return (lit + rng.normal(0, 2, lit.shape)).clip(0, 255).round().astype(np.uint8)


def _noise(
    rng: np.random.Generator, blur: float | tuple[int, int], deviation: float
) -> NDArray[np.float64]:
    noise = ndimage.gaussian_filter(rng.normal(size=(HEIGHT, WIDTH)), blur)
    return np.asarray(noise * deviation / noise.std())


def _light(scene: Scene, rng: np.random.Generator) -> NDArray[np.float64]:
    """The share of the light that reaches each pixel."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    slope = _across(rng.uniform(0, 2 * np.pi), y / HEIGHT, x / WIDTH)
    light = 1 - scene.shadow * (slope - slope.min()) / np.ptp(slope)
    y, x = y - HEIGHT * rng.uniform(0.3, 0.7), x - WIDTH * rng.uniform(0.3, 0.7)
    beyond = _across(rng.uniform(0, 2 * np.pi), y, x)
    return light * (1 - 0.6 * scene.shadow / (1 + np.exp(-beyond / (2 if scene.hard else 40))))


def _across(angle: float, y: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(np.cos(angle) * x + np.sin(angle) * y)


def ten_photographs(digits: NDArray[np.uint8], seed: int = 0) -> Iterator[NDArray[np.uint8]]:
    """Photographs of ten digits (10, h, w), one in each of `SCENES`."""
    rng = np.random.default_rng(seed)
    for digit, scene in zip(digits, SCENES, strict=True):
        yield photograph(digit, scene, rng)


def grey(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A photograph (h, w) in Pillow's grey."""
    return np.asarray(Image.fromarray(photo).convert("L"))
