"""Check all of `params.yaml` before any stage runs: `python -m stages.check`.

A misspelt key of the last stage is reported in a second, not after the training.
"""

from pathlib import Path

from stages.params.data import Data
from stages.params.explain import Explain
from stages.params.model import Model
from stages.params.preprocess import Preprocess
from stages.params.report import Report
from stages.params.train import Train
from stages.pipeline.files import new_file
from stages.pipeline.params import DeviceName, Section, Seed
from stages.pipeline.stage import run_stage


class Params(Section):
    """The whole file: a top-level key that is not here is unknown."""

    device: DeviceName
    seed: Seed
    data: Data
    preprocess: Preprocess
    model: Model
    train: Train
    explain: Explain
    report: Report


def main(_: Params) -> None:
    """Leave the mark that download waits for; reading the parameters was the check."""
    with new_file(Path("data/checked")) as mark:
        mark.write_text("params.yaml is in order\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage(main, Params)
