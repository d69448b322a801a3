"""Turns pydantic's validation errors into lines that a user can act on."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stages.base.errors.user import shortened

LONGEST_LINE = 2_000  # characters

_MESSAGES = {
    "model_type": "must be a section of keys and values",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
}


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The end of a message, suggesting the closest known name; empty if none is close."""
    closest = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {closest[0]}?" if closest else ""


def error_lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line for each error: `  section.key: what is wrong (got …)`.

    Args:
        error: Raised by `model`.
        model: The model whose fields are the known keys.
    """
    lines = []
    for details in error.errors():
        where = ".".join(map(str, details["loc"]))
        option_lines = details.get("ctx", {}).get("lines")  # from the model that checks options
        if option_lines:
            lines += [f"  {where}.{line.strip()}" for line in option_lines]
        else:
            lines.append(f"  {where}: {_message(details, model)}")
    return [shortened(line, LONGEST_LINE) for line in lines]


def _message(details: ErrorDetails, model: type[BaseModel]) -> str:
    *parents, key = details["loc"]
    if details["type"] == "extra_forbidden":
        known = list(_section_at(model, parents).model_fields)
        suggestion = did_you_mean(str(key), known)
        return f"unknown key{suggestion or '; known: ' + (', '.join(known) or 'none')}"
    if details["type"] == "missing":
        return "missing; add it, or run git checkout --patch params.yaml to undo edits one by one"
    message = _MESSAGES.get(details["type"], details["msg"].replace("Input should", "must"))
    if "suggestion" in details.get("ctx", {}):  # the message already contains the value
        return message
    return f"{message[0].lower()}{message[1:]} (got {_got(details['input'])})"


def _got(value: Any) -> str:
    """A value for a message."""
    try:
        return shortened(repr(value))
    except ValueError:  # Python does not print integers of thousands of digits
        return "a huge number"


def _section_at(model: type[BaseModel], parents: Sequence[int | str]) -> type[BaseModel]:
    for name in parents:
        model = next(_models_in(model.model_fields[str(name)].annotation))
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            yield candidate
