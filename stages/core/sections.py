"""What the sections of `params.yaml` are declared with: base classes and field types."""

import inspect
import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
)
from pydantic_core import PydanticCustomError

from stages.core.messages import did_you_mean, error_lines
from stages.core.plugins import load_plugin, plugin_names


class Section(BaseModel):
    """A section of `params.yaml`: knows its keys and refuses all others."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StageParams(BaseModel):
    """What one stage reads: its fields are top-level keys; it ignores the others."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


def matching(pattern: str, expected: str) -> AfterValidator:
    """Require a text to match a pattern; `expected` says in words what is allowed."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise PydanticCustomError("mismatch", "must be {expected}", {"expected": expected})
        return text

    return AfterValidator(check)


Seed = Annotated[int, Field(ge=0, lt=2**32)]
DeviceName = Annotated[
    str, matching(r"auto|cpu|mps|cuda(:\d+)?", "auto, cpu, mps, cuda or cuda:<index>")
]


def plugin_name(kind: str, noun: str) -> AfterValidator:
    """Require a text to name a file in `stages/<kind>/`; messages call it `noun`."""

    def check(name: str) -> str:
        known = plugin_names(kind)
        if name not in known:
            near = did_you_mean(name, known)
            raise PydanticCustomError(
                "unknown_plugin",
                "unknown {noun} (got {name}); known: {known}{near}, or add stages/{kind}/<name>.py",
                {
                    "noun": noun,
                    "name": repr(name),
                    "known": ", ".join(known),
                    "near": near,
                    "kind": kind,
                },
            )
        return name

    return AfterValidator(check)


def plugin_options(kind: str, field: str, function: str) -> AfterValidator:
    """Check options against the plug-in that another field of the section names.

    Args:
        kind: `datasets` or `architectures`.
        field: The field that names the plug-in; it stands before the options.
        function: The plug-in's function that takes the options. Its parameters with a default, or
            that can only be given by keyword, are the options; their annotations say which values
            pass, with pydantic's `Annotated[int, Field(ge=1)]` and `Literal[…]` if need be.
    """

    def check(options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        name = info.data.get(field)
        if name is None or not options:  # an unknown name is an error of its own
            return options
        lines = option_errors(getattr(load_plugin(kind, name, (function,)), function), options)
        if lines:
            raise PydanticCustomError("options", "wrong options", {"lines": lines})
        return options

    return AfterValidator(check)


def option_errors(function: Callable[..., Any], options: dict[str, Any]) -> list[str]:
    """One line for each option that `function` does not take as given."""
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
        return error_lines(error, model)
    return []
