"""The notebook runs from top to bottom beside a run of the pipeline, as a reader would run it."""

import json

from tests.conftest import ROOT, Project


def test_the_tour(ran_project: Project) -> None:
    project = ran_project  # -p no:cacheprovider: nothing is written there
    command = ["pytest", "--nbmake", "--quiet", "-p", "no:cacheprovider", "notebooks/tour.ipynb"]
    assert "1 passed" in project.succeed(*command)


def test_it_is_stored_without_results() -> None:
    """They would change with every run, and bloat the history."""
    cells = json.loads((ROOT / "notebooks/tour.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) == 10
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert all(len(cell["source"]) <= 10 for cell in cells)
