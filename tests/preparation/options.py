"""Parameters of the preprocess stage, with changes."""

from typing import Any

from stages.params.preprocess import Preprocess

DEFAULTS: dict[str, Any] = {
    "validation_fraction": 0.25,
    "test_fraction": 0.2,
    "image_size": None,
    "color": None,
    "pixel_range": None,
    "group": None,
    "limit": None,
}


def options(**changes: Any) -> Preprocess:
    return Preprocess.model_validate(DEFAULTS | changes)
