"""The curves grow during training, so that it can be watched."""

import subprocess
import time

from tests.conftest import Project, environment


def test_the_curves_grow_epoch_by_epoch_under_dvc(project: Project) -> None:
    project.set({"train.epochs": 8})
    curves = project.root / "plots/training.csv"
    with subprocess.Popen(
        ["dvc", "repro", "--quiet", "train"], cwd=project.root, env=environment()
    ) as process:
        seen: list[list[str]] = []
        while process.poll() is None:
            if curves.exists() and (lines := curves.read_text().splitlines()) not in seen:
                seen.append(lines)
            time.sleep(0.02)
    assert process.returncode == 0
    grown = [lines for lines in seen if len(lines) < 1 + 8]  # the previous run had two epochs
    assert len({len(lines) for lines in grown}) >= 3
    whole = curves.read_text().splitlines()
    assert len(whole) == 1 + 8
    assert all(whole[: len(lines)] == lines for lines in grown[1:])
