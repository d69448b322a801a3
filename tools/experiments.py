"""List experiments in 100 columns: `python -m tools.experiments [dvc exp show's options]`.

`dvc exp show` has a column for every number and every setting, some sixty. This has the headline
numbers, and in words what each experiment changes against the commit that it started from.
"""

import json
import subprocess
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stages.base.errors.user import UserError
from tools.command import run_command
from tools.recipes import leaves

WIDTH = 100
NUMBERS = ("accuracy", "log_loss", "top_class_agreement")
NAME_WIDTH = 24


def main(arguments: Sequence[str]) -> None:
    """Ask DVC, print a table."""
    command = ["dvc", "exp", "show", "--json", *arguments]
    try:
        shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    except FileNotFoundError:
        raise UserError("dvc: not found; activate the environment, or use make") from None
    except subprocess.CalledProcessError:
        raise UserError("experiments: dvc exp show failed; see above") from None
    print(f"{'experiment':{NAME_WIDTH}}{'  '.join(NUMBERS)}  changes")
    for commit in json.loads(shown):
        print("\n".join(rows(commit)))


def rows(commit: Mapping[str, Any]) -> Iterator[str]:
    """Lines for a commit, or the workspace, and the experiments that started there.

    Args:
        commit: One entry of what `dvc exp show --json` prints.
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
    """A commit's hash as Git abbreviates it; `workspace` stays."""
    return revision[:7] if len(revision) == 40 else revision


def row(
    name: str, version: Mapping[str, Any], changes: Sequence[str], state: str = ""
) -> Iterator[str]:
    """The lines of one version: its changes are wrapped, nothing else is."""
    measured = dict(_of_files(version, "metrics"))
    numbers = [
        f"{measured[name]:.4f}" if isinstance(measured.get(name), float) else "-"
        for name in NUMBERS
    ]
    cells = "  ".join(
        f"{number:>{len(name)}}" for name, number in zip(NUMBERS, numbers, strict=True)
    )
    cells = f"{state.lower():<{len(cells)}}" if state else cells
    indent = NAME_WIDTH + len(cells) + 2
    text = ", ".join(changes)
    lines = textwrap.wrap(text, WIDTH - indent, break_on_hyphens=False) or [""]
    if len(name) >= NAME_WIDTH:  # on a line of its own, since dvc exp apply needs all of it
        yield name
        name = ""
    yield f"{name:{NAME_WIDTH}}{cells}  {lines[0]}".rstrip()
    yield from (" " * indent + line for line in lines[1:])


def settings(version: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter of a version."""
    return dict(_of_files(version, "params"))


def _of_files(version: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Any]]:
    files = (version["data"] or {}).get(kind) or {}
    for file in files.values():
        yield from leaves(file.get("data") or {})


if __name__ == "__main__":
    run_command(main)
