"""The promises of a run, each judged by what other commands of this folder found."""

import importlib.metadata
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from dvc.repo import Repo

from stages.artifacts import explanation, splits
from stages.base.errors.user import UserError
from stages.base.files.formats import read_json
from tools.compare.comparison import Comparison
from tools.compare.metrics import mean_with_error
from tools.verdict.duplicates import find_duplicates
from tools.verdict.page import Row
from tools.verify.__main__ import Verified

ABOUT = explanation.FOLDER / "about.json"
SHOWN = 12  # digits of a digest in a row; the head of the page has all
MAKE = "dvc pull fetches it, dvc repro makes it"


def stale_inputs(repo: Repo, without: Set[Path]) -> list[str]:
    """Stages whose code, parameters or data changed since their run, with what changed.

    As `dvc status`, which needs a lock and so a folder that can be written.

    Args:
        repo: The repository.
        without: Inputs that are not counted, because they are missing or damaged.
    """
    lines = []
    for stage in repo.index.stages:
        if not stage.cmd:  # data that was added
            continue
        changed = ["its command"] if stage.cmd_changed else []
        for dep in stage.deps:
            for name, state in dep.status().items():
                if Path(name) not in without:
                    changed += state if isinstance(state, dict) else [name]  # parameters by name
        if changed:
            lines.append(f"{stage.addressing}: {', '.join(changed)}")
    return lines


def recorded(verified: Verified, stale: Sequence[str], lock_digest: str) -> Row:
    """The results are those that `dvc.lock` records, for the code, parameters and data here.

    Args:
        verified: The findings of `make verify`.
        stale: The lines of `stale_inputs`.
        lock_digest: MD5 of `dvc.lock`.
    """
    found = verified.found
    remedies = [*found.damage]
    if found.missing:
        listed = ", ".join(str(record.path) for record in found.missing)
        remedies.append(f"missing: {listed}; dvc pull fetches them, dvc repro makes them")
    named = {line.partition(":")[0] for line in stale}
    changed = [*stale, *(f"{name}: what it read" for name in sorted(verified.stale - named))]
    if changed:
        remedies.append(f"changed since the run: {'; '.join(changed)}; run dvc repro")
    evidence = (
        f"{found.n_files:,} files of results, {found.n_objects:,} of the cache read: "
        f"{len(found.damage):,} wrong, {len(found.missing):,} results missing, "
        f"{len(changed):,} stages stale; dvc.lock {lock_digest[:SHOWN]}"
    )
    holds = False if found.damage else None if remedies else True
    return Row("results are the recorded ones", holds, "python -m tools.verify", evidence, remedies)


def additive(verified: Verified, digest: str | None) -> Row:
    """All arrays are finite, fit each other, and attributions add up.

    Args:
        verified: The findings of `make verify`.
        digest: The recorded MD5 of the explanation.
    """
    promise, command, arrays = "arrays add up", "python -m tools.verify", verified.arrays
    checked = ", ".join(path.name for path in arrays.checked)
    if arrays.additivity is None:
        if arrays.damage:
            return Row(promise, False, command, f"checked: {checked or 'none'}", arrays.damage)
        remedy = f"{explanation.FOLDER} is not what was recorded, or is missing; {MAKE}"
        return Row(promise, None, command, f"checked: {checked or 'none'}", [remedy])
    tolerance = read_json(ABOUT)["parameters"]["explain"]["tolerance"]
    evidence = (
        f"within {arrays.additivity:.1e} of the outputs' range (accepted: {tolerance:g}); "
        f"{explanation.FOLDER} {shown(digest)}; finite and consistent: {checked}"
    )
    return Row(promise, not arrays.damage, command, evidence, arrays.damage)


def within_noise(
    compared: Comparison | UserError | None, command: str, digests: Sequence[str | None]
) -> Row:
    """The maps changed by no more than the noise of the background or of retraining.

    Args:
        compared: The comparison, or why there is none; None if both have the same digest.
        command: The command that compares.
        digests: MD5 of the old and the new explanation.
    """
    promise = "explanations within noise"
    hashes = f"{explanation.FOLDER} {' → '.join(map(shown, digests))}"
    if compared is None:
        evidence = f"{explanation.FOLDER} {shown(digests[0])} in both"
        return Row(promise, True, command, evidence)
    if isinstance(compared, UserError):
        return Row(promise, None, command, hashes, [str(compared)])
    within, reason = compared.judgement
    redrawn, retrained = compared.redrawn, compared.retrained
    background = "unknown" if redrawn is None else f"{redrawn:.3f}"
    training = "not computed"
    if retrained:
        training = str(retrained)
    n_changed = int((~compared.pairs.same_prediction).sum())
    evidence = (
        f"similarity {mean_with_error(compared.pearson)} over {len(compared.pearson):,} images, "
        f"{n_changed:,} with another prediction; other background alone {background}, retraining "
        f"alone {training}; {hashes}"
    )
    if within:
        return Row(promise, True, command, f"{reason}: {evidence}")
    remedies = [reason, f"{command} draws what changed"]
    if compared.differences:
        remedies.append(f"what differs: {'; '.join(compared.differences)}")
    return Row(promise, within, command, evidence, remedies)


def no_duplicates(verified: Verified, digest: str | None) -> Row:
    """No test image is among the training or validation images.

    Args:
        verified: The findings of `make verify`.
        digest: The recorded MD5 of the splits.
    """
    promise, command = "no test image in training", "python -m tools.verdict.duplicates"
    if splits.FOLDER not in verified.arrays.checked:
        remedy = f"{splits.FOLDER} is missing or has a fault; {MAKE}"
        return Row(promise, None, command, "not counted", [remedy])
    found = find_duplicates()
    evidence = (
        f"{len(found.pairs):,} of {found.n_test:,} test images are among {found.n_others:,} "
        f"training and validation images; {splits.FOLDER} {shown(digest)}"
    )
    return Row(promise, not found.pairs, command, evidence, found.pairs)


def same_environment(old: Mapping[str, str] | None, new: Mapping[str, str] | None) -> Row:
    """Both explanations were made with the library versions that are installed here.

    Args:
        old: Versions that the old explanation records; None if it cannot be read.
        new: The results of this run.
    """
    promise, command = "same environment", f"grep -A 9 versions {ABOUT}; python -m pip list"
    names = sorted({*(old or {}), *(new or {})})
    here = {name: _installed(name) for name in names}
    known = [versions for versions in (old, new) if versions is not None]
    evidence, remedies = [], []
    for name in names:
        if all(versions.get(name) == here[name] for versions in known):
            evidence.append(f"{name} {here[name]}")
            continue
        values = [(versions or {}).get(name, "unknown") for versions in (old, new)]
        evidence.append(f"{name} {' → '.join(values)}, here {here[name]}")
        remedies.append(
            f"{name}: {values[0]} in the old run, {values[1]} in this one, {here[name]} here; "
            "make setup installs those of constraints.txt; then run both: dvc repro --force"
        )
    text = "; ".join(evidence) or "no versions read"
    if remedies:
        return Row(promise, False, command, text, remedies)
    if len(known) < 2:
        which = "the old explanation was not read" if known else "no explanation was read"
        return Row(promise, None, command, text, [f"{which}: see above"])
    return Row(promise, True, command, f"{text} in both and here")


def shown(digest: str | None) -> str:
    """The first digits of a digest."""
    return "none" if digest is None else digest[:SHOWN]


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
