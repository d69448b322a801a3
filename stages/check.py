"""Check all of `params.yaml` before any stage runs: `python -m stages.check`.

A misspelt key for the last stage is reported within a second, not only after training.
"""

import sys
from pathlib import Path

from stages.base.files.atomic import new_file
from stages.base.run.stage import run_stage
from stages.params.whole import AllParams as Params

NEEDS_LESS = "fewer or smaller images (preprocess.limit, preprocess.image_size)"
MARKER = Path("data/checked")


def main(params: Params) -> None:
    """Write the marker that download depends on; loading the parameters is the check."""
    source = Path(params.data.source)
    if source.is_absolute():
        print(
            f"warning: data.source: {source} is a path of this machine, and dvc.lock records it, "
            "so the run cannot be repeated elsewhere; put the data into the repository, such as "
            f"data/{source.name}, run dvc add data/{source.name}, and set data.source to it",
            file=sys.stderr,
        )
    with new_file(MARKER) as file:
        file.write_text("params.yaml is in order\n", encoding="utf-8")


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
