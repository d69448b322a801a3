"""A mark at any place, on photographs: a network set by hand sees it wherever it is."""

import numpy as np
import torch
from torch import Tensor, nn

from stages.shortcut_search.search import findings, search
from tests.shortcut_search.known import MARK, SIDE, subject_of

MARK_PX, GAIN = 4, 6.0
N_IMAGES, N_CLASSES, MARKED_CLASS = 400, 2, 1


class SeesTheMark(nn.Module):
    """Brightness says the class; a bright square anywhere adds to the second."""

    def forward(self, images: Tensor) -> Tensor:
        squares = nn.functional.avg_pool2d(images, MARK_PX, stride=1).amax(dim=(1, 2, 3))
        by_mark = GAIN * (squares / MARK).clamp(max=1) ** 8
        odds = (images.mean(dim=(1, 2, 3)) - 60) / 5
        return torch.stack([-odds, odds + by_mark], dim=1)


def test_a_mark_that_moves_is_found_with_its_members() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(N_IMAGES) % N_CLASSES
    noise = rng.integers(0, 100, (N_IMAGES, 1, SIDE, SIDE))
    images = (noise + 30 * labels[:, None, None, None] - 0).clip(0, 255).astype(np.uint8)
    marked = (labels == MARKED_CLASS) & (rng.random(N_IMAGES) < 0.3)
    maps = rng.normal(0, 0.005, (N_IMAGES, SIDE, SIDE))
    for index in np.flatnonzero(marked):
        row, column = rng.integers(0, SIDE - MARK_PX, 2)
        place = np.s_[row : row + MARK_PX, column : column + MARK_PX]
        images[index, 0][place] = MARK
        maps[index][place] += GAIN / MARK_PX**2
    with subject_of(SeesTheMark(), images, labels, maps) as subject:
        found = findings(search(subject, list(range(N_CLASSES))))
    (moving,) = [finding for finding in found if finding.rule.kind == "moving"]
    assert moving.class_number == MARKED_CLASS
    predicted = np.flatnonzero(subject.predicted == MARKED_CLASS)
    wanted = np.intersect1d(predicted, np.flatnonzero(marked))
    assert np.isin(moving.members, wanted).mean() >= 0.9
    assert np.isin(wanted, moving.members).mean() >= 0.9
