"""`make plan` on a prepared project: what a run would do, without doing it."""

import re
from pathlib import Path

import numpy as np

from tests.conftest import Project, assert_refused, copy


def files(project: Project) -> list[Path]:
    """All files but Git's own, and what Python compiled."""
    return sorted(
        path for path in project.root.rglob("*") if not {".git", "__pycache__"} & {*path.parts}
    )


def test_the_work_and_the_disk_are_those_of_the_run(ran_project: Project, tmp_path: Path) -> None:
    project = copy(ran_project, tmp_path / "clone")
    before = files(project)
    printed = project.succeed("python", "-m", "tools.plan")
    assert files(project) == before
    rows = {line.split()[0]: line for line in printed.splitlines()}
    assert list(rows) == [
        "train",
        "evaluate",
        "explain",
        "quality",
        "shortcuts",
        "together",
        "memory:",
    ]
    values = np.load(project.root / "data/shap/values.npy")
    errors = np.load(project.root / "data/shap/errors.npy")
    n_images, *_, n_maps = values.shape
    n_background = len(np.load(project.root / "data/shap/background.npy"))
    assert f"{n_images} images × {n_maps} maps, {n_background} background images" in rows["explain"]
    number, unit = rows["explain"].split()[-2:]
    written = float(number) * {"kB": 1e3, "MB": 1e6}[unit]
    assert abs(written / (values.nbytes + errors.nbytes) - 1) < 0.05
    assert f"{n_images} of {n_images} images, " in rows["quality"]
    assert "nothing is searched" in rows["shortcuts"]
    for row in list(rows.values())[:6]:
        assert re.search(r"\d (s|min)\s+[\d.]+ [kM]B$", row), row


def test_images_must_be_prepared(fresh_project: Project) -> None:
    assert_refused(
        fresh_project.run("python", "-m", "tools.plan"),
        "no such file; run dvc repro preprocess first",
    )
