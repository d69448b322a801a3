"""Reads and writes JSON and CSV; the same content always gives the same bytes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.base.files.atomic import new_file

if TYPE_CHECKING:  # importing pandas is slow, and most stages write no table
    import pandas as pd


def write_json(path: Path, content: Mapping[str, Any], *, sort_keys: bool = True) -> None:
    """Write indented JSON, with keys sorted or in the given order."""
    text = json.dumps(content, indent=2, sort_keys=sort_keys, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def write_csv(path: Path, table: "pd.DataFrame") -> None:
    """Write a table for `dvc plots`, as a new file."""
    with new_file(path) as partial:
        write_table(partial, table)


def write_table(path: Path, table: "pd.DataFrame") -> None:
    """Write a table as CSV: no index, six significant digits."""
    table.to_csv(
        path,
        index=False,
        float_format="%.6g",
        lineterminator="\n",
        errors="backslashreplace",  # file names need not be UTF-8
    )
