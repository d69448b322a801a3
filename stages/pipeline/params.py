"""Reading `params.yaml`: strict, all mistakes at once, a line each."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.pipeline.errors import UserError
from stages.pipeline.plugins import plugin_names

PARAMS_FILE = Path("params.yaml")


class Section(BaseModel):
    """A section of `params.yaml`: knows its keys and refuses all others."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StageParams(BaseModel):
    """What one stage reads: its fields are the top-level keys, others are not looked at."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


def _known_plugin(kind: str, noun: str) -> AfterValidator:
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


def matching(pattern: str, expected: str) -> AfterValidator:
    """Require a text to match a pattern, and say in words what is expected."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise PydanticCustomError("mismatch", "must be {expected}", {"expected": expected})
        return text

    return AfterValidator(check)


DatasetName = Annotated[str, _known_plugin("datasets", "data set")]
ArchitectureName = Annotated[str, _known_plugin("architectures", "network")]
ExplainerName = Annotated[str, _known_plugin("explainers", "method")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
DeviceName = Annotated[
    str, matching(r"auto|cpu|mps|cuda(:\d+)?", "auto, cpu, mps, cuda or cuda:<index>")
]

Params = TypeVar("Params", bound=BaseModel)


def load_params(model: type[Params], path: Path = PARAMS_FILE) -> Params:
    """Read and check the parameters that `model` declares.

    Args:
        model: A `StageParams` with one field for each top-level key that is read, or a `Section`
            that stands for the whole file.
        path: The file.

    Raises:
        UserError: The file is missing or no YAML, or keys are unknown, missing or mistyped: every
            one of them, a line each.
    """
    return check_params(read_yaml(path), model, path)


def check_params(content: Mapping[str, Any], model: type[Params], source: Path) -> Params:
    """Check parameters that were read from `source`, as `load_params` does."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = mistakes(error, model)
        raise UserError("\n".join([f"{source}: {_count(lines)}", *lines])) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a mapping with the parser that DVC reads it with, so that both see the same values.

    (PyYAML follows YAML 1.1, where `1e-3` is a string.)

    Raises:
        UserError: The file is missing, is no YAML or holds no mapping.
    """
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run git checkout -- {path}") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: must hold keys and values (got {type(content).__name__})")
    return content


_MESSAGES = {
    "model_type": "must be a section of keys and values",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
}


def _count(lines: Sequence[str]) -> str:
    return "1 mistake" if len(lines) == 1 else f"{len(lines)} mistakes"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """End a message with the closest known name, if there is one."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def mistakes(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Every mistake as `  section.key: what is wrong (got …)`."""
    lines = []
    for details in error.errors():
        where = ".".join(map(str, details["loc"]))
        inner = details.get("ctx", {}).get("mistakes")  # of a part that was checked on its own
        if inner:
            lines += [f"  {where}.{line.strip()}" for line in inner]
        else:
            lines.append(f"  {where}: {_what_is_wrong(details, model)}")
    return lines


def _what_is_wrong(details: ErrorDetails, model: type[BaseModel]) -> str:
    *parents, key = details["loc"]
    if details["type"] == "extra_forbidden":
        known = list(_section_at(model, parents).model_fields)
        near = did_you_mean(str(key), known)
        return f"unknown key{near or '; known: ' + (', '.join(known) or 'none')}"
    if details["type"] == "missing":
        return "missing; add it (git checkout -- params.yaml restores the defaults)"
    message = _MESSAGES.get(details["type"], details["msg"].replace("Input should", "must"))
    if "near" in details.get("ctx", {}):  # says itself what it got
        return message
    return f"{message[0].lower()}{message[1:]} (got {details['input']!r})"


def _section_at(model: type[BaseModel], parents: Sequence[int | str]) -> type[BaseModel]:
    for name in parents:
        model = next(_models_in(model.model_fields[str(name)].annotation))
    return model


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            yield candidate
