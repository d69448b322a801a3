"""Check that results are what was recorded, and right by themselves: `python -m tools.verify`.

Recomputes the digests of all outputs and of DVC's cache, since DVC itself trusts a file of the size
and time that it knows; opens every array and checks shapes, finiteness, additivity and error bars.
What was never fetched is said, and is no error. Changes nothing.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from stages.artifacts import explanation, portable, predictions, quality, splits
from stages.core.errors import UserError
from tools.command import run_command
from tools.verify.arrays import Damage, opened
from tools.verify.digests import Found, check_digests
from tools.verify.explained import check_explanation
from tools.verify.records import cache_folder, contradictions, read_records
from tools.verify.results import (
    check_network,
    check_portable,
    check_predictions,
    check_quality,
    check_splits,
)

NETWORK = Path("data/model")  # not from the module that owns it, which imports torch

T = TypeVar("T")


class Arrays(NamedTuple):
    """What the arrays say.

    Attributes:
        damage: A line for each folder that is not right by itself.
        checked: The folders that are.
        additivity: Largest error, as a share of the outputs' range; None without an explanation.
    """

    damage: list[str]
    checked: list[Path]
    additivity: float | None


def main(arguments: Sequence[str]) -> None:
    """Check digests, then the arrays of what is as recorded; print."""
    parser = argparse.ArgumentParser(prog="python -m tools.verify", description=__doc__)
    parser.parse_args(arguments)
    records = read_records()
    found = check_digests(records, cache_folder())
    stages = {record.path: record.source for record in records}
    missing = {record.path for record in found.missing}
    arrays = check_arrays({path: stages[path] for path in stages.keys() - missing - found.damaged})
    lines = [*contradictions(), *found.damage, *arrays.damage]
    print_sound(found, arrays)
    if lines:
        count = "1 fault" if len(lines) == 1 else f"{len(lines)} faults"
        raise UserError("\n".join([f"verify: {count}", *lines]))


def check_arrays(stages: dict[Path, str]) -> Arrays:
    """Check the arrays of all artifacts.

    Args:
        stages: What wrote each folder that is there and as recorded.
    """
    damage, checked = [], []

    def attempt(folder: Path, check: Callable[[], T]) -> T | None:
        if folder not in stages:
            return None
        try:
            result = check()
        except Damage as error:
            again = f"dvc repro --force {stages[folder]}"
            damage.append(f"{error}; its digest is as recorded, so the run wrote it so: {again}")
            return None
        checked.append(folder)
        return result

    def explained() -> tuple[explanation.Explanation, float]:
        path = predictions.FOLDER / "probabilities.npy"
        known = opened(path, "float32", (None, None)) if predictions.FOLDER in checked else None
        return check_explanation(prepared and prepared[1], known)

    prepared = attempt(splits.FOLDER, check_splits)
    attempt(NETWORK, lambda: check_network(prepared and prepared[0]))
    attempt(predictions.FOLDER, lambda: check_predictions(prepared and prepared[1]["test"]))
    result = attempt(explanation.FOLDER, explained)
    attempt(portable.FOLDER, check_portable)
    attempt(quality.FOLDER, lambda: check_quality(result and result[0].indices))
    return Arrays(damage, checked, result and result[1])


def print_sound(found: Found, arrays: Arrays) -> None:
    """Say what was checked and is right, and what is not here."""
    if found.damage:
        print(f"read {found.n_files:,} files of results and {found.n_objects:,} of the cache")
    else:
        print(
            f"{found.n_files:,} files of results are as recorded, "
            f"{found.n_objects:,} of the cache as named"
        )
    if arrays.checked:
        print(f"arrays fit each other and are finite: {', '.join(map(str, arrays.checked))}")
    if arrays.additivity is not None:
        print(f"attributions add up to within {arrays.additivity:.1e} of the outputs' range")
    if found.missing:
        listed = ", ".join(str(record.path) for record in found.missing)
        print(f"not here, and not checked: {listed}; dvc pull fetches it, dvc repro makes it")


if __name__ == "__main__":
    run_command(main)
