"""Measures of the explanation, `data/quality`: quality writes them, report reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import pandas as pd

from stages.base.files.atomic import new_folder
from stages.base.files.formats import read_json, write_json, write_table

FOLDER = Path("data/quality")
_TABLE = "measures.csv"
_ABOUT = "about.json"


class Description(NamedTuple):
    """What a measure means.

    Attributes:
        text: One sentence.
        better: Which direction is better.
        headline: Whether its mean is in `metrics/explain.json`.
    """

    text: str
    better: Literal["higher", "lower", "neither"]
    headline: bool


@dataclass(frozen=True)
class Measurements:
    """Measures of the run's explanation and of those it is compared with.

    Attributes:
        table: A row for each method and explained image: `method`, first the one that explained
            the run; `index`, the position in the test split, in the order of the explanation;
            `name`, of the image; and each measure, NaN where an image has none.
        descriptions: What each measure means, by name, in the order of the table's columns.
        additivity_l1_log10: Log10 of the run's largest additivity error, as a share of the map's
            own Σ|attribution|; None if unknown.
    """

    table: pd.DataFrame
    descriptions: Mapping[str, Description]
    additivity_l1_log10: float | None = None

    def save(self, folder: Path = FOLDER) -> None:
        """Write the table as `measures.csv`, six significant digits, the rest as `about.json`."""
        about = {
            "measures": [{"name": n, **d._asdict()} for n, d in self.descriptions.items()],
            "additivity_l1_log10": self.additivity_l1_log10,
        }
        with new_folder(folder) as new:
            write_table(new / _TABLE, self.table)
            write_json(new / _ABOUT, about)

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Read a saved folder."""
        about = read_json(folder / _ABOUT)
        descriptions = {
            measure.pop("name"): Description(**measure) for measure in about["measures"]
        }
        return cls(pd.read_csv(folder / _TABLE), descriptions, about["additivity_l1_log10"])

    @property
    def by_method(self) -> pd.DataFrame:
        """A row for each method, the run's first: `method`, and the mean of each measure.

        After each measure, `<measure>_se` is the standard error of its mean over the images. Both
        are over the images that have it; NaN without any, the error also with one. The last column,
        `additivity_l1_log10`, is known for the run's method only.
        """
        methods = self.table.groupby("method", sort=False)[list(self.descriptions)]
        errors = methods.sem().add_suffix("_se")
        columns = [name for measure in self.descriptions for name in (measure, f"{measure}_se")]
        table = methods.mean().join(errors)[columns].reset_index()
        table["additivity_l1_log10"] = np.nan
        if self.additivity_l1_log10 is not None:
            table.loc[0, "additivity_l1_log10"] = self.additivity_l1_log10
        return table
