"""The data set's own files in `data/raw`: download writes them, preprocess reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.base.files.atomic import new_folder
from stages.base.files.formats import read_json, write_json
from stages.base.tracking.plugins import failures_of_plugin
from stages.datasets.base.contract import Dataset, Origin, load_dataset_plugin

FOLDER = Path("data/raw")
_RECORD = "dataset.json"


@dataclass(frozen=True)
class RawInfo:
    """Name and parameters of the data set in the raw files.

    Attributes:
        name: Display name of the data set.
        parameters: Parameters that determine the files, by section of `params.yaml`; without
            `data.source` and `data.mirrors`, since the same files from elsewhere are the same data.
    """

    name: str
    parameters: Mapping[str, Any]


def fetch_dataset(
    dataset: str, origin: Origin, options: Mapping[str, Any], folder: Path = FOLDER
) -> None:
    """Fetch the files of a data set through its plug-in, and write the record.

    Raises:
        UserError: A file was not found or is damaged; no files are left behind.
    """
    chosen = {"dataset": dataset, "options": options, "skip_damaged": origin.skip_damaged}
    if origin.multiple:  # only then, so that other runs keep their bytes
        chosen["labels"] = "multiple"
    plugin = load_dataset_plugin(dataset)
    with failures_of_plugin("datasets", dataset, "fetch() fails"), new_folder(folder) as new:
        name = plugin.fetch(origin, new, **options)
        info = RawInfo(name or dataset, {"data": chosen})
        write_json(new / _RECORD, vars(info))


def read_dataset(folder: Path = FOLDER) -> tuple[RawInfo, Dataset]:
    """Read the record, and the images through the plug-in that fetched them.

    Raises:
        UserError: The content of a file is invalid.
    """
    info = RawInfo(**read_json(folder / _RECORD))
    dataset = info.parameters["data"]["dataset"]
    plugin = load_dataset_plugin(dataset)
    with failures_of_plugin("datasets", dataset, "read() fails"):
        return info, plugin.read(folder)
