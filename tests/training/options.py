"""Section `train` of the parameters, with changes."""

from typing import Any

from stages.params.train import Train

DEFAULTS: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 32,
    "optimizer": "sgd",
    "learning_rate": 0.05,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "schedule": "constant",
    "precision": "float32",
    "keep": "last",
    "augment": [],
    "class_weights": "none",
    "freeze": [],
    "head_learning_rate": None,
    "seed": None,
}


def options(**changes: Any) -> Train:
    return Train.model_validate(DEFAULTS | changes)
