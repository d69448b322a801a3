"""Section `explain`: which images are explained, how, and against which background."""

import difflib
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from stages.base.params.plugins import plugin_name
from stages.base.params.sections import Section, Seed
from stages.base.tracking.plugins import constant_of_plugin

CHOICES = ("first", "random", "per_class", "mistakes", "all")
MISSPELT = 0.8  # similarity, up to 1, from which a word is a misspelt choice and not a name


def _choice_or_list(value: Any) -> Any:
    if isinstance(value, list):
        valid = len(value) > 0 and all(
            type(item) is str or (type(item) is int and item >= 0) for item in value
        )
        words = [item for item in value if type(item) is str and item not in CHOICES]
    else:
        valid, words = value in CHOICES, []
    if not valid:
        raise PydanticCustomError(
            "images",
            f"must be {', '.join(CHOICES)} or a list of these, of names such as [cats/1.jpg] and "
            "of positions, 0 or more",
        )
    for word in words:  # names can be checked only with a test split, misspelt choices now
        if closest := difflib.get_close_matches(word, CHOICES, n=1, cutoff=MISSPELT):
            raise PydanticCustomError(
                "images",
                f"{word!r} is not a choice; did you mean {closest[0]}? Choose an image of this "
                "name by its position",
                {"suggestion": closest[0]},
            )
    return value


def _all_predicted_top_or_classes(value: Any) -> Any:
    if isinstance(value, dict):
        valid = list(value) == ["top"] and type(value["top"]) is int and value["top"] >= 1
    elif isinstance(value, list):
        numbers = [item for item in value if type(item) is not str]
        valid = len(value) > 0 and all(type(item) is int and item >= 0 for item in numbers)
    else:
        valid = value in ("all", "predicted")
    if not valid:
        expected = "must be all, predicted, {top: 1 or more} or a list of class names and numbers"
        raise PydanticCustomError("outputs", expected)
    return value


def _require_additive(method: str) -> str:
    if not constant_of_plugin("explainers", method, "ADDS_UP", True):
        raise PydanticCustomError(
            "additive",
            "the values of {method} do not add up to output minus base value, which a run's "
            "explanation must; name it in quality.methods, or compare it with make league",
            {"method": method},
        )
    return method


Method = Annotated[str, plugin_name("explainers", "method"), AfterValidator(_require_additive)]
Output = Literal["logits", "probabilities"]
Outputs = Annotated[
    str | dict[str, int] | list[str | int], PlainValidator(_all_predicted_top_or_classes)
]
Background = Annotated[int, Field(ge=1)]
Images = Annotated[str | list[str | int], PlainValidator(_choice_or_list)]


class Explain(Section):
    """Section `explain`, read by explain."""

    method: Method
    output: Output
    outputs: Outputs
    n_background: Background
    background: Literal["stratified", "random"]
    images: Images
    n_images: Annotated[int, Field(ge=1)]
    seed: Seed
    tolerance: Annotated[float, Field(gt=0, allow_inf_nan=False)]
