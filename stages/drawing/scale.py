"""A symmetric colour scale, and the colours of maps and images."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap
from numpy.typing import NDArray

COLORMAPS = {"red_blue": "RdBu_r", "orange_purple": "PuOr_r"}
"""matplotlib's names of the diverging colour maps: near white at 0, warm for positive values.

None runs from red to green, so the two ends differ with red-green and with blue-yellow blindness;
orange and purple also differ in brightness, so they differ in a grey print too.
"""

FADED = 0.2  # share of its colour that a faded pixel keeps
FADED_ERRORS = 2  # a pixel within this many standard errors of 0 is faded

STEPS = 255  # odd, so that 0 has its own colour
STRONG = 0.8  # of the scale: the colours of maps over photographs, clearer than the darkest ends
MOST_OPAQUE = 0.9  # opacity over a photograph at the end of the scale
OPACITY_POWER = 1.5  # of |value|: keeps many weak blocks from covering the photograph
DARKEST_GREY = 0.5  # of a photograph under its map, so that colours stay readable on black
LIGHT_GREY = 0.85  # the photograph under the colours of a bar
LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114])  # of red, green and blue
INK_UNDER_MAP = 0.12  # darkness, 0 to 1, of the image's darkest pixel under a map


@dataclass(frozen=True)
class Scale:
    """Colours of values from -limit to limit; values beyond get the colour of the nearer end.

    Attributes:
        limit: Value of the strongest colour, above 0, in output units per block.
        colormap: One of the names in `COLORMAPS`.
        grain: Side in pixels of the blocks whose attributions are summed, 1 for single pixels.
    """

    limit: float
    colormap: str
    grain: int = 1

    def __post_init__(self) -> None:
        if self.colormap not in COLORMAPS:
            raise ValueError(
                f"the colormap must be one of {', '.join(COLORMAPS)} (got {self.colormap!r})"
            )
        if not 0 < self.limit < np.inf:
            raise ValueError(f"the scale's limit must be a number above 0 (got {self.limit})")

    @property
    def warm(self) -> str:
        """Name of the colour of positive values, which raise an output."""
        return self.colormap.split("_")[0]

    @property
    def cool(self) -> str:
        """Name of the colour of negative values, which lower an output."""
        return self.colormap.split("_")[1]

    @cached_property
    def colors(self) -> Colormap:
        """The colour map in `STEPS` steps."""
        return colormaps[COLORMAPS[self.colormap]].resampled(STEPS)

    @cached_property
    def table(self) -> NDArray[np.uint8]:
        """Colours (STEPS, 3) from -limit to limit, uint8."""
        colors: NDArray[np.uint8] = np.asarray(self.colors(np.arange(STEPS), bytes=True))
        return colors[:, :3]

    @cached_property
    def covering_table(self) -> NDArray[np.uint8]:
        """Colours (STEPS, 3) of `cover` from -limit to limit, over light grey."""
        values = np.linspace(-self.limit, self.limit, STEPS)[None]
        colors: NDArray[np.uint8] = self.cover(values, np.full_like(values, LIGHT_GREY))[0]
        return colors

    def at(self, share: float) -> NDArray[np.uint8]:
        """The colour (3,) at a share of the limit, -1 to 1."""
        half = STEPS // 2
        color: NDArray[np.uint8] = self.table[half + round(share * half)]
        return color

    def paint(
        self,
        maps: NDArray[np.floating],
        under: NDArray[np.floating] | None = None,
        errors: NDArray[np.floating] | None = None,
    ) -> NDArray[np.uint8]:
        """Colours of maps, darkened by the image under them.

        Args:
            maps: (..., h, w), output units per block.
            under: Brightness (..., h, w) in [0, 1] of the image beneath; None for white.
            errors: Standard errors (..., h, w) in the unit of `maps`; pixels within two of them of
                0 are faded towards the colour of 0. None to fade nothing.

        Returns:
            Colours (..., h, w, 3), uint8; exactly those of the colour bar where `under` is 1 and
            nothing is faded.
        """
        half = STEPS // 2
        steps = np.rint(np.clip(maps / self.limit, -1, 1) * half).astype(np.int64) + half
        colors: NDArray[np.uint8] = self.table[steps]
        if errors is not None:
            pale = np.rint(self.table[half] + FADED * (colors - self.table[half].astype(float)))
            faded = np.abs(maps) <= FADED_ERRORS * errors
            colors = np.where(faded[..., None], pale, colors).astype(np.uint8)
        if under is None:
            return colors
        return np.rint(colors * under[..., None]).astype(np.uint8)

    def cover(
        self,
        maps: NDArray[np.floating],
        under: NDArray[np.floating],
        errors: NDArray[np.floating] | None = None,
    ) -> NDArray[np.uint8]:
        """Colours of maps over grey images, the more opaque the larger |value| is.

        Where a map is 0, the image stays as it is.

        Args:
            maps: (..., h, w), output units per block.
            under: Brightness (..., h, w) in [0, 1] of the grey image.
            errors: As for `paint`; such pixels get a fifth of their opacity.

        Returns:
            Colours (..., h, w, 3), uint8.
        """
        opacity = MOST_OPAQUE * np.clip(np.abs(maps) / self.limit, 0, 1) ** OPACITY_POWER
        if errors is not None:
            opacity = np.where(np.abs(maps) <= FADED_ERRORS * errors, FADED * opacity, opacity)
        signs = (maps > 0)[..., None]
        colors = np.where(signs, self.at(STRONG), self.at(-STRONG)).astype(np.float64)
        grey = 255 * np.broadcast_to(under, maps.shape)[..., None]
        mixed = np.rint(grey + opacity[..., None] * (colors - grey))
        return np.asarray(mixed, np.uint8)


def luma(images: NDArray[Any]) -> NDArray[np.float64]:
    """Brightness (n, h, w) in [0, 1] of images (n, c, h, w), 0 to 255.

    Of other than 1 or 3 channels, it is their mean.

    Source: weights of ITU-R BT.601.
    """
    channels = images.shape[1]
    weights = LUMA_WEIGHTS if channels == 3 else np.full(channels, 1 / channels)
    return np.asarray(np.einsum("nchw,c->nhw", images, weights) / 255)


def is_dark(images: NDArray[np.uint8]) -> bool:
    """Whether images (n, c, h, w) are shown in grey and mostly dark, as in MNIST."""
    return images.shape[1] != 3 and bool(np.median(images) < 128)


def brightness_under_map(images: NDArray[Any], dark: bool) -> NDArray[np.float64]:
    """Brightness of images under their maps: faint, so that the maps stay readable.

    Args:
        images: (n, c, h, w), 0 to 255.
        dark: Use the negatives, so that maps stay bright; `is_dark` of all images of a run.

    Returns:
        (n, h, w), from `1 - INK_UNDER_MAP` to 1.
    """
    brightness = luma(images)
    return 1 - INK_UNDER_MAP * (brightness if dark else 1 - brightness)


def grey_under_map(images: NDArray[Any]) -> NDArray[np.float64]:
    """Brightness (n, h, w) of images (n, c, h, w) under `Scale.cover`: black becomes grey."""
    return DARKEST_GREY + (1 - DARKEST_GREY) * luma(images)


def visible(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (n, 1 or 3, h, w) to show for images (n, c, h, w).

    Those of 1 or 3 channels; of others, as from satellites, the mean of the channels in grey.
    """
    if images.shape[1] in (1, 3):
        return images
    return np.asarray(np.rint(images.mean(axis=1, keepdims=True)), np.uint8)


def to_rgb(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Colours (n, h, w, 3) of the `visible` images for images (n, c, h, w)."""
    images = visible(images)
    return np.repeat(images, 4 - images.shape[1], axis=1)[:, :3].transpose(0, 2, 3, 1)
