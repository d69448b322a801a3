"""Which training images stand for "no information"."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stages.core.errors import UserError
from stages.sampling.strata import stratified_sample


def choose_background(
    labels: NDArray[np.int64], n_background: int, draw: Literal["stratified", "random"], seed: int
) -> NDArray[np.int64]:
    """Draw the background from the training split.

    Args:
        labels: True classes of the training split (n,).
        n_background: How many to draw.
        draw: `stratified` gives each class its share of `n_background`, rounded so that the total
            stays exact; `random` ignores the classes.
        seed: Of the draw.

    Returns:
        Positions in the training split, ascending.

    Raises:
        UserError: The training split has fewer images.
    """
    n_train = len(labels)
    if n_background > n_train:
        raise UserError(
            f"explain.n_background: must be at most {n_train:,}, the size of the training split "
            f"(got {n_background:,})"
        )
    if draw == "stratified":
        return stratified_sample(labels, n_background, seed)
    return np.sort(np.random.default_rng(seed).permutation(n_train)[:n_background])
