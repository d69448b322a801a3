"""Writes tables as CSV; the same content always gives the same bytes.

Apart from JSON, since importing pandas is slow and not all stages write tables.
"""

from pathlib import Path

import pandas as pd

from stages.base.files.atomic import new_file

# Names of files need not be UTF-8, but pyarrow refuses others, and pandas prefers it if installed.
pd.set_option("mode.string_storage", "python")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table for `dvc plots`, as a new file."""
    with new_file(path) as partial:
        write_table(partial, table)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV: no index, six significant digits."""
    table.to_csv(
        path,
        index=False,
        float_format="%.6g",
        lineterminator="\n",
        errors="backslashreplace",
    )
