"""Bring the data set's files to `data/raw`, checked: `python -m stages.download`."""

from pathlib import Path

from stages.params.data import Data
from stages.pipeline.dataset import Origin, load_dataset
from stages.pipeline.files import new_folder
from stages.pipeline.params import StageParams
from stages.pipeline.stage import run_stage


class Params(StageParams):
    """What this stage reads."""

    data: Data


def main(params: Params) -> None:
    """Fetch, check, write."""
    data = params.data
    dataset = load_dataset(data.dataset)
    origin = Origin(Path(data.source), data.mirrors, data.skip_damaged)
    with new_folder(Path("data/raw")) as folder:
        dataset.fetch(origin, folder, **data.options)


if __name__ == "__main__":
    run_stage(main, Params)
