"""Check results against their recorded digests and against each other: `python -m tools.verify`.

Recomputes the digests of all outputs and of DVC's cache, because DVC trusts files whose size and
time it knows. Opens every array and checks shapes, finite values, additivity and error bars.
Lists results that were not fetched; they are not errors. Changes nothing.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import Path
from typing import NamedTuple, TypeVar

from dvc.repo import Repo

from stages.artifacts import (
    explanation,
    measurements,
    portable,
    predictions,
    shortcuts,
    splits,
)
from stages.base.errors.user import UserError
from tools.command import run_command
from tools.verify.arrays import Damage, opened
from tools.verify.digests import Found, check_digests
from tools.verify.explained import check_explanation
from tools.verify.records import open_repo, read_records, stale_stages
from tools.verify.results import (
    check_measurements,
    check_network,
    check_portable,
    check_predictions,
    check_shortcuts,
    check_splits,
)

NETWORK = Path("data/model")  # networks/checkpoint.py has it too, but imports torch

T = TypeVar("T")


class Arrays(NamedTuple):
    """The result of checking arrays.

    Attributes:
        damage: A line for each folder with a fault.
        checked: Folders without a fault.
        additivity: Largest additivity error, as a share of the outputs' range; None without an
            explanation.
    """

    damage: list[str]
    checked: list[Path]
    additivity: float | None


class Verified(NamedTuple):
    """The result of all checks.

    Attributes:
        found: Result of checking digests.
        arrays: Result of checking the arrays of folders whose digests are right.
        stale: Stages whose inputs are not what the stage before wrote.
    """

    found: Found
    arrays: Arrays
    stale: Set[str]


def main(arguments: Sequence[str]) -> None:
    """Check, and print the findings."""
    parser = argparse.ArgumentParser(prog="python -m tools.verify", description=__doc__)
    parser.parse_args(arguments)
    with open_repo() as repo:
        found, arrays, stale = verify(repo)
    print_sound(found, arrays, stale)
    faults = [*found.damage, *arrays.damage]
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise UserError("\n".join([f"verify: {count}", *faults]))


def verify(repo: Repo) -> Verified:
    """Check digests, then the arrays of folders whose digests are right."""
    records, stale = read_records(repo), stale_stages(repo)
    found = check_digests(records, repo)
    left_out = found.damaged | {record.path for record in found.missing}
    stages = {record.path: record.source for record in records if record.path not in left_out}
    return Verified(found, check_arrays(stages, stale), stale)


def check_arrays(stages: Mapping[Path, str], stale: Set[str] = frozenset()) -> Arrays:
    """Check the arrays of all artifacts, each against the artifacts that it was made from.

    Args:
        stages: The stage that wrote each folder; only folders that are to be checked.
        stale: Stages whose inputs changed since they ran.
    """
    damage, checked = [], []

    def attempt(folder: Path, check: Callable[[bool], T]) -> T | None:
        if folder not in stages:
            return None
        try:
            result = check(stages[folder] not in stale)
        except Damage as error:
            again = f"dvc repro --force {stages[folder]}"
            damage.append(f"{error}; its digest is right, so the run itself wrote this: {again}")
            return None
        except (KeyError, TypeError) as error:
            damage.append(
                f"{folder}: its JSON file is not what {stages[folder]} writes ({error!r}); "
                f"dvc repro --force {stages[folder]}"
            )
            return None
        checked.append(folder)
        return result

    def explained(fresh: bool) -> tuple[explanation.Explanation, float]:
        path = predictions.FOLDER / "probabilities.npy"
        usable = fresh and predictions.FOLDER in checked
        probabilities = opened(path, "float32", (None, None)) if usable else None
        return check_explanation(prepared[1] if fresh and prepared else None, probabilities)

    prepared = attempt(splits.FOLDER, lambda _: check_splits())
    info, test = (prepared[0], prepared[1]["test"]) if prepared else (None, None)
    attempt(NETWORK, lambda fresh: check_network(info if fresh else None))
    attempt(predictions.FOLDER, lambda fresh: check_predictions(test if fresh else None))
    result = attempt(explanation.FOLDER, explained)
    indices, additivity = (result[0].indices, result[1]) if result else (None, None)
    attempt(portable.FOLDER, lambda _: check_portable())
    attempt(measurements.FOLDER, lambda fresh: check_measurements(indices if fresh else None))
    attempt(shortcuts.FOLDER, lambda _: check_shortcuts())
    return Arrays(damage, checked, additivity)


def print_sound(found: Found, arrays: Arrays, stale: Set[str]) -> None:
    """Print the checks that passed, stale stages and missing results."""
    if found.damage:
        print(f"read {found.n_files:,} files of results and {found.n_objects:,} files of the cache")
    else:
        print(
            f"{found.n_files:,} files of results have their recorded digests, "
            f"{found.n_objects:,} files of the cache match their names"
        )
    if arrays.checked:
        print(f"arrays are finite and consistent: {', '.join(map(str, arrays.checked))}")
    if arrays.additivity is not None:
        print(f"attributions add up to within {arrays.additivity:.1e} of the outputs' range")
    if stale:
        print(
            f"stale, because their inputs changed since: {', '.join(sorted(stale))}; run dvc repro"
        )
    if found.missing:
        listed = ", ".join(str(record.path) for record in found.missing)
        print(
            f"missing, not checked: {listed}; dvc pull fetches them; where it fails, dvc repro "
            "makes them"
        )


if __name__ == "__main__":
    run_command(main)
