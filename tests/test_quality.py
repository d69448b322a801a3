"""The quality stage on a real run, and with missing maps, one image, or no edges."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stages import explain, quality, report
from stages.artifacts.explanation import Explanation
from stages.artifacts.measurements import Measurements
from tests.conftest import SMALL, Project, run_stages
from tools.recipes import merged

MEASURES = [
    *("removal_gain", "contrast_shift", "tiles_error"),
    *("coalition_error", "background_error", "concentration"),
]
HEADLINES = ["additivity_error_log10", "top_class_agreement", *MEASURES]


def metrics(root: Path) -> dict[str, float]:
    content: dict[str, float] = json.loads((root / "metrics/explain.json").read_text())
    return content


def test_headlines_are_means_over_the_images(ran_project: Project) -> None:
    table = pd.read_csv(ran_project.root / "data/quality/measures.csv")
    explanation = Explanation.load(ran_project.root / "data/shap")
    own, edges = table[table["method"] == "deep"], table[table["method"] == "edges"]
    assert own["index"].tolist() == explanation.indices.tolist()
    assert own["name"].tolist() == explanation.names.tolist() != own["index"].tolist()
    found = metrics(ran_project.root)
    methods = pd.read_csv(ran_project.root / "plots/methods.csv", index_col="method")
    assert list(found) == HEADLINES, "the most important first"
    for measure in MEASURES:
        values = own[measure].to_numpy()
        assert found[measure] == pytest.approx(np.mean(values))
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        assert methods.loc["deep", f"{measure}_se"] == pytest.approx(error, rel=1e-5)
        baseline = edges[measure].mean()
        assert methods.loc["edges", measure] == pytest.approx(baseline, rel=1e-5, nan_ok=True)


def test_each_method_has_a_row_and_an_exact_one_ends_the_table(ran_project: Project) -> None:
    table = pd.read_csv(ran_project.root / "plots/methods.csv", index_col="method")
    assert table.index.tolist() == ["deep", "edges", "random", "exact"]
    assert table.loc["exact", "tiles_error"] == 0
    assert 0 < table.loc["exact", "coalition_error"] < table.loc["edges", "coalition_error"]
    assert table.loc["edges":"random", "background_error"].isna().all()
    assert table["seconds"].isna().all()  # a measured time never repeats
    assert table["additivity_l1_log10"].notna().tolist() == [True, False, False, False]
    assert -8 < table.loc["deep", "additivity_l1_log10"] < -5
    assert table.loc["deep", "removal_gain"] == pytest.approx(
        metrics(ran_project.root)["removal_gain"], rel=1e-5
    )


def test_the_removal_table_runs_from_the_image_to_the_background(ran_project: Project) -> None:
    table = pd.read_csv(ran_project.root / "plots/removal.csv")
    explanation = Explanation.load(ran_project.root / "data/shap")
    assert table.groupby(["method", "order"]).size().tolist() == 6 * [29]
    intact = explanation.probabilities.max(axis=1).mean()
    assert table.loc[table["removed"] == 0, "probability"].to_numpy() == pytest.approx(intact)
    assert table.loc[table["removed"] == 1, "probability"].nunique() == 1
    assert (table["low"] <= table["probability"]).all()
    gains = table.pivot(index="removed", columns=["method", "order"], values="probability")
    by_order = {
        order: np.trapezoid(gains["deep", order], gains.index)
        for order in ("highest first", "lowest first")
    }
    gain = by_order["lowest first"] - by_order["highest first"]
    assert gain == pytest.approx(metrics(ran_project.root)["removal_gain"], abs=1e-5)


def test_tiles_share_out_what_the_network_gives(ran_project: Project) -> None:
    """Both columns of an additive method sum to the change of the output in the game."""
    table = pd.read_csv(ran_project.root / "plots/tiles.csv")
    sums = table[table["method"].isin(["deep", "edges"])].groupby(["method", "index"]).sum()
    assert len(sums) == 6
    np.testing.assert_allclose(sums["attributed"], sums["exact"], rtol=1e-3, atol=1e-3)


def test_the_background_error_is_that_of_the_stored_errors(ran_project: Project) -> None:
    explanation = Explanation.load(ran_project.root / "data/shap")
    found = Measurements.load(ran_project.root / "data/quality").table["background_error"]
    for i, map_index in enumerate(explanation.map_indices(explanation.predicted)):
        assert explanation.errors is not None
        errors = explanation.errors[i, ..., map_index].astype(float)
        maps = explanation.values[i, ..., map_index].sum(axis=0, dtype=float)
        expected = np.sqrt((errors**2).sum() / (maps**2).sum())
        assert found[i] == pytest.approx(expected, rel=1e-5)


@pytest.fixture
def again(project: Project, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pd.DataFrame]:
    """Explain and measure in this process, with changes to `SMALL`; returns the methods."""
    monkeypatch.chdir(project.root)

    def run(**sections: dict[str, Any]) -> pd.DataFrame:
        run_stages(merged(SMALL, sections), (explain, quality, report))
        return pd.read_csv("plots/methods.csv", index_col="method")

    return run


def test_methods_by_name_are_measured_on_the_same_images(
    again: Callable[..., pd.DataFrame],
) -> None:
    methods = ["integrated_gradients", "deep", "edges", "edges"]
    table = again(quality={"methods": methods})
    assert table.index.tolist() == ["deep", "integrated_gradients", "edges", "exact"]
    assert (table.loc[["deep", "integrated_gradients"], "seconds"] > 0).all()
    assert table.loc[["edges", "exact"], "seconds"].isna().all()
    # Both approximate Shapley values against the same background, so both beat the edges.
    gains = table["removal_gain"]
    assert gains["deep":"integrated_gradients"].min() > gains["edges"]
    assert "seconds" not in pd.read_csv("data/quality/measures.csv")


def test_the_predicted_class_alone_has_no_contrast(
    again: Callable[..., pd.DataFrame], capsys: pytest.CaptureFixture[str]
) -> None:
    table = again(explain={"outputs": "predicted"}, quality={"methods": []})
    assert table.index.tolist() == ["deep", "exact"]
    assert np.isnan(table.loc["deep", "contrast_shift"])
    assert table.loc["deep", "removal_gain":"removal_gain_se"].notna().all()
    assert "leave" not in capsys.readouterr().out, "a measure that does not apply is no news"
    found = metrics(Path())
    assert {"removal_gain", "tiles_error"} <= found.keys()
    assert "contrast_shift" not in found


def test_one_image_has_measures_but_no_standard_errors(
    again: Callable[..., pd.DataFrame],
) -> None:
    table = again(explain={"images": [5], "n_background": 1})
    assert table.loc["deep", ["removal_gain", "contrast_shift", "tiles_error"]].notna().all()
    assert table.filter(like="_se").isna().all(axis=None)
    assert "background_error" not in metrics(Path())
    assert pd.read_csv("plots/removal.csv")["low"].isna().all()


def test_no_image_is_shown_to_the_network_for_measures(again: Callable[..., pd.DataFrame]) -> None:
    """`n_images: 0` is for pictures without the cost of measures."""
    table = again(quality={"n_images": 0})
    free = {"background_error", "concentration"}  # of the maps alone, so of all images
    assert table.loc["deep", MEASURES].isna().tolist() == [name not in free for name in MEASURES]
    assert set(metrics(Path())) == {"additivity_error_log10", "top_class_agreement", *free}
    assert Path("plots/explorer.html").exists()


def test_constant_images_of_two_classes_in_colour(here: Path) -> None:
    """A constant image has no edges: their map ranks no pixel above another and gains 0."""
    labels = np.tile([0, 1], 40)
    images = np.zeros((80, 8, 13, 3), np.uint8)
    images += (labels * 120 + np.arange(80)).astype(np.uint8)[:, None, None, None]
    np.savez("own.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)
    run_stages(
        {
            "data": {"dataset": "arrays", "source": "own.npz"},
            "preprocess": {"validation_fraction": 0.25},
            "model": {"architecture": "single_conv"},
            "train": {"epochs": 2, "batch_size": 16},
            "explain": {"n_background": 6, "images": "first", "n_images": 3},
            "quality": {"methods": ["edges", "integrated_gradients"]},
        }
    )
    table = pd.read_csv(here / "plots/methods.csv", index_col="method")
    assert table.loc["edges", "removal_gain"] == 0
    assert np.isnan(table.loc["edges", "concentration"])
    assert (table["seconds"] > 0).tolist() == [True, False, True, False]
    assert table.loc["edges", "tiles_error"] == pytest.approx(1)
    assert list(metrics(here)) == HEADLINES
