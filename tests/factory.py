"""Makes the description of a data set, with only what a test cares about."""

from collections.abc import Mapping, Sequence
from typing import Any

from stages.artifacts.splits import DatasetInfo


def dataset_info(
    classes: Sequence[str] = "0123456789",
    size: tuple[int, int] = (28, 28),
    channels: int = 1,
    mean: Sequence[float] | float = 0.3,
    std: Sequence[float] | float = 0.3,
    name: str = "own",
    parameters: Mapping[str, Any] | None = None,
) -> DatasetInfo:
    """A data set's description; one mean and deviation stand for all channels."""
    means, deviations = (
        (value,) * channels if isinstance(value, float) else tuple(value) for value in (mean, std)
    )
    return DatasetInfo(name, tuple(classes), channels, size, means, deviations, parameters or {})
