"""Compare the explanations of two versions: `python -m tools.compare REV [REV2]`.

REV and REV2 are revisions, branches, tags or experiments; without REV2, REV is compared with the
workspace. Explanations come from DVC's cache or its remotes. Prints a summary and writes
`plots/comparison`: `index.html`, and `report.md` with its pictures.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from stages.base.errors.user import UserError
from stages.base.files.atomic import new_folder
from stages.base.params.reading import load_params
from stages.base.params.sections import StageParams
from stages.drawing.grain import chosen_grain
from stages.params.report import Report
from tools.command import require_git, run_command
from tools.compare.comparison import Comparison
from tools.compare.findings import Findings
from tools.compare.page import write_page
from tools.compare.report import write_report
from tools.compare.versions import read_version

FOLDER = Path("plots/comparison")


class Params(StageParams):
    """The section of `params.yaml` that is used."""

    report: Report


def main(arguments: Sequence[str]) -> None:
    """Read both versions, compare, write, print."""
    parser = argparse.ArgumentParser(prog="python -m tools.compare", description=__doc__)
    parser.add_argument("revisions", nargs="*", metavar="REV")
    revisions = parser.parse_args(arguments).revisions
    if len(revisions) not in (1, 2):
        raise UserError(
            f"compare: name one revision, or two (got {len(revisions)}): make compare REV=HEAD~1"
        )
    require_git()
    old, new = revisions[0], revisions[1] if len(revisions) == 2 else None
    params = load_params(Params)
    with (
        tempfile.TemporaryDirectory(prefix="compare-") as folder,
        tqdm(total=4, leave=False, delay=1, disable=None, bar_format="{desc}: {n}/{total}") as bar,
    ):
        scratch = Path(folder)
        bar.set_description(f"read {old}")
        first = read_version(old, scratch / "old")
        bar.set_description(f"read {new or 'the workspace'}")
        bar.update()
        second = read_version(new, scratch / "new")
        bar.set_description("compare")
        bar.update()
        comparison = Comparison.of(first, second, scratch / "retrained")
        size = first.explanation.images.shape
        grain = chosen_grain(params.report.grain, size)
        findings = Findings(comparison, params.report.colormap, grain)
        bar.set_description("draw")
        bar.update()
        with new_folder(FOLDER) as written:
            write_page(written / "index.html", findings)
            write_report(written, findings)
    print(f"{findings.text()}\n\n{(FOLDER / 'index.html').resolve().as_uri()}")


if __name__ == "__main__":
    run_command(main, interrupted="nothing was written")
