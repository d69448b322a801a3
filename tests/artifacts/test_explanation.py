"""An explanation of a real run, in other people's hands."""

import numpy as np
import shap

from stages.artifacts.explanation import Explanation
from tests.conftest import Project


def test_the_explanation_is_enough_for_shap(ran_project: Project) -> None:
    stored = Explanation.load(ran_project.root / "data/shap")
    rebuilt = shap.Explanation(
        values=np.array(stored.values),
        base_values=np.tile(stored.base_values, (len(stored.labels), 1)),
        data=stored.images,
        output_names=stored.class_names,
    )
    assert rebuilt.shape == (3, 1, 28, 28, 10)
    change = rebuilt.values.sum(axis=(1, 2, 3)) + rebuilt.base_values
    np.testing.assert_allclose(change, stored.outputs, rtol=1e-3, atol=1e-3)
