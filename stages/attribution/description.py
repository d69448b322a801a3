"""The description of an explanation, `about.json` in `data/shap`."""

import importlib.metadata
from collections.abc import Mapping
from typing import Any

from stages.base.tracking.plugins import libraries_of_plugin
from stages.networks.checkpoint import Checkpoint
from stages.params.explain import Explain


def describe(
    checkpoint: Checkpoint, options: Explain, parameters: Mapping[str, Any]
) -> dict[str, Any]:
    """The description of the explanation, as in `Setup.about`.

    Args:
        checkpoint: The explained network.
        options: Section `explain` of `params.yaml`.
        parameters: All parameters that explain reads, by section.
    """
    libraries = libraries_of_plugin("architectures", checkpoint.architecture)
    return {
        "class_names": checkpoint.info.class_names,
        "dataset": checkpoint.info.name,
        "network": checkpoint.architecture,
        **options.model_dump(include={"method", "output", "n_background", "background"}),
        "parameters": {**checkpoint.parameters, **parameters},
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("torch", "shap", "numpy", *libraries)
        },
        **({"one_logit": True} if checkpoint.network.one_logit else {}),
    }
