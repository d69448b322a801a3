"""Finds the Parquet files of each split in a folder."""

import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from stages.base.errors.user import UserError
from stages.datasets.base import stored
from stages.datasets.base.layout import printable
from stages.datasets.base.split_names import SPLIT_OF

LAYOUT = "train-*.parquet and, if there are, validation-*.parquet and test-*.parquet"
MOST_LISTED = 10


def files_by_split(root: Path) -> dict[str, list[Path]]:
    """Paths of the files by split, the training split first.

    Args:
        root: The user's folder; or a file, which is the training split.

    Raises:
        UserError: There are no files, some name no split, or some are of different data sets.
    """
    if root.is_file():
        return {"train": [root]}
    inside = (path.relative_to(root) for path in sorted(root.rglob("*.parquet")))
    visible = [path for path in inside if not any(part.startswith(".") for part in path.parts)]
    if not visible:
        raise UserError(
            f"data.source: {printable(root)}: has no Parquet files; dataset parquet needs {LAYOUT} "
            "there, or one such file"
        )
    found: dict[str, list[Path]] = defaultdict(list)
    for path in visible:
        found[_split_of(path)].append(path)
    if list(found) == [""]:
        found["train"] = found.pop("")
    _require_plain_layout(root, found)
    return {
        split: [root / path for path in found[split]] for split in stored.SPLITS if split in found
    }


def _split_of(path: Path) -> str:
    """The split that a file or its folder names; "" if they name none."""
    for name in (path.stem, *reversed(path.parent.parts)):
        for word in re.split(r"[^a-z]+", name.lower()):
            if word in SPLIT_OF:
                return SPLIT_OF[word]
    return ""


def _require_plain_layout(root: Path, found: Mapping[str, list[Path]]) -> None:
    where = f"data.source: {printable(root)}"
    if "" in found or "train" not in found:
        problem = (
            f"{printable(found[''][0])} names no split, but other files do"
            if "" in found
            else f"has files of the {' and '.join(found)} split, but none of the train split"
        )
        raise UserError(f"{where}: {problem}; expected {LAYOUT}: rename it, or move others away")
    for split, paths in found.items():
        folders = sorted({path.parent for path in paths})
        if len(folders) > 1:
            listed = ", ".join(map(printable, folders[:MOST_LISTED]))
            raise UserError(
                f"{where}: files of the {split} split are in {len(folders)} folders ({listed}), "
                "perhaps of several data sets; set data.source to one of them"
            )
