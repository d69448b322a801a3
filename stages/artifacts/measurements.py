"""Measures of the explanation, `data/quality`: quality writes them, report reads them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd

from stages.base.files.atomic import new_folder
from stages.base.files.formats import write_table

FOLDER = Path("data/quality")
_TABLE = "measures.csv"
MEASURES = (
    "removal_gain",
    "contrast_shift",
    "tiles_error",
    "coalition_error",
    "background_error",
    "concentration",
)


@dataclass(frozen=True)
class Measurements:
    """Measures of the run's explanation and of those it is compared with.

    Attributes:
        measures: A row for each method and explained image: `method`, first the one that was
            explained with; `index`, the position in the test split, in the order of the
            explanation; `name`, of the image; and each of `MEASURES`, described in
            `stages/measures/`, NaN where an image has none.
    """

    measures: pd.DataFrame

    def save(self, folder: Path = FOLDER) -> None:
        """Write the table as `measures.csv`, six significant digits."""
        with new_folder(folder) as new:
            write_table(new / _TABLE, self.measures)

    @classmethod
    def load(cls, folder: Path = FOLDER) -> Self:
        """Read what `save` wrote."""
        return cls(pd.read_csv(folder / _TABLE))

    @property
    def by_method(self) -> pd.DataFrame:
        """A row for each method, the explanation's first: `method`, and for each measure its mean.

        Beside a measure, `<measure>_se` is the standard error of its mean over the images. Both are
        over the images that have it; NaN without any, the error also with one.
        """
        methods = self.measures.groupby("method", sort=False)[list(MEASURES)]
        errors = methods.sem().add_suffix("_se")
        columns = [name for measure in MEASURES for name in (measure, f"{measure}_se")]
        return methods.mean().join(errors)[columns].reset_index()
