"""Networks and images made so that the right map is known.

All are small chains of convolutions, which most methods support, for grey images of smooth noise:
nobody can guess from them where a network looks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from stages.measures.explanations.base.plan import Plan
from stages.measures.explanations.base.subject import Subject
from stages.measures.explanations.base.tiles import sums_by_number
from stages.measures.methods.localisation import localisation
from stages.networks.build import Standardize, Statistics

SIDE, COARSE = 24, 8  # of the images in pixels; of the grid of noise that is enlarged to them
N_IMAGES, N_BACKGROUND = 8, 20
FOUND = 0.1  # the largest mean error with which an answer counts as found

REGION = slice(3, 14), slice(11, 22)  # rows and columns that the first network reads
FIRST, SECOND = (slice(4, 12), slice(4, 12)), (slice(12, 20), slice(12, 20))  # of the third
CLASS = 0  # which output is explained

Error = Callable[[NDArray[np.float64], bool], NDArray[np.float64]]


@dataclass(frozen=True)
class KnownAnswer:
    """A network whose right map is known.

    Attributes:
        name: As in tables.
        sentence: What the network does, and what the error is.
        network: Maps images to outputs; output `CLASS` is explained.
        images: (n, 1, h, w), pixels 0 … 255.
        background: (b, 1, h, w).
        truth: The right maps (n, h, w).
        error: Errors (n,) of maps (n, h, w), and whether their values are meant to add up; 0 is
            right, 1 is a map of zeros.
    """

    name: str
    sentence: str
    network: nn.Module
    images: Tensor
    background: Tensor
    truth: NDArray[np.float64]
    error: Error

    @property
    def subject(self) -> Subject:
        """The network and images, which do not depend on the run."""
        n_images = len(self.images)
        return Subject(
            network=self.network,
            explained=self.network,
            images=self.images,
            background=self.background,
            predicted=np.full(n_images, CLASS),
            runner_up=np.full(n_images, 1 - CLASS),
            seed=0,
            plan=Plan(n_images, False, 0),
        )


def known_answers() -> list[KnownAnswer]:
    """The three networks."""
    return [planted_region(), additive(), two_regions()]


@torch.random.fork_rng(devices=[])
def planted_region() -> KnownAnswer:
    """A network that reads one region only, with random weights.

    The truth shows the region, not values in it: the error is the share of |map| outside.
    """
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten())
    reach = 7  # pixels of the image, in each direction, that a feature depends on
    rows, columns = (slice(part.start, part.stop - reach + 1) for part in REGION)
    side = SIDE - reach + 1
    read = torch.zeros(8, side, side)
    read[:, rows, columns] = 1
    head = nn.Linear(8 * side * side, 2)
    head.weight.data = head.weight.data.sign() / side * read.flatten()
    region = np.zeros((SIDE, SIDE), bool)
    region[REGION] = True

    def error(maps: NDArray[np.float64], _: bool) -> NDArray[np.float64]:
        return np.nan_to_num(1 - localisation(maps, region), nan=1.0)

    images, background = _images()
    return KnownAnswer(
        "planted region",
        "The network reads a square of 11 by 11 pixels only; the error is the share of |map| "
        f"outside it, {1 - region.mean():.2f} by chance.",
        _standardized(body, head),
        images,
        background,
        np.broadcast_to(region / region.sum(), (N_IMAGES, SIDE, SIDE)),
        error,
    )


@torch.random.fork_rng(devices=[])
def additive() -> KnownAnswer:
    """A network that adds a function of each pixel: the Shapley value is that function's change."""
    torch.manual_seed(1)
    body = nn.Sequential(nn.Conv2d(1, 6, 1), nn.ReLU(), nn.Conv2d(6, 6, 1), nn.ReLU(), nn.Flatten())
    head = nn.Linear(6 * SIDE * SIDE, 2)
    strengths = _field(2)[:, None] - 0.5  # by place, of both signs
    head.weight.data = (torch.randn(2, 6, 1, 1) * strengths).flatten(1)
    network = _standardized(body, head)
    images, background = _images()

    def terms(batch: Tensor) -> Tensor:
        """What each pixel adds (n, h, w)."""
        features = network[:-1](batch).unflatten(1, (6, SIDE, SIDE))
        added: Tensor = (features * head.weight[CLASS].view(6, SIDE, SIDE)).sum(dim=1)
        return added.double()

    with torch.no_grad():
        truth = (terms(images) - terms(background).mean(dim=0)).numpy()
    return KnownAnswer(
        "additive",
        "The output is a sum of one function of each pixel; the error is the distance of the map "
        "from the Shapley values of the pixels, as a share of their length.",
        network,
        images,
        background,
        truth,
        lambda maps, add_up: shapley_error(maps.reshape(N_IMAGES, -1), _flat(truth), add_up),
    )


@torch.random.fork_rng(devices=[])
def two_regions() -> KnownAnswer:
    """A network whose output is the darker of two regions' brightness, so the regions interact."""
    patches = SIDE // 4
    brightness = nn.Conv2d(1, 1, 4, stride=4)
    brightness.weight.data.fill_(1 / 16)  # the mean of a patch of 4×4 pixels,
    cast(Tensor, brightness.bias).data.fill_(2)  # 0 or more: the standardised pixels start at -2
    body = nn.Sequential(brightness, nn.ReLU(), nn.Flatten())
    means = torch.zeros(2, patches, patches)
    for weights, part in zip(means, (FIRST, SECOND), strict=True):
        weights[*(slice(side.start // 4, side.stop // 4) for side in part)] = 0.25
    hidden, head = nn.Linear(patches**2, 3, bias=False), nn.Linear(3, 2, bias=False)
    first, second = means.flatten(1)
    hidden.weight.data = torch.stack([first, second, first - second])
    # From a, b and max(a - b, 0), with a, b >= 0: min(a, b) and max(a, b).
    head.weight.data = torch.tensor([[1.0, 0, -1], [0, 1, 1]])
    network = _standardized(body, nn.Sequential(hidden, nn.ReLU(), head))
    images, background = _images()
    players = np.zeros((SIDE, SIDE), np.int64)
    for number, part in enumerate((FIRST, SECOND)):
        players[part] = number + 1
    shapley = shapley_of_two(network, images, background, players)
    sizes = np.bincount(players.ravel())
    return KnownAnswer(
        "two regions",
        "The output is the brightness of the darker of two squares; the error is the distance of "
        "the map's sums over both squares and the rest from the exact Shapley values, as a share "
        "of their length.",
        network,
        images,
        background,
        (shapley / sizes)[:, players],
        lambda maps, add_up: shapley_error(sums_by_number(maps, players, 3), shapley, add_up),
    )


def shapley_of_two(
    network: nn.Module, images: Tensor, background: Tensor, players: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Exact Shapley values of two players, from all four coalitions.

    Args:
        network: Maps images to outputs; that of `CLASS` counts.
        images: (n, 1, h, w).
        background: Images (b, 1, h, w) that replace hidden pixels; the mean over them counts.
        players: The player of each pixel (h, w), 1 or 2; 0 for pixels that no output depends on.

    Returns:
        (n, 3), with 0 for the pixels of no player first.
    """

    def value(*shown: int) -> NDArray[np.float64]:
        keep = torch.from_numpy(np.isin(players, shown))
        with torch.no_grad():
            mixed = [network(torch.where(keep, image, background))[:, CLASS] for image in images]
        return torch.stack(mixed).double().mean(dim=1).numpy()

    nobody, first, second, both = value(), value(1), value(2), value(1, 2)
    values = [
        np.zeros(len(images)),
        ((first - nobody) + (both - second)) / 2,
        ((second - nobody) + (both - first)) / 2,
    ]
    return np.stack(values, axis=1)


def shapley_error(
    sums: NDArray[np.float64], shapley: NDArray[np.float64], add_up: bool
) -> NDArray[np.float64]:
    """Distance of attributions of players (n, p) from their Shapley values (n, p).

    Args:
        sums: Attributions of the players.
        shapley: Their Shapley values.
        add_up: Whether the attributions are meant to add up. If not, they are `fitted` first.

    Returns:
        (n,), as a share of the length of the Shapley values; NaN where all of these are 0.
    """
    lengths = np.linalg.norm(shapley, axis=1)
    distances = np.linalg.norm((sums if add_up else fitted(sums, shapley)) - shapley, axis=1)
    found = np.full(len(sums), np.nan)
    return np.asarray(np.divide(distances, lengths, out=found, where=lengths > 0))


def fitted(sums: NDArray[np.float64], shapley: NDArray[np.float64]) -> NDArray[np.float64]:
    """Attributions of players (n, p) that have no scale to judge, on that of the Shapley values.

    Those of each image are multiplied by the factor, 0 or more, that fits its Shapley values best.
    """
    squares = (sums**2).sum(axis=1)
    products = (sums * shapley).sum(axis=1).clip(min=0)
    factors = np.divide(products, squares, out=np.zeros(len(sums)), where=squares > 0)
    return np.asarray(sums * factors[:, None])


def _standardized(body: nn.Sequential, head: nn.Module) -> nn.Sequential:
    first = Standardize(Statistics((0.5,), (0.25,)))
    heads = head if isinstance(head, nn.Sequential) else [head]
    return nn.Sequential(first, *body, *heads).eval().requires_grad_(False)


def _images() -> tuple[Tensor, Tensor]:
    """Images and background images of smooth noise, pixels 0 … 255."""
    images = (255 * _field(N_IMAGES + N_BACKGROUND)).round()[:, None]
    return images[:N_IMAGES], images[N_IMAGES:]


def _field(n_images: int) -> Tensor:
    """Smooth noise (n, h, w) in [0, 1], the same at each call."""
    draw = torch.Generator().manual_seed(n_images)
    coarse = torch.rand((1, n_images, COARSE, COARSE), generator=draw)
    return functional.interpolate(coarse, (SIDE, SIDE), mode="bilinear")[0]


def _flat(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    return maps.reshape(len(maps), -1)
