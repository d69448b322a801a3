"""Check all of `params.yaml` before any stage runs: `python -m stages.check`.

A misspelt key of the last stage is reported in a second, not after the training.
"""

from pathlib import Path

from stages.params.everything import Everything as Params
from stages.pipeline.files import new_file
from stages.pipeline.stage import run_stage


def main(_: Params) -> None:
    """Leave the mark that download waits for; reading the parameters was the check."""
    with new_file(Path("data/checked")) as mark:
        mark.write_text("params.yaml is in order\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage(main, Params)
