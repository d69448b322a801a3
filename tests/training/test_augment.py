"""Random augmentation of training images: limits and invariants."""

import math
from typing import get_args

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from stages.params.train import Augmentation
from stages.training.augment import MAX_ERASED, MAX_ROTATION, MAX_SCALE, MAX_SHIFT, augment
from stages.training.fitting import DeviceSplit, shuffled_batches
from tests.conftest import ROOT


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blob(
    n: int, height: int, width: int, x: float = 0, y: float = 0, spread: float = 0.2
) -> Tensor:
    """A smooth spot at (x, y), in units of half a side from the centre: (n, 1, h, w)."""
    rows = (torch.arange(height) + 0.5) / height * 2 - 1
    columns = (torch.arange(width) + 0.5) / width * 2 - 1
    distance = (rows[:, None] - y) ** 2 + (columns - x) ** 2
    return (255 * torch.exp(-distance / (2 * spread**2))).expand(n, 1, height, width)


def centroid(images: Tensor) -> tuple[Tensor, Tensor]:
    """Centre of mass (x, y), each (n,), in pixels from the middle."""
    _, _, height, width = images.shape
    mass = images[:, 0]
    x = (mass.sum(dim=1) * (torch.arange(width) + 0.5 - width / 2)).sum(dim=1)
    y = (mass.sum(dim=2) * (torch.arange(height) + 0.5 - height / 2)).sum(dim=1)
    return x / mass.sum(dim=(1, 2)), y / mass.sum(dim=(1, 2))


@pytest.mark.parametrize(("height", "width", "down", "across"), [(28, 28, 2, 2), (8, 40, 1, 3)])
def test_shift_moves_by_whole_pixels_in_all_directions(
    height: int, width: int, down: int, across: int
) -> None:
    images = torch.randint(256, (500, 1, height, width), generator=generator(1)).float()
    shifted = augment(images, ["shift"], generator())
    padded = F.pad(images, (across, across, down, down), mode="replicate")
    found = torch.zeros(len(images), dtype=torch.int64)
    for y in range(2 * down + 1):
        for x in range(2 * across + 1):
            moved = padded[:, :, y : y + height, x : x + width]
            same = torch.isclose(shifted, moved, atol=0.02).flatten(1).all(dim=1)
            assert same.any()
            found += same
    assert (found == 1).all()


@pytest.mark.parametrize(("height", "width"), [(40, 40), (40, 60), (60, 40)])
def test_rotate_turns_about_the_centre_even_if_the_image_is_not_square(
    height: int, width: int
) -> None:
    before = blob(300, height, width, x=0.4, spread=0.1)
    x, y = centroid(augment(before, ["rotate"], generator()))
    radius = 0.4 * width / 2
    torch.testing.assert_close(torch.hypot(x, y), torch.full((300,), radius), rtol=0.02, atol=0)
    angle = torch.atan2(y, x)
    assert angle.abs().max() < MAX_ROTATION * 1.02
    assert angle.min() < -0.9 * MAX_ROTATION
    assert angle.max() > 0.9 * MAX_ROTATION


def test_scale_changes_the_area_both_ways() -> None:
    before = blob(300, 40, 40)
    area = augment(before, ["scale"], generator()).sum(dim=(1, 2, 3)) / before.sum(dim=(1, 2, 3))
    assert area.max() < (1 + MAX_SCALE) ** 2 * 1.01
    assert area.min() > (1 + MAX_SCALE) ** -2 * 0.99
    assert area.max() > 1 + MAX_SCALE
    assert area.min() < 1 / (1 + MAX_SCALE)


def test_flip_mirrors_about_every_other_image() -> None:
    images = torch.randint(256, (400, 3, 9, 12), dtype=torch.uint8, generator=generator(1))
    flipped = augment(images, ["flip"], generator())
    same = torch.isclose(flipped, images.float(), atol=0.01).flatten(1).all(dim=1)
    mirrored = torch.isclose(flipped, images.float().flip(3), atol=0.01).flatten(1).all(dim=1)
    assert (same ^ mirrored).all()
    assert 0.4 < mirrored.float().mean() < 0.6


def test_erase_hides_one_rectangle_in_about_every_other_image() -> None:
    images = torch.randint(256, (400, 3, 20, 30), dtype=torch.uint8, generator=generator(1))
    erased = augment(images, ["erase"], generator())
    mean = images.float().mean(dim=(2, 3), keepdim=True)
    changed = (erased != images).any(dim=1)
    for image, mask, fill in zip(erased, changed, mean, strict=True):
        rows, columns = mask.any(dim=1), mask.any(dim=0)
        assert torch.equal(mask, rows[:, None] & columns)
        assert rows.sum() <= math.ceil(MAX_ERASED * 20)
        assert columns.sum() <= math.ceil(MAX_ERASED * 30)
        assert (image[:, mask] == fill[:, 0]).all()
    assert 0.35 < changed.flatten(1).any(dim=1).float().mean() < 0.55


@pytest.mark.parametrize("augmentation", get_args(Augmentation))
def test_augmentation_depends_on_the_seed(augmentation: Augmentation) -> None:
    images = torch.randint(256, (50, 1, 16, 16), dtype=torch.uint8, generator=generator(1))
    first, again, other = (augment(images, [augmentation], generator(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 255.01


def test_batches_are_augmented_differently_in_every_epoch_and_keep_their_labels() -> None:
    pixels = torch.randint(256, (60, 1, 8, 8), dtype=torch.uint8, generator=generator(1))
    split = DeviceSplit(pixels, torch.arange(60))
    random = generator()
    mirrored = []
    for _ in range(2):
        batches = list(shuffled_batches(split, 25, ["flip"], random))
        assert [len(batch.labels) for batch in batches] == [25, 25, 10]
        images = torch.cat([batch.images for batch in batches])
        labels = torch.cat([batch.labels for batch in batches])
        assert sorted(labels.tolist()) == list(range(60))
        images = images[labels.argsort()]
        same, other = (
            torch.isclose(images, expected.float(), atol=0.01).flatten(1).all(dim=1)
            for expected in (pixels, pixels.flip(3))
        )
        assert (same ^ other).all()
        mirrored.append(other)
    assert not torch.equal(*mirrored)


def test_without_augmentation_images_are_unchanged() -> None:
    pixels = torch.randint(256, (10, 1, 8, 8), dtype=torch.uint8)
    split = DeviceSplit(pixels, torch.arange(10))
    (batch,) = shuffled_batches(split, 10, [], generator())
    assert batch.images.dtype == torch.uint8
    assert torch.equal(batch.images, pixels[batch.labels])


def test_documented_limits_match_the_code() -> None:
    comments = " ".join((ROOT / "params.yaml").read_text().replace("#", " ").split())
    assert f"up to {100 * MAX_SHIFT:g} % of the side), rotate" in comments
    assert f"rotate (up to {math.degrees(MAX_ROTATION):g}°), scale" in comments
    assert f"scale (up to {100 * MAX_SCALE:g} %), flip" in comments
    docstring = " ".join((augment.__doc__ or "").split())
    assert f"rectangle of up to {100 * MAX_ERASED:g} % of each side" in docstring
