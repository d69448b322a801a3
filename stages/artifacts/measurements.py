"""Measures of the explanation in `data/quality`: quality writes them, report reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import pandas as pd

from stages.base.files.atomic import new_folder
from stages.base.files.formats import read_json, write_json
from stages.base.files.tables import write_table

FOLDER = Path("data/quality")
_TABLE = "measures.csv"
_ABOUT = "about.json"


class Description(NamedTuple):
    """Description of a measure.

    Attributes:
        text: Meaning in one sentence.
        better: Whether higher or lower values are better.
        headline: Whether the mean is in `metrics/explain.json`.
    """

    text: str
    better: Literal["higher", "lower", "neither"]
    headline: bool


@dataclass(frozen=True)
class Measurements:
    """Measures of the run's explanation and of other methods for comparison.

    Attributes:
        table: A row for each method and explained image, the run's own method first. Columns:
            `method`; `index`, the position in the test split, in the order of the explanation;
            `name` of the image; and each measure, NaN if it is undefined for an image.
        descriptions: Description of each measure by name, in the order of the table's columns.
        additivity_l1_log10: Log10 of the largest additivity error of the run's method, as a share
            of the map's own Σ|attribution|; None if unknown.
        plan: How many images the network was run on again, `n_images`; whether by random sampling,
            `sampled`; and how often about, `passes`. None if unknown.
    """

    table: pd.DataFrame
    descriptions: Mapping[str, Description]
    additivity_l1_log10: float | None = None
    plan: Mapping[str, int | bool] | None = None

    def save(self, folder: Path = FOLDER) -> None:
        """Write `measures.csv`, with six significant digits, and `about.json`."""
        about = {
            "measures": [{"name": n, **d._asdict()} for n, d in self.descriptions.items()],
            "additivity_l1_log10": self.additivity_l1_log10,
            "plan": self.plan,
        }
        with new_folder(folder) as new:
            write_table(new / _TABLE, self.table)
            write_json(new / _ABOUT, about)

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Load the measures from a folder that `save` wrote."""
        about = read_json(folder / _ABOUT)
        descriptions = {
            measure.pop("name"): Description(**measure) for measure in about["measures"]
        }
        table = pd.read_csv(folder / _TABLE)
        return cls(table, descriptions, about["additivity_l1_log10"], about.get("plan"))

    @property
    def by_method(self) -> pd.DataFrame:
        """Means over the images: a row for each method, the run's first.

        Columns: `method`; for each measure its mean and `<measure>_se`, the standard error of the
        mean; `additivity_l1_log10`, known only for the run's method. Images for which a measure is
        undefined are left out; the mean of no image and the error of fewer than two are NaN.
        """
        methods = self.table.groupby("method", sort=False)[list(self.descriptions)]
        errors = methods.sem().add_suffix("_se")
        columns = [name for measure in self.descriptions for name in (measure, f"{measure}_se")]
        table = methods.mean().join(errors)[columns].reset_index()
        table["additivity_l1_log10"] = np.nan
        if self.additivity_l1_log10 is not None:
            table.loc[0, "additivity_l1_log10"] = self.additivity_l1_log10
        return table
