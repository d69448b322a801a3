"""Turns errors of a user's network in training into readable messages."""

import contextlib
from collections.abc import Iterator

from stages.base.errors.user import UserError
from stages.base.tracking.plugins import failures_of_plugin


@contextlib.contextmanager
def failures_in_training(architecture: str, n_images: int, batch_size: int) -> Iterator[None]:
    """Turn errors that a network raises in training into a `UserError`.

    They can occur although the network was built and run once: in training mode batch norm uses
    batch statistics, and outputs may differ. Out-of-memory errors are left to `run_stage`.

    Args:
        architecture: Name of the file in `stages/architectures/`.
        n_images: Size of the training split.
        batch_size: `train.batch_size`.
    """
    file = f"stages/architectures/{architecture}.py"
    with failures_of_plugin("architectures", architecture, "fails in training"):
        try:
            yield
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise UserError(
                f"train.batch_size: batch norm of {file} needs two images in every batch, and "
                f"{n_images:,} images in batches of {batch_size} leave one for the last batch; "
                "choose another"
            ) from error
