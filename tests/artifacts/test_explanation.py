"""An explanation of a real run, in other people's hands."""

from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest
import shap
from matplotlib.figure import Figure

from stages.artifacts.explanation import Explanation
from tests.conftest import Project


@pytest.fixture
def stored(ran_project: Project) -> Explanation:
    return Explanation.load(ran_project.root / "data/shap")


def plotted(explanation: Explanation) -> Figure:
    """The figure that shap draws."""
    plt.switch_backend("agg")
    shap.image_plot(explanation.to_shap(), show=False)
    figure = plt.gcf()
    plt.close(figure)
    return figure


def titles(figure: Figure) -> list[str]:
    return [title for axes in figure.axes if (title := axes.get_title())]


def test_shap_plots_it(stored: Explanation) -> None:
    figure = plotted(stored)
    assert titles(figure) == stored.class_names  # above the first row
    first = figure.axes[1].images[1].get_array()
    assert first is not None
    assert np.array_equal(first, stored.values[0, 0, :, :, 0])


def test_for_shap_everything_is_in_place(stored: Explanation) -> None:
    rebuilt = stored.to_shap()
    assert rebuilt.shape == (3, 28, 28, 1, 10)
    assert rebuilt.output_dims == (4,)
    assert rebuilt.output_names == stored.class_names
    sums = rebuilt.values.sum(axis=(1, 2, 3)) + rebuilt.base_values
    np.testing.assert_allclose(sums, stored.outputs, rtol=1e-3, atol=1e-3)
    one = rebuilt[1]
    assert np.array_equal(one.data[..., 0], stored.images[1, 0])
    assert np.array_equal(one.base_values, stored.base_values)


def test_where_each_image_has_classes_of_its_own(stored: Explanation) -> None:
    """As explain.outputs: {top: 2} leaves them."""
    classes = np.argsort(-stored.probabilities, axis=1)[:, :2]
    assert (classes != classes[0]).any()
    places = classes[:, None, None, None, :]
    two = replace(stored, classes=classes, values=np.take_along_axis(stored.values, places, axis=4))
    rebuilt = two.to_shap()
    sums = rebuilt.values.sum(axis=(1, 2, 3)) + rebuilt.base_values
    outputs = np.take_along_axis(stored.outputs, classes, axis=1)
    np.testing.assert_allclose(sums, outputs, rtol=1e-3, atol=1e-3)
    assert titles(plotted(two)) == [stored.class_names[c] for c in classes.ravel()]
