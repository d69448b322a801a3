"""What a user's network may raise while it is trained, as one message."""

import contextlib
from collections.abc import Iterator

from stages.base.errors.user import UserError
from stages.base.tracking.plugins import failures_of_plugin


@contextlib.contextmanager
def failures_in_training(architecture: str, n_images: int, batch_size: int) -> Iterator[None]:
    """Turn what a network raises in training into a `UserError`.

    In training mode it does what it did not when it was built: batch norm counts, and outputs may
    differ. Lack of memory is left to `run_stage`.

    Args:
        architecture: Name of its file in `stages/architectures/`.
        n_images: In the training split.
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
                f"train.batch_size: batch norm of {file} needs two images in every batch, and of "
                f"{n_images:,} images in batches of {batch_size} one is left for the last; choose "
                "another"
            ) from error
