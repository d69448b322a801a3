"""The page: a table in Markdown, a row per promise, and what to do where one does not hold."""

from collections.abc import Sequence
from typing import NamedTuple

from tools.markdown import table

MOST_LINES = 5  # about a promise, below the table
HEADS = ("promise", "verdict", "shown by", "evidence")

HOLD, FAIL, UNKNOWN = 0, 1, 2  # exit status


class Row(NamedTuple):
    """A promise and whether it holds.

    Attributes:
        promise: What is promised.
        holds: None if that is unknown.
        command: The command that shows it.
        evidence: Figures and hashes.
        remedies: What is wrong or unknown and what to do, one per line; empty if it holds.
    """

    promise: str
    holds: bool | None
    command: str
    evidence: str
    remedies: Sequence[str] = ()

    @property
    def verdict(self) -> str:
        """In words."""
        return {True: "holds", False: "does not hold", None: "unknown"}[self.holds]


def status(rows: Sequence[Row]) -> int:
    """The exit status: `FAIL` if a promise does not hold, else `UNKNOWN` if one is unknown."""
    held = {row.holds for row in rows}
    return FAIL if False in held else UNKNOWN if None in held else HOLD


def page(rows: Sequence[Row], question: str, versions: Sequence[str]) -> str:
    """The page.

    Args:
        rows: The promises.
        question: What is judged.
        versions: The versions with their hashes, one per line.
    """
    found = status(rows)
    verdict = {HOLD: "holds", FAIL: "does not hold", UNKNOWN: "unknown"}[found]
    parts = [
        f"# Verdict: {verdict} (exit status {found})",
        question,
        "\n".join(f"- {version}" for version in versions),
        _table(rows),
        *(_remedies(row) for row in rows if row.remedies),
    ]
    return "\n\n".join(parts)


def _table(rows: Sequence[Row]) -> str:
    """All columns aligned except the last, whose cells may be long."""
    cells = [
        HEADS,
        *((row.promise, row.verdict, f"`{row.command}`", row.evidence) for row in rows),
    ]
    escaped = [[cell.replace("|", "\\|") for cell in line] for line in cells]
    return table(escaped, aligned=len(HEADS) - 1)


def _remedies(row: Row) -> str:
    lines = [f"- {line}" for line in row.remedies[:MOST_LINES]]
    if len(row.remedies) > MOST_LINES:
        lines.append(f"- and {len(row.remedies) - MOST_LINES:,} more: `{row.command}`")
    return "\n".join([f"{row.promise}: {row.verdict}", "", *lines])
