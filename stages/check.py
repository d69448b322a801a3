"""Check all of `params.yaml` before any stage runs: `python -m stages.check`.

A misspelt key of the last stage is reported in a second, not after the training.
"""

from pathlib import Path

from stages.core.files import new_file
from stages.core.stage import run_stage
from stages.params.whole import AllParams as Params

MARK = Path("data/checked")


def main(_: Params) -> None:
    """Leave the mark that download waits for; reading the parameters was the check."""
    with new_file(MARK) as mark:
        mark.write_text("params.yaml is in order\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage(main, Params)
