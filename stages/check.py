"""Check all of `params.yaml` before any stage runs: `python -m stages.check`.

A misspelt key for the last stage is reported within a second, not only after training.
"""

from pathlib import Path

from stages.base.files.atomic import new_file
from stages.base.run.stage import run_stage
from stages.params.whole import AllParams as Params

NEEDS_LESS = "fewer or smaller images (preprocess.limit, preprocess.image_size)"
MARKER = Path("data/checked")


def main(_: Params) -> None:
    """Write the marker that download depends on; loading the parameters is the check."""
    with new_file(MARKER) as file:
        file.write_text("params.yaml is in order\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
