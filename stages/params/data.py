"""Section `data`: the data set, and where it comes from."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

from stages.base.params.plugins import plugin_name, plugin_options
from stages.base.params.sections import Section, matching
from stages.base.tracking.experiments import exists_or_tracked, missing_in_experiment
from stages.base.tracking.plugins import load_plugin


def _existing(source: str) -> str:
    if not exists_or_tracked(Path(source)):
        advice = missing_in_experiment(Path(source), "dvc add") or "create it, or name another"
        raise PydanticCustomError(
            "source", "must be a folder or file that exists: {advice}", {"advice": advice}
        )
    return source


def _in_dataset(labels: str, info: ValidationInfo) -> str:
    name = info.data.get("dataset")
    if labels == "multiple" and name is not None:
        plugin = load_plugin("datasets", name, ("fetch", "read"))
        if not getattr(plugin, "SEVERAL_LABELS", False):
            reason = "must be single, since each image of {name} has one class"
            raise PydanticCustomError("labels", reason, {"name": name})
    return labels


class Data(Section):
    """Section `data`, read by download."""

    dataset: Annotated[str, plugin_name("datasets", "data set")]
    source: Annotated[str, AfterValidator(_existing)]
    mirrors: list[Annotated[str, matching(r"(https?|file)://.+", "a URL: http(s)://… or file://…")]]
    labels: Annotated[Literal["single", "multiple"], AfterValidator(_in_dataset)]
    skip_damaged: bool
    options: Annotated[dict[str, Any], plugin_options("datasets", "dataset", "fetch")]
