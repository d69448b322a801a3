"""Section `data`: which images, and where they come from."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from stages.pipeline.options import options_of
from stages.pipeline.params import DatasetName, Section, StageParams, matching


def _existing(source: str) -> str:
    if not Path(source).exists():
        raise PydanticCustomError(
            "source", "must be a folder or file that exists: create it, or name another"
        )
    return source


class Data(Section):
    """Read by download."""

    dataset: DatasetName
    source: Annotated[str, AfterValidator(_existing)]
    mirrors: list[Annotated[str, matching(r"(https?|file)://.+", "a URL: http(s)://… or file://…")]]
    skip_damaged: bool
    options: Annotated[dict[str, Any], options_of("datasets", "dataset", "fetch")]


class DataName(StageParams):
    """Of the section, what preprocess reads."""

    dataset: DatasetName
