"""Random changes of training images that do not change their class, a whole batch at once."""

import math
from collections.abc import Collection

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from stages.params.train import Change

SHIFT = 0.08  # of the side, to every direction: 2 of 28 pixels; whole ones, which blur nothing
ROTATION = math.radians(10)
SCALE = 0.1
ERASED = 0.4  # of the side, at most


def augment(images: Tensor, changes: Collection[Change], generator: torch.Generator) -> Tensor:
    """Change each image in its own random way.

    Args:
        images: (n, c, h, w), uint8 or float.
        changes: `shift` by whole pixels, up to 8 % of the side but at least one, `rotate` by up to
            10°, `scale` by up to 10 %, `flip` left to right every other time, `erase` a rectangle
            of up to 40 % of each side (with the image's mean) every other time.
        generator: On the CPU, so that every device draws the same.

    Returns:
        Float images of the same shape and range. What comes in at an edge repeats the edge.
    """
    images = images.float()
    if set(changes) - {"erase"}:
        maps = _affine_maps(images.shape, changes, generator).to(images.device)
        grid = affine_grid(maps, list(images.shape), align_corners=False)
        images = grid_sample(images, grid, padding_mode="border", align_corners=False)
    if "erase" in changes:
        hidden = _rectangles(images.shape, generator).to(images.device)
        images = torch.where(hidden, images.mean(dim=(2, 3), keepdim=True), images)
    return images


def _affine_maps(
    shape: torch.Size, changes: Collection[Change], generator: torch.Generator
) -> Tensor:
    """Draw maps (n, 2, 3) from the new image's coordinates, -1 … 1 on both axes, to the old one's.

    Every change is drawn even if it is not wanted, so that each draws the same without the others.
    """
    n, _, height, width = shape

    def draw(change: Change, largest: float) -> Tensor:
        uniform = torch.rand(n, generator=generator) * 2 - 1
        return uniform * largest * (change in changes)

    def draw_shift(side: int) -> Tensor:
        most = max(1, round(SHIFT * side))
        pixels = torch.randint(-most, most + 1, (n,), generator=generator)
        return pixels * 2 / side * ("shift" in changes)

    angle = draw("rotate", ROTATION)
    scale = torch.exp(draw("scale", math.log1p(SCALE)))
    across, down = draw_shift(width), draw_shift(height)
    mirror = torch.where(draw("flip", 1) < 0, -1, 1)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    to_x = torch.stack([cos * mirror, -sin * height / width, across])
    to_y = torch.stack([sin * mirror * width / height, cos, down])
    return torch.stack([to_x, to_y]).permute(2, 0, 1)


def _rectangles(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Mark a random rectangle in every other image: (n, 1, h, w), bool."""
    n, _, *sides = shape
    inside = []
    for side in sides:
        length = torch.rand(n, 1, generator=generator) * ERASED * side
        start = torch.rand(n, 1, generator=generator) * (side - length)
        pixel = torch.arange(side) + 0.5
        inside.append((start < pixel) & (pixel < start + length))
    chosen = torch.rand(n, 1, 1, generator=generator) < 0.5
    return (inside[0][:, :, None] & inside[1][:, None, :] & chosen)[:, None]
