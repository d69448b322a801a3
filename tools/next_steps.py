"""Print the last run's results and what to open next: `python -m tools.next_steps`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stages.artifacts.explanation import FOLDER as EXPLANATION
from stages.base.errors.user import UserError
from stages.base.files.formats import read_json
from stages.figures import captions
from tools.command import run_command
from tools.retraining.git import git_or_nothing

EVALUATION, EXPLORER = Path("metrics/evaluate.json"), Path("plots/explorer.html")


def main(_: Sequence[str]) -> None:
    """Print the summary."""
    try:
        measured, about = read_json(EVALUATION), read_json(EXPLANATION / "about.json")
        measures = read_json(Path("metrics/explain.json"))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; run dvc repro first") from None
    print(
        f"\n{about['dataset']}, {about['network']}: test accuracy {measured['accuracy']:.2%}, "
        f"log loss {measured['log_loss']:.4f}"
    )
    additivity = measures.get("additivity_error_log10")
    print(
        f"{n_explained():,} test images explained by {captions.method(about)}, "
        f"additive to within {10**additivity:.1e} of the outputs' range"
        if additivity is not None
        else "the network gives every image the same output: nothing to explain"
    )
    print(
        "\nNext:\n"
        "  make plots             curves, confusion, reliability and SHAP sheets in your browser\n"
        f"  {EXPLORER}   every explained image; open {EXPLORER.resolve().as_uri()}\n"
        "  params.yaml            every setting; change one, run dvc repro, then dvc metrics diff"
    )
    if git_or_nothing("diff", "--name-only", "HEAD", "--", "dvc.lock"):
        print(
            "  git commit --all       keep this run: its results are not those of the last commit, "
            "and make compare REV=HEAD needs them there"
        )


def n_explained() -> int:
    """Number of images that the run explained."""
    return len(np.load(EXPLANATION / "labels.npy"))


if __name__ == "__main__":
    run_command(main)
