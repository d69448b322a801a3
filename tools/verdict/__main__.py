"""Judge this run on one page for a reviewer: `python -m tools.verdict [REV]`.

Does what REV's explanation said still hold? REV (HEAD by default) is a revision, branch, tag or
experiment, and is compared with the workspace. Prints a table in Markdown: for each promise whether
it holds, what shows it, and the command. Writes nothing.

Exit status: 0 if all promises hold, 1 if one does not hold, 2 if none fails but some are unknown.
A mistake, such as an unknown revision, prints one line that starts with `error:`, and gives 1, too.
"""

import argparse
import re
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dvc.repo import Repo
from dvc_data.hashfile.hash import file_md5
from tqdm import tqdm

from stages.artifacts import explanation, splits
from stages.base.errors.user import UserError
from stages.base.files.formats import read_json
from tools.command import run_command, run_program
from tools.compare.comparison import Comparison
from tools.compare.versions import Revision, open_revision, read_version
from tools.verdict import promises
from tools.verdict.page import Row, page, status
from tools.verify.__main__ import Verified, verify
from tools.verify.records import LOCK, open_repo, read_records

MOST_NAMED = 5  # files that are not committed


class Compared(NamedTuple):
    """The comparison of two explanations.

    Attributes:
        comparison: None if both have the same digest; the reason if they cannot be compared.
        old, new: Versions of libraries that they record; None if they cannot be read.
    """

    comparison: Comparison | UserError | None
    old: Mapping[str, str] | None = None
    new: Mapping[str, str] | None = None


def main(arguments: Sequence[str]) -> None:
    """Judge, print the page, exit with its status."""
    parser = argparse.ArgumentParser(prog="python -m tools.verdict", description=__doc__)
    parser.add_argument("revisions", nargs="*", metavar="REV")
    named, others = parser.parse_known_args(arguments)
    if others or len(named.revisions) > 1:
        raise UserError(
            f"verdict: name one revision (got {shlex.join(arguments)}): make verdict REV=HEAD~1"
        )
    name = (named.revisions or ["HEAD"])[0]
    with open_repo() as repo, tempfile.TemporaryDirectory(prefix="verdict-") as scratch:
        old = open_revision(name)
        digests = {record.path: record.digest for record in read_records(repo)}
        rows = judge(repo, old, digests, Path(scratch))
        print(page(rows, *_head(repo, old, digests)))
    if found := status(rows):
        sys.exit(found)


def judge(repo: Repo, old: Revision, digests: Mapping[Path, str], scratch: Path) -> list[Row]:
    """Judge all promises.

    Args:
        repo: The repository.
        old: What the workspace is compared with.
        digests: MD5 of this run's results, by path.
        scratch: An empty folder to copy results into.
    """
    verified = verify(repo)
    left_out = verified.found.damaged | {record.path for record in verified.found.missing}
    stale = promises.stale_inputs(repo, left_out)
    new_digest = digests.get(explanation.FOLDER)
    compared = compare(old, new_digest, verified, scratch)
    plain = re.fullmatch(r"\w[\w./@~^-]*", old.name)
    command = f"python -m tools.compare {old.name if plain else shlex.quote(old.name)}"
    return [
        promises.recorded(verified, stale, file_md5(str(LOCK))),
        promises.additive(verified, new_digest),
        promises.within_noise(compared.comparison, command, (old.digest, new_digest)),
        promises.no_duplicates(verified, digests.get(splits.FOLDER)),
        promises.same_environment(compared.old, compared.new),
    ]


def compare(old: Revision, new_digest: str | None, verified: Verified, scratch: Path) -> Compared:
    """Compare a revision's explanation with the workspace's, unless files are missing or damaged.

    Explanations of the same digest are the same; then no copy of the old one is needed.
    """
    if verified.found.damage:
        return Compared(UserError("digests are wrong: see above; repair these files first"))
    if explanation.FOLDER not in verified.arrays.checked:
        reason = f"{explanation.FOLDER} is missing or has a fault; {promises.MAKE}"
        return Compared(UserError(reason))
    versions = read_json(promises.ABOUT)["versions"]
    if old.digest == new_digest:
        return Compared(None, versions, versions)
    with tqdm(total=2, leave=False, delay=1, disable=None, bar_format="{desc}: {n}/{total}") as bar:
        bar.set_description(f"read {old.name}")
        try:
            first = read_version(old.name, scratch / "old")
        except UserError as error:
            return Compared(error, None, versions)
        bar.set_description("compare")
        bar.update()
        old_versions = first.explanation.about["versions"]
        try:
            comparison = Comparison.of(first, read_version(None, scratch), scratch / "retrained")
        except UserError as error:
            return Compared(error, old_versions, versions)
    return Compared(comparison, old_versions, versions)


def _head(repo: Repo, old: Revision, digests: Mapping[Path, str]) -> tuple[str, list[str]]:
    """The question, and the two versions with their hashes."""
    asked = ("status", "--porcelain", "--untracked-files=no")
    changed = run_program("verdict", "git", *asked, capture=True)
    names = [line[3:] for line in changed.splitlines()]
    more = f" and {len(names) - MOST_NAMED:,} more" if len(names) > MOST_NAMED else ""
    listed = f"not committed: {', '.join(names[:MOST_NAMED])}{more}" if names else "all committed"
    return f"Does the explanation of {old.name} still hold in this workspace?", [
        f"{old.name}: commit {old.commit}; {explanation.FOLDER} {old.digest or 'not recorded'}",
        f"workspace: commit {repo.scm.get_rev()}, {listed}; {explanation.FOLDER} "
        f"{digests.get(explanation.FOLDER, 'not recorded')}; {LOCK} {file_md5(str(LOCK))}",
    ]


if __name__ == "__main__":
    run_command(main, interrupted="nothing was written")
