"""List experiments compactly: `python -m tools.experiments [dvc exp show's options]`.

`dvc exp show` prints a column for each number and setting, about sixty. This table has three
headline numbers (test accuracy, log loss, `top_class_agreement`) and the parameters that each
experiment changes from the commit it started from.
"""

import json
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.command import run_command, run_program
from tools.recipes import leaves

WIDTH = 100
COLUMNS = {"accuracy": "accuracy", "log_loss": "log loss", "top_class_agreement": "agreement"}
"""Metrics and the heads of their columns."""
NAME_WIDTH = 24


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    shown = run_program("experiments", "dvc", "exp", "show", "--json", *arguments, capture=True)
    print(f"{'experiment':{NAME_WIDTH}}{'  '.join(COLUMNS.values())}  changes")
    for commit in json.loads(shown):
        print("\n".join(rows(commit)))


def rows(commit: Mapping[str, Any]) -> Iterator[str]:
    """Lines for a commit, or the workspace, and the experiments that started there.

    Args:
        commit: One entry of the list that `dvc exp show --json` prints.
    """
    start = settings(commit)
    yield from row(commit["name"] or short(commit["rev"]), commit, [])
    for experiment in commit["experiments"] or []:
        last = experiment["revs"][0]
        now = settings(last)
        changes = [
            f"{key}: {json.dumps(now.get(key), ensure_ascii=False)}"
            for key in sorted(start.keys() | now.keys())
            if start.get(key) != now.get(key)
        ]
        state = (experiment["executor"] or {}).get("state", "")
        name = experiment["name"] or short(last["rev"])
        yield from row(f"  {name}", last, changes, "" if state == "success" else state)


def short(revision: str) -> str:
    """A commit's hash abbreviated to seven digits; other names unchanged."""
    return revision[:7] if len(revision) == 40 else revision


def row(
    name: str, version: Mapping[str, Any], changes: Sequence[str], state: str = ""
) -> Iterator[str]:
    """The lines of one version; long lists of changes are wrapped."""
    measured = dict(_values_of(version, "metrics"))
    numbers = [
        f"{measured[metric]:.4f}" if isinstance(measured.get(metric), float) else "-"
        for metric in COLUMNS
    ]
    cells = "  ".join(
        f"{number:>{len(head)}}" for head, number in zip(COLUMNS.values(), numbers, strict=True)
    )
    cells = f"{state.lower():<{len(cells)}}" if state else cells
    indent = NAME_WIDTH + len(cells) + 2
    text = ", ".join(changes)
    lines = textwrap.wrap(text, WIDTH - indent, break_on_hyphens=False) or [""]
    if len(name) >= NAME_WIDTH:  # on its own line, in full: dvc exp apply needs it
        yield name
        name = ""
    yield f"{name:{NAME_WIDTH}}{cells}  {lines[0]}".rstrip()
    yield from (" " * indent + line for line in lines[1:])


def settings(version: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of a version."""
    return dict(_values_of(version, "params"))


def _values_of(version: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Any]]:
    files = (version["data"] or {}).get(kind) or {}
    for file in files.values():
        yield from leaves(file.get("data") or {})


if __name__ == "__main__":
    run_command(main)
