"""How alike maps are after retraining alone, from `make retrain` or from one experiment."""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from stages.base.files.formats import read_json

METRICS = Path("metrics/retraining.json")
DIGITS = 12  # of the explanation's MD5 in it, so that a line of dvc metrics diff stays short


class Retraining(NamedTuple):
    """The similarity of maps before and after retraining alone.

    Attributes:
        source: Name of the experiment, or the number of trainings.
        similarity: Mean over the images, or over all pairs of trainings.
        error: Standard error: over the images of one experiment, or over the trainings; NaN if
            unknown.
    """

    source: str
    similarity: float
    error: float

    @classmethod
    def read(cls, path: Path, digest: str | None) -> Self | None:
        """From `metrics/retraining.json`; None if it is missing or about another explanation.

        Args:
            path: The file.
            digest: MD5 of the explanation.
        """
        if digest is None or not path.is_file():
            return None
        content = read_json(path)
        if content.get("explanation") != digest[:DIGITS]:
            return None
        similarity, error = content["retraining_similarity"], content["retraining_similarity_se"]
        return cls(f"{content['n_trainings']} trainings", similarity, error)

    def __str__(self) -> str:
        error = "" if np.isnan(self.error) else f" ± {self.error:.3f}"
        return f"{self.similarity:.3f}{error} ({self.source})"
