"""The queue of trainings over real Git; a program in place of dvc shows how it is called."""

import fcntl
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.base.errors.user import UserError
from tests.conftest import Project, assert_refused
from tests.tools.retraining.stand_in import CHANGES, PARAMS, calls, git, lock, train_all
from tools.retraining.__main__ import main
from tools.retraining.queue import LOGS, find_experiments, other_seeds, settings


def test_seeds_follow_the_runs_own_and_wrap_around() -> None:
    assert other_seeds(0, 3) == [1, 2, 3]
    assert other_seeds(2**32 - 2, 3) == [2**32 - 1, 0, 1]


@pytest.mark.parametrize(
    ("images", "fixed"),
    [
        ("random", False),
        ("all", False),
        ([3, "7"], False),
        ("mistakes", True),
        ("per_class", True),
        ([3, "mistakes"], True),
    ],
)
def test_a_choice_by_the_network_becomes_a_list_of_images(images: Any, fixed: bool) -> None:
    """Other trainings make other mistakes; all must explain the same images."""
    params = {**PARAMS, "explain": {**PARAMS["explain"], "images": images}}
    changes = settings(params, [5, 2])
    assert changes.get("explain") == ({"images": [5, 2]} if fixed else None)
    assert changes["shortcuts"] == {"n_images": 0}


def test_what_is_done_is_not_run_again(repository: Path) -> None:
    first = train_all([1, 2], CHANGES, jobs=1)
    assert calls() == ["retrain-1", "retrain-2"]
    assert train_all([1, 2, 3], CHANGES, jobs=1)[:2] == first
    assert calls() == ["retrain-1", "retrain-2", "retrain-3"]
    (options,) = {line.split("--name")[0] for line in Path("calls").read_text().splitlines()}
    assert options == "exp run --temp "
    assert "++train.seed=3" in Path("calls").read_text().splitlines()[2]


@pytest.mark.parametrize("changed", [{"code": "c1"}, {"train.epochs": 7}])
def test_other_code_or_parameters_train_again(repository: Path, changed: dict[str, Any]) -> None:
    train_all([1], CHANGES, jobs=1)
    if "code" in changed:
        lock(repository, **changed)
    else:
        text = (repository / "params.yaml").read_text()
        (repository / "params.yaml").write_text(text.replace("epochs: 6", "epochs: 7"))
    assert find_experiments([1], CHANGES) == {}


def test_other_code_trains_again_however_the_lock_file_is_written(repository: Path) -> None:
    """YAML allows other orders and quotes."""
    for code in ("c0", "c1"):
        lock(repository, code)
        content = yaml.safe_load(Path("dvc.lock").read_text())
        Path("dvc.lock").write_text(yaml.safe_dump(content, sort_keys=True, default_style='"'))
        if code == "c0":
            git("commit", "--quiet", "--all", "--message", "sorted")
            assert train_all([1], CHANGES, jobs=1) == [find_experiments([1], CHANGES)[1]]
    assert find_experiments([1], CHANGES) == {}


def test_an_experiment_without_a_lock_file_is_not_ours(repository: Path) -> None:
    (commit,) = train_all([1], CHANGES, jobs=1)
    git("rm", "--quiet", "--cached", "dvc.lock")
    git("commit", "--quiet", "--message", "without")
    without = git("rev-parse", "HEAD")
    git("update-ref", f"refs/exps/{without[:2]}/{without[2:]}/retrain-2", without)
    assert find_experiments([1, 2], CHANGES) == {1: commit}


def test_another_result_or_another_commit_alone_does_not_train_again(repository: Path) -> None:
    """Code and data are those of the experiment, so its results are, too."""
    found = train_all([1], CHANGES, jobs=1)
    lock(repository, model="m1", prepared="p1")
    for command in ("add dvc.lock", "commit --quiet --message other"):
        subprocess.run(["git", *command.split()], check=True)
    assert find_experiments([1], CHANGES) == {1: found[0]}


def test_an_outdated_experiment_makes_room(repository: Path) -> None:
    (old,) = train_all([1], CHANGES, jobs=1)
    text = (repository / "params.yaml").read_text()
    (repository / "params.yaml").write_text(text.replace("epochs: 6", "epochs: 7"))
    (new,) = train_all([1], CHANGES, jobs=1)
    assert new != old
    assert calls() == ["retrain-1", "retrain-1"]


def test_a_failure_shows_its_last_lines_and_keeps_the_others(repository: Path) -> None:
    Path("fail-retrain-2").touch()
    message = (
        r"error: no luck today\nretrain: the training with seed 2 failed; "
        r"\.dvc/tmp/retraining/retrain-2\.log has all of its output; fix the cause, and run"
    )
    with pytest.raises(UserError, match=message):
        train_all([1, 2, 3], CHANGES, jobs=1)
    assert set(find_experiments([1, 2, 3], CHANGES)) == {1}
    Path("fail-retrain-2").unlink()
    assert len(train_all([1, 2, 3], CHANGES, jobs=1)) == 3
    assert calls().count("retrain-1") == 1


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(("event", "raised"), [("fail", UserError), ("ctrl-c", KeyboardInterrupt)])
@pytest.mark.parametrize("jobs", [1, 2])
def test_no_training_starts_after_a_failure_or_ctrl_c(
    repository: Path,
    event: str,
    raised: type[BaseException],
    jobs: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With two jobs, one finds the repository locked for good: it gives up, too."""
    train_all([1, 2], CHANGES, jobs=1)
    Path(f"{event}-retrain-3").touch()
    Path("busy-retrain-4").write_text("for good")
    with pytest.raises(raised):
        train_all([1, 2, 3, 4, 5, 6], CHANGES, jobs)
    assert set(calls()) - {"retrain-4"} == {"retrain-1", "retrain-2", "retrain-3"}
    assert jobs == 2 or "retrain-4" not in calls()
    assert capsys.readouterr().out.endswith("2 of 6 trainings are done and kept\n")


def test_a_locked_repository_is_tried_again(repository: Path) -> None:
    """DVC locks it for a moment when another training begins or ends."""
    Path("busy-retrain-2").touch()
    assert len(train_all([1, 2], CHANGES, jobs=2)) == 2
    assert sorted(calls()) == ["retrain-1", "retrain-2", "retrain-2"]


def test_several_trainings_at_once(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEET", "3")
    assert len(train_all([1, 2, 3], CHANGES, jobs=3)) == 3


def test_trainings_of_a_killed_command_are_waited_for(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    LOGS.mkdir(parents=True)
    with (LOGS / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        thread = threading.Thread(target=train_all, args=([1], CHANGES, 1))
        thread.start()
        thread.join(1)
        assert thread.is_alive()
        assert calls() == []
    thread.join()
    assert "trainings of an earlier command are still running" in capsys.readouterr().out
    assert calls() == ["retrain-1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ten"], r"retrain: N must be a whole number, at least 2 \(got 'ten'\): make retrain N="),
        (["1"], r"N must be a whole number, at least 2 \(got '1'\)"),
        (["-3"], r"N must be a whole number"),
        (["10", "--jobs", "0"], r"JOBS must be a whole number, at least 1 \(got '0'\): .* JOBS=2"),
        (["10"], r"no Git repository"),
    ],
)
def test_mistakes_are_reported_before_any_work(
    here: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        main(arguments)
    assert list(here.iterdir()) == []


def test_a_run_that_is_not_current_is_refused(fresh_project: Project) -> None:
    """A fresh clone has no results; nothing is trained or written."""
    result = fresh_project.run("python", "-m", "tools.retraining", "2")
    assert_refused(
        result,
        r"^error: retrain: changed since the last run, or missing: \w.*; run dvc repro",
    )
    assert not (fresh_project.root / "plots/retraining").exists()
