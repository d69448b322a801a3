"""Section `data`: which images, and where they come from."""

from typing import Annotated, Any

from pydantic import Field

from stages.pipeline.options import options_of
from stages.pipeline.params import DatasetName, Section, matching


class Data(Section):
    """Read by download and preprocess."""

    dataset: DatasetName
    source: Annotated[str, Field(min_length=1)]
    mirrors: list[Annotated[str, matching(r"(https?|file)://.+", "a URL: http(s)://…")]]
    skip_damaged: bool
    options: Annotated[dict[str, Any], options_of("datasets", "dataset", "fetch")]
