"""Section `data`: the data set, and where it comes from."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from stages.base.params.plugins import plugin_name, plugin_options
from stages.base.params.sections import Section, matching
from stages.base.tracking.experiments import exists_or_tracked, missing_in_experiment


def _existing(source: str) -> str:
    if not exists_or_tracked(Path(source)):
        advice = missing_in_experiment(Path(source), "dvc add") or "create it, or name another"
        raise PydanticCustomError(
            "source", "must be a folder or file that exists: {advice}", {"advice": advice}
        )
    return source


class Data(Section):
    """Section `data`, read by download."""

    dataset: Annotated[str, plugin_name("datasets", "data set")]
    source: Annotated[str, AfterValidator(_existing)]
    mirrors: list[Annotated[str, matching(r"(https?|file)://.+", "a URL: http(s)://… or file://…")]]
    skip_damaged: bool
    options: Annotated[dict[str, Any], plugin_options("datasets", "dataset", "fetch")]
