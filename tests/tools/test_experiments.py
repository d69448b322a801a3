"""The table of experiments, 100 characters wide, and the summary at the end of a run."""

import json
import random
from typing import Any

import pytest

from stages.base.errors.user import UserError
from tests.conftest import Project
from tools import next_steps
from tools.experiments import WIDTH, rows


def version(accuracy: float | None, **params: Any) -> dict[str, Any]:
    metrics = (
        {}
        if accuracy is None
        else {"accuracy": accuracy, "log_loss": 0.1, "top_class_agreement": 1.0}
    )
    files = {"metrics/evaluate.json": {"data": metrics}}
    data = {"metrics": files, "params": {"params.yaml": {"data": params}}}
    return {"rev": "0" * 40, "name": None, "data": data, "error": None}


def experiment(name: str, state: str, *versions: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "revs": list(versions), "executor": {"state": state}}


def test_changes_are_relative_to_the_commit() -> None:
    start = version(0.9, train={"epochs": 6, "rate": 0.1}, seed=0)
    changed = version(0.95, train={"epochs": 3, "rate": 0.1}, seed=1)
    waiting = version(None, train={"epochs": 6, "rate": 0.1}, seed=2)
    lines = list(
        rows(
            {
                **start,
                "name": "main",
                "experiments": [
                    experiment("new-one", "success", changed),
                    experiment("next-one", "Queued", waiting),
                ],
            }
        )
    )
    assert lines[0].split() == ["main", "0.9000", "0.1000", "1.0000"]
    assert lines[1].split() == [
        "new-one",
        "0.9500",
        "0.1000",
        "1.0000",
        "seed:",
        "1,",
        "train.epochs:",
        "3",
    ]
    assert lines[2].split() == ["next-one", "queued", "seed:", "2"]


def test_any_experiment_fits_into_a_hundred_columns() -> None:
    """Many changes and long names are wrapped, not cut off."""
    draw = random.Random(0)
    params = {f"key_{'x' * draw.randrange(30)}{i}": draw.random() for i in range(40)}
    name = "a-name-that-a-user-has-chosen-for-a-recipe-of-her-own"
    commit = {**version(0.5), "experiments": [experiment(name, "success", version(0.6, **params))]}
    text = "\n".join(rows(commit))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert name in text
    assert all(
        f"{key}: {json.dumps(value)}" in " ".join(text.split()) for key, value in params.items()
    )


def test_the_experiments_that_dvc_lists(two_versions: Project) -> None:
    printed = two_versions.succeed("python", "-m", "tools.experiments", "-n", "2")
    assert [line.split()[0] for line in printed.splitlines()] == [
        "experiment",
        "workspace",
        "main",
        two_versions.succeed("git", "rev-parse", "HEAD~1")[:7],
    ]


def test_the_summary_of_a_run(ran_project: Project) -> None:
    printed = ran_project.succeed("python", "-m", "tools.next_steps")
    measured = json.loads((ran_project.root / "metrics/evaluate.json").read_text())
    assert f"test accuracy {100 * measured['accuracy']:.2f}%" in printed
    assert "3 test images explained by DeepSHAP" in printed
    assert (ran_project.root / "plots/explorer.html").as_uri() in printed


@pytest.mark.usefixtures("here")
def test_before_the_first_run() -> None:
    with pytest.raises(
        UserError, match=r"metrics/evaluate\.json: no such file; run dvc repro first"
    ):
        next_steps.main([])


def test_a_run_that_is_not_the_committed_one_is_to_be_committed(project: Project) -> None:
    """As after the first run on a processor that rounds differently."""
    advice = "git commit --all "
    assert advice not in project.succeed("python", "-m", "tools.next_steps")
    with (project.root / "dvc.lock").open("a") as lock:
        lock.write("# another run\n")
    assert advice in project.succeed("python", "-m", "tools.next_steps")
