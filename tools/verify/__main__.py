"""Check that results are what was recorded, and right by themselves: `python -m tools.verify`.

Recomputes the digests of all outputs and of DVC's cache, since DVC itself trusts a file of the size
and time that it knows; opens every array and checks shapes, finiteness, additivity and error bars.
What was never fetched is said, and is no error. Changes nothing.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple, TypeVar

from stages.artifacts import explanation, measurements, portable, predictions, splits
from stages.base.errors.user import UserError
from tools.command import run_command
from tools.verify.arrays import Damage, opened
from tools.verify.digests import Found, check_digests
from tools.verify.explained import check_explanation
from tools.verify.records import cache_folder, read_lock, read_records, stale_stages
from tools.verify.results import (
    check_measurements,
    check_network,
    check_portable,
    check_predictions,
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
    lock = read_lock()
    records, stale = read_records(lock), stale_stages(lock)
    found = check_digests(records, cache_folder())
    left_out = found.damaged | {record.path for record in found.missing}
    stages = {record.path: record.source for record in records if record.path not in left_out}
    arrays = check_arrays(stages, stale)
    print_sound(found, arrays, stale)
    faults = [*found.damage, *arrays.damage]
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise UserError("\n".join([f"verify: {count}", *faults]))


def check_arrays(stages: Mapping[Path, str], stale: Set[str] = frozenset()) -> Arrays:
    """Check the arrays of all artifacts, each beside those that it was made from.

    Args:
        stages: What wrote each folder that is there and as recorded.
        stale: Stages whose results were made from others than those that are there.
    """
    damage, checked = [], []

    def attempt(folder: Path, check: Callable[[bool], T]) -> T | None:
        if folder not in stages:
            return None
        try:
            result = check(stages[folder] not in stale)
        except Damage as error:
            again = f"dvc repro --force {stages[folder]}"
            damage.append(f"{error}; its digest is as recorded, so the run wrote it so: {again}")
            return None
        except (KeyError, TypeError) as error:
            damage.append(
                f"{folder}: its JSON file is not as {stages[folder]} writes it ({error!r}); "
                f"dvc repro --force {stages[folder]}"
            )
            return None
        checked.append(folder)
        return result

    def explained(fresh: bool) -> tuple[explanation.Explanation, float]:
        path = predictions.FOLDER / "probabilities.npy"
        there = fresh and predictions.FOLDER in checked
        known = opened(path, "float32", (None, None)) if there else None
        return check_explanation(prepared[1] if fresh and prepared else None, known)

    prepared = attempt(splits.FOLDER, lambda _: check_splits())
    info, test = (prepared[0], prepared[1]["test"]) if prepared else (None, None)
    attempt(NETWORK, lambda fresh: check_network(info if fresh else None))
    attempt(predictions.FOLDER, lambda fresh: check_predictions(test if fresh else None))
    result = attempt(explanation.FOLDER, explained)
    indices, additivity = (result[0].indices, result[1]) if result else (None, None)
    attempt(portable.FOLDER, lambda _: check_portable())
    attempt(measurements.FOLDER, lambda fresh: check_measurements(indices if fresh else None))
    return Arrays(damage, checked, additivity)


def print_sound(found: Found, arrays: Arrays, stale: Set[str]) -> None:
    """Say what was checked and is right, what is stale, and what is not here."""
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
    if stale:
        print(
            f"stale, since read before what they read was made anew: {', '.join(sorted(stale))}; "
            "run dvc repro"
        )
    if found.missing:
        listed = ", ".join(str(record.path) for record in found.missing)
        print(f"not here, and not checked: {listed}; dvc pull fetches it, dvc repro makes it")


if __name__ == "__main__":
    run_command(main)
