"""Options of a plug-in: the keyword arguments of one of its functions, checked against it."""

import inspect
from collections.abc import Callable
from typing import Any

from pydantic import AfterValidator, ConfigDict, ValidationError, ValidationInfo, create_model
from pydantic_core import PydanticCustomError

from stages.pipeline.params import mistakes
from stages.pipeline.plugins import load_plugin


def options_of(kind: str, field: str, function: str) -> AfterValidator:
    """Check options against the plug-in that another field of the section has named.

    Args:
        kind: `datasets` or `architectures`.
        field: Stands before the options and names the plug-in.
        function: Which of its functions gets them. Its parameters with a default, or that can
            only be given by keyword, are the options; their annotations say which values pass,
            with pydantic's `Annotated[int, Field(ge=1)]` and `Literal[…]` if need be.
    """

    def check(options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        name = info.data.get(field)
        if name is None or not options:  # unknown, a mistake of its own; or nothing to check
            return options
        lines = option_mistakes(getattr(load_plugin(kind, name, (function,)), function), options)
        if lines:
            raise PydanticCustomError("options", "wrong options", {"mistakes": lines})
        return options

    return AfterValidator(check)


def option_mistakes(function: Callable[..., Any], options: dict[str, Any]) -> list[str]:
    """Every option that `function` does not take, with what is wrong about it."""
    fields: dict[str, Any] = {}
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
        if parameter.default is not parameter.empty:
            fields[name] = (annotation, parameter.default)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            fields[name] = (annotation, ...)
    config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)
    model = create_model("Options", __config__=config, **fields)
    try:
        model.model_validate(options)
    except ValidationError as error:
        return mistakes(error, model)
    return []
