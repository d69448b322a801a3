"""Fetch the data set's files into `data/raw` and check them: `python -m stages.download`."""

from pathlib import Path

from stages.base.params.sections import StageParams
from stages.base.run.stage import run_stage
from stages.datasets.base.contract import Origin
from stages.datasets.base.raw import fetch_dataset
from stages.params.data import Data

NEEDS_LESS = "a smaller data set (data.dataset, data.source)"


class Params(StageParams):
    """The parameters that this stage reads."""

    data: Data


def main(params: Params) -> None:
    """Fetch the files of the data set, check and write them."""
    data = params.data
    multiple = data.labels == "multiple"
    origin = Origin(Path(data.source), data.mirrors, data.skip_damaged, multiple)
    fetch_dataset(data.dataset, origin, data.options)


if __name__ == "__main__":
    run_stage(main, Params, NEEDS_LESS)
