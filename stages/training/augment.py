"""Random augmentation of training images, a whole batch at once."""

import math
from collections.abc import Collection

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from stages.params.train import Augmentation

MAX_SHIFT = 0.08  # share of the side: 2 of 28 pixels; whole pixels, since fractions blur
MAX_ROTATION = math.radians(10)
MAX_SCALE = 0.1
MAX_ERASED = 0.4  # share of the side


def augment(
    images: Tensor,
    augmentations: Collection[Augmentation],
    generator: torch.Generator,
    n_batch: int | None = None,
    start: int = 0,
) -> Tensor:
    """Transform each image at random, independently of the others.

    Args:
        images: (n, c, h, w), uint8 or float.
        augmentations: `shift` by whole pixels, up to 8 % of the side but at least one, `rotate` by
            up to 10°, `scale` by up to 10 %, `flip` half of the images left to right, `erase` a
            rectangle of up to 40 % of each side (with the image's mean) in half of the images.
        generator: On the CPU, so that all devices get the same numbers.
        n_batch: Size of the batch if these images are a slice of it; None if they are the batch.
            Numbers are drawn for the whole batch.
        start: Index in the batch of the first image.

    Returns:
        Float images of the same shape and range. Pixels from outside the image repeat its edge.
    """
    images = images.float()
    n, *chw = images.shape
    shape, own = torch.Size([n_batch or n, *chw]), slice(start, start + n)
    if set(augmentations) - {"erase"}:
        matrices = _affine_matrices(shape, augmentations, generator)[own].to(images.device)
        if n > 0:
            grid = affine_grid(matrices, list(images.shape), align_corners=False)
            images = grid_sample(images, grid, padding_mode="border", align_corners=False)
    if "erase" in augmentations:
        erased = _rectangles(shape, generator)[own].to(images.device)
        images = torch.where(erased, images.mean(dim=(2, 3), keepdim=True), images)
    return images


def _affine_matrices(
    shape: torch.Size, augmentations: Collection[Augmentation], generator: torch.Generator
) -> Tensor:
    """Random matrices (n, 2, 3) that map new to old image coordinates, -1 … 1 on both axes.

    Numbers are drawn for every augmentation, so that those of one do not depend on the others.
    """
    n, _, height, width = shape

    def draw(augmentation: Augmentation, largest: float) -> Tensor:
        uniform = torch.rand(n, generator=generator) * 2 - 1
        return uniform * largest * (augmentation in augmentations)

    def draw_shift(side: int) -> Tensor:
        largest = max(1, round(MAX_SHIFT * side))
        pixels = torch.randint(-largest, largest + 1, (n,), generator=generator)
        return pixels * 2 / side * ("shift" in augmentations)

    angle = draw("rotate", MAX_ROTATION)
    scale = torch.exp(draw("scale", math.log1p(MAX_SCALE)))
    across, down = draw_shift(width), draw_shift(height)
    mirror = torch.where(draw("flip", 1) < 0, -1, 1)
    cos, sin = scale * angle.cos(), scale * angle.sin()
    to_x = torch.stack([cos * mirror, -sin * height / width, across])
    to_y = torch.stack([sin * mirror * width / height, cos, down])
    return torch.stack([to_x, to_y]).permute(2, 0, 1)


def _rectangles(shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Masks (n, 1, h, w) of random rectangles, empty for about half of the images."""
    n, _, *sides = shape
    inside = []
    for side in sides:
        length = torch.rand(n, 1, generator=generator) * MAX_ERASED * side
        start = torch.rand(n, 1, generator=generator) * (side - length)
        pixel = torch.arange(side) + 0.5
        inside.append((start < pixel) & (pixel < start + length))
    chosen = torch.rand(n, 1, 1, generator=generator) < 0.5
    return (inside[0][:, :, None] & inside[1][:, None, :] & chosen)[:, None]
