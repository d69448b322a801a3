"""Would the explanations hold again? `python -m tools.retraining N [--jobs J]`.

Trains and explains N times with other seeds, as experiments `retrain-<seed>` on the same data, for
the same images and background. Killed and run again, it goes on where it stopped. Writes
`plots/retraining` (`index.html`, `explorer.html`, `report.md` and arrays) and
`metrics/retraining.json`.
"""

import argparse
import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from stages.base.errors.user import UserError
from stages.base.files.atomic import new_folder
from stages.base.files.yaml import PARAMS_FILE, read_yaml
from stages.base.params.reading import check_params, load_params
from stages.drawing.grain import chosen_grain
from stages.params.whole import AllParams
from tools.command import require_git, run_command, run_program
from tools.compare.versions import Version, read_version
from tools.recipes import CODE, inputs_of, require_versioned
from tools.retraining.explorer import Params, Signs, this_run
from tools.retraining.findings import Findings
from tools.retraining.page import write_page
from tools.retraining.queue import alone, other_seeds, settings, train_all
from tools.retraining.report import write_report
from tools.retraining.results import Results
from tools.retraining.sample import read_sample
from tools.retraining.workspace import restore

FOLDER = Path("plots/retraining")
FEWEST = 2  # other trainings: of two in all, nothing says how much their similarity varies


def main(arguments: Sequence[str]) -> None:
    """Train, read, count, write, print."""
    parser = argparse.ArgumentParser(prog="python -m tools.retraining", description=__doc__)
    parser.add_argument("n", metavar="N", help="number of trainings with other seeds")
    parser.add_argument("--jobs", default="1", metavar="J", help="trainings at once")
    options = parser.parse_args(arguments)
    n, jobs = _count("N", options.n, FEWEST), _count("JOBS", options.jobs, 1)
    require_git()
    with alone() as lock:
        if advice := restore():
            raise UserError(advice)
        params = read_yaml(PARAMS_FILE)
        check_params(params, AllParams, PARAMS_FILE)
        _require_current()
        require_versioned({*CODE, *inputs_of(params)}, "retrain", "a training")
        run = read_version(None, Path())
        own = params["seed"] if params["train"]["seed"] is None else params["train"]["seed"]
        seeds = other_seeds(own, n)
        commits = train_all(seeds, settings(params, run.explanation.indices.tolist()), jobs, lock)
    findings = _write(run, dict(zip(seeds, commits, strict=True)))
    print(f"{findings.text()}\n\n{(FOLDER / 'index.html').resolve().as_uri()}")


def _write(run: Version, others: Mapping[int, str]) -> Findings:
    """Read the trainings, count, and write everything; each file completely or not at all."""
    params = load_params(Params)
    with tempfile.TemporaryDirectory(prefix="retrain-") as scratch:
        signs = Signs(this_run(params, run.explanation))
        sample = read_sample(run, others, Path(scratch), signs.add)
    results = Results(sample)
    grain = chosen_grain(params.report.grain, run.explanation.images.shape)
    findings = Findings(results, params.report.colormap, grain)
    with new_folder(FOLDER) as folder:
        results.save(folder)
        signs.write(folder / "explorer.html")
        write_page(folder / "index.html", findings, "explorer.html")
        write_report(folder, findings)
    results.save_metrics()
    return findings


def _count(name: str, text: str, fewest: int) -> int:
    """A number from the command line.

    Raises:
        UserError: It is no whole number, or too small.
    """
    if not text.isdecimal() or int(text) < fewest:
        example = "make retrain N=10" if name == "N" else "make retrain N=10 JOBS=2"
        raise UserError(
            f"retrain: {name} must be a whole number, at least {fewest} (got {text!r}): {example}"
        )
    return int(text)


def _require_current() -> None:
    """Require this run's results, since it is one of the trainings.

    Raises:
        UserError: Code, parameters or data changed since the run, or results are missing.
    """
    state = json.loads(run_program("retrain", "dvc", "status", "--json", capture=True) or "{}")
    if state:
        raise UserError(
            f"retrain: changed since the last run, or missing: {', '.join(state)}; run dvc repro "
            "(or dvc pull), then the command again"
        )


if __name__ == "__main__":
    run_command(
        main, interrupted="finished trainings are kept; run the same command again to go on"
    )
