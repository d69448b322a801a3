"""Field types for parameters that name a plug-in or hold its options."""

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import AfterValidator, ConfigDict, ValidationError, ValidationInfo, create_model
from pydantic_core import PydanticCustomError

from stages.base.params.messages import did_you_mean, error_lines
from stages.base.tracking.experiments import (
    VISIBILITY,
    missing_in_experiment,
    workspace_of_experiment,
)
from stages.base.tracking.plugins import (
    failures_of_plugin,
    load_plugin,
    plugin_names,
    requires_options,
)


def plugin_name(kind: str, noun: str, *others: str) -> AfterValidator:
    """Require a string to name a file in `stages/<kind>/`; messages call it a `noun`.

    Args:
        kind: `datasets`, `architectures` or `explainers`.
        noun: The word for what such a file defines.
        others: Further allowed names, which are not files.
    """

    def check(name: str) -> str:
        known = [*others, *plugin_names(kind)]
        if name not in known:
            file = Path("stages", kind, f"{name}.py")
            details = {
                "noun": noun,
                "name": repr(name),
                "known": ", ".join(known),
                "suggestion": did_you_mean(name, known),
                "kind": kind,
                "reason": missing_in_experiment(file, "git add"),
                "and_git": f" and git add it: {VISIBILITY}" if workspace_of_experiment() else "",
            }
            message = (
                "unknown {noun} (got {name}): {reason}"
                if details["reason"]
                else "unknown {noun} (got {name}); known: {known}{suggestion}, or add "
                "stages/{kind}/<name>.py{and_git}"
            )
            raise PydanticCustomError("unknown_plugin", message, details)
        return name

    return AfterValidator(check)


def plugin_options(kind: str, field: str, function: str) -> AfterValidator:
    """Check options against the plug-in that another field of the section names.

    Args:
        kind: `datasets` or `architectures`.
        field: The field that names the plug-in, declared before the options.
        function: The plug-in's function that takes the options: its parameters that have a
            default or are keyword-only. Their annotations define which values are valid, with
            pydantic's `Annotated[int, Field(ge=1)]` and `Literal[…]` where needed. If the function
            accepts any others (`**arguments`), the plug-in's `argument_errors(**options)` checks
            them.
    """

    def check(options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        _require_json(options)
        name = info.data.get(field)
        if name is None:  # its error is reported already
            return options
        if not options and not requires_options(kind, name, function):
            return options
        plugin = load_plugin(kind, name, (function,))
        with failures_of_plugin(kind, name, f"the signature of {function}() cannot be read"):
            lines = option_errors(getattr(plugin, function), options)
        if not lines and hasattr(plugin, "argument_errors"):
            lines = plugin.argument_errors(**options)
        if lines:
            raise PydanticCustomError("options", "wrong options", {"lines": lines})
        return options

    return AfterValidator(check)


def _require_json(options: dict[str, Any]) -> None:
    """Reject dates, infinity and the like: parameters are stored as JSON."""
    try:
        json.dumps(options, allow_nan=False)
    except (TypeError, ValueError):
        raise PydanticCustomError(
            "json",
            "must contain only finite numbers, strings, true, false, null, and lists of them",
        ) from None


def option_errors(function: Callable[..., Any], options: dict[str, Any]) -> list[str]:
    """One line for each option that `function` does not accept."""
    fields: dict[str, Any] = {}
    parameters = inspect.signature(function, eval_str=True).parameters
    accepts_others = any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()
    )
    for name, parameter in parameters.items():
        annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
        if parameter.default is not parameter.empty:
            fields[name] = (annotation, parameter.default)
        elif parameter.kind is parameter.KEYWORD_ONLY:
            fields[name] = (annotation, ...)
    config = ConfigDict(
        extra="allow" if accepts_others else "forbid", strict=True, arbitrary_types_allowed=True
    )
    model = create_model("Options", __config__=config, **fields)
    try:
        model.model_validate(options)
    except ValidationError as error:
        return error_lines(error, model)
    return []
