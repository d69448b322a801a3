"""Write the reference of all parameters for the documentation: `python -m tools.params_reference`.

Meaning and unit are the comments of `params.yaml`, the default is its value, and what is allowed
comes from the models in `stages/params`.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from stages.base.files.atomic import new_file
from stages.base.files.yaml import PARAMS_FILE
from stages.params.whole import AllParams
from tools.command import run_command

PAGE = Path("docs/reference/params.md")
_ESCAPED = str.maketrans({"<": r"\<", "*": r"\*"})  # that Markdown would interpret
_HEAD = """# Parameters

Every setting of `params.yaml`. All keys are required; a misspelt, missing or mistyped
one is reported within a second, before any work. `make docs` writes this page.
"""


def main(_: Sequence[str]) -> None:
    """Write the reference of the parameters."""
    with new_file(PAGE) as file:
        file.write_text(page(PARAMS_FILE.read_text(encoding="utf-8")), encoding="utf-8")


def page(params: str) -> str:
    """The page in Markdown.

    Args:
        params: Content of `params.yaml`.
    """
    meanings, defaults = comments(params), yaml.safe_load(params)
    parts = [_HEAD]
    for name, field in AllParams.model_fields.items():
        model = _section(field.annotation)
        if model is None:
            schema = AllParams.model_json_schema()["properties"][name]
            parts.append(f"## {name}\n\n{meanings[name]}\n\n{_facts(schema, defaults[name])}\n")
            continue
        parts.append(f"## {name}\n")
        schemas = model.model_json_schema()["properties"]
        for key in model.model_fields:
            path = f"{name}.{key}"
            facts = _facts(schemas[key], defaults[name][key])
            parts.append(f"### {path}\n\n{meanings[path]}\n\n{facts}\n")
    return "\n".join(parts)


def comments(params: str) -> dict[str, str]:
    """The comment above each key of `params.yaml`, by the key's path."""
    found: dict[str, str] = {}
    section, lines = "", list[str]()
    for line in params.splitlines():
        text = line.strip()
        if text.startswith("#"):
            lines.append(text[1:].strip())
        elif not text:
            lines = []
        else:
            key, value = text.split(":", 1)
            if not line.startswith(" "):
                section = key
            path = key if not line.startswith(" ") else f"{section}.{key}"
            if value or lines:
                found[path] = " ".join(lines).translate(_ESCAPED)
            lines = []
    return found


def _section(annotation: Any) -> type[BaseModel] | None:
    """The model of a section; None for a key at the top level."""
    is_model = isinstance(annotation, type) and issubclass(annotation, BaseModel)
    return annotation if is_model else None


def _facts(schema: Mapping[str, Any], default: Any) -> str:
    lines = [f"- Default: `{yaml.safe_dump(default, default_flow_style=True).splitlines()[0]}`"]
    if allowed := "; ".join(_allowed(schema)):
        lines.append(f"- Allowed: {allowed}")
    return "\n".join(lines)


def _allowed(schema: Mapping[str, Any]) -> Iterator[str]:
    """What a JSON schema allows, in words; nothing if only the comment describes it."""
    if "anyOf" in schema:
        for option in schema["anyOf"]:
            yield from _allowed(option)
    elif "enum" in schema:
        yield ", ".join(f"`{value}`" for value in schema["enum"])
    elif "const" in schema:
        yield f"`{schema['const']}`"
    elif schema.get("type") == "array":
        items = ", ".join(_allowed(schema["items"]))
        yield f"a list of {'strings' if items == 'a string' else items}"
    elif "type" in schema:
        words = {
            "integer": "a whole number",
            "number": "a number",
            "string": "a string",
            "boolean": "`true` or `false`",
            "object": "keys and values",
            "null": "`null`",
        }
        yield f"{words[schema['type']]} {' and '.join(_bounds(schema))}".strip()


def _bounds(schema: Mapping[str, Any]) -> Iterator[str]:
    for key, words in (
        ("minimum", "at least"),
        ("exclusiveMinimum", "above"),
        ("maximum", "at most"),
        ("exclusiveMaximum", "below"),
    ):
        if key in schema:
            yield f"{words} {schema[key]:,}"


if __name__ == "__main__":
    run_command(main)
