"""Adding a file adds a measure, to every table and to the page, and changes nothing else."""

import json
from pathlib import Path

import pandas as pd
import pytest

from tests.conftest import Project, assert_refused

EXPLANATION_MEASURE = '''"""Largest attribution of a map."""

DESCRIPTION = "largest attribution of a pixel, whatever its <unit>"
BETTER = "neither"


def measure(measured):
    """Largest attribution of each image (n,)."""
    return measured.maps.predicted.max(axis=(1, 2))
'''
PREDICTION_MEASURE = '''"""Share of one class."""


def measure(probabilities, labels):
    """Share of the images that are predicted as the first class."""
    return (probabilities.argmax(axis=1) == 0).mean()
'''


@pytest.fixture
def with_measures(project: Project) -> Project:
    """A project with a measure of explanations and one of predictions, as a user adds them."""
    measures = project.root / "stages/measures"
    (measures / "explanations/largest.py").write_text(EXPLANATION_MEASURE)
    (measures / "predictions/first_class.py").write_text(PREDICTION_MEASURE)
    return project


def run(project: Project, stage: str) -> None:
    result = project.stage(stage)
    assert result.returncode == 0, result.stderr


def table(root: Path, file: str) -> pd.DataFrame:
    return pd.read_csv(root / file)


def test_a_measure_of_explanations_is_a_file(with_measures: Project) -> None:
    root = with_measures.root
    before = [table(root, file) for file in ("data/quality/measures.csv", "plots/methods.csv")]
    headlines = json.loads((root / "metrics/explain.json").read_text())
    run(with_measures, "quality")
    run(with_measures, "report")
    measures, methods = (
        table(root, file) for file in ("data/quality/measures.csv", "plots/methods.csv")
    )
    assert set(measures) - set(before[0]) == {"largest"}
    assert set(methods) - set(before[1]) == {"largest", "largest_se"}
    for after, old in ((measures, before[0]), (methods, before[1])):
        pd.testing.assert_frame_equal(after[old.columns], old)
    own = measures[measures["method"] == "deep"]["largest"]
    assert methods["largest"][0] == pytest.approx(own.mean(), rel=1e-5)
    page = (root / "plots/explorer.html").read_text()
    assert '"explain.largest"' in page
    assert (
        "largest attribution of a pixel, whatever its \\u003cunit\\u003e; neither is better" in page
    )
    assert json.loads((root / "metrics/explain.json").read_text()) == headlines


def test_a_measure_of_predictions_is_a_file(with_measures: Project) -> None:
    root = with_measures.root
    before = json.loads((root / "metrics/evaluate.json").read_text())
    run(with_measures, "evaluate")
    metrics = json.loads((root / "metrics/evaluate.json").read_text())
    share = (table(root, "plots/confusion.csv")["predicted"] == 0).mean()
    assert metrics == {**before, "first_class": pytest.approx(share)}


def test_adding_a_measure_reruns_its_stage(with_measures: Project) -> None:
    (with_measures.root / "stages/measures/predictions/first_class.py").unlink()
    status = with_measures.succeed("dvc", "status", "--json")
    assert set(json.loads(status)) == {"quality"}


def test_a_measure_without_a_description_is_refused_at_once(project: Project) -> None:
    file = project.root / "stages/measures/explanations/largest.py"
    file.write_text(EXPLANATION_MEASURE.replace("DESCRIPTION", "SAYS"))
    assert_refused(project.stage("quality"), r"explanations/largest\.py: must define DESCRIPTION")
