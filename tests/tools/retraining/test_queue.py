"""The queue of trainings over real Git; a program in place of dvc shows how it is called."""

import fcntl
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from stages.base.errors.user import UserError
from tests.conftest import ROOT, Project, assert_refused
from tools.retraining import queue, workspace
from tools.retraining.__main__ import main
from tools.retraining.queue import LOGS, alone, find_experiments, other_seeds, settings

PARAMS: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
LOCK_TEXT = """schema: '2.0'
stages:
  train:
    cmd: python -m stages.train
    deps:
    - path: data/prepared
      hash: md5
      md5: {prepared}.dir
      size: 1
    - path: stages/train.py
      hash: md5
      md5: {code}
      size: 1
    outs:
    - path: data/model
      hash: md5
      md5: {model}
      size: 1
  preprocess:
    cmd: python -m stages.preprocess
    outs:
    - path: data/prepared
      hash: md5
      md5: {prepared}.dir
      size: 1
"""
# Records the run as an experiment, as dvc does: params.yaml with these parameters, a commit, a ref.
STAND_IN = r"""#!/usr/bin/env python3
import os, re, signal, subprocess, sys, time
from pathlib import Path

name = sys.argv[sys.argv.index("--name") + 1]
with Path("calls").open("a") as calls:
    print(" ".join(sys.argv[1:]), file=calls)
if Path(f"fail-{name}").exists():
    sys.exit("error: no luck today")
if Path(f"ctrl-c-{name}").exists():
    os.kill(os.getppid(), signal.SIGINT)
    sys.exit("interrupted")
if (busy := Path(f"busy-{name}")).exists():
    busy.unlink() if busy.read_text() == "" else time.sleep(0.1)
    sys.exit("ERROR: Unable to acquire lock. Most likely another DVC process is running")
if "MEET" in os.environ:  # until as many run at once
    Path(f"runs-{name}").touch()
    deadline = time.monotonic() + 60
    while len(list(Path().glob("runs-*"))) < int(os.environ["MEET"]):
        if time.monotonic() > deadline:
            sys.exit("alone")
        time.sleep(0.1)
text = Path("params.yaml").read_text()
seed = re.search(r"train\.seed=(\d+)", " ".join(sys.argv))[1]
text = re.sub("  seed: null", f"  seed: {seed}", text).replace("n_images: 2000", "n_images: 0")

def git(*arguments, **options):
    command = ["git", *arguments]
    return subprocess.run(command, check=True, text=True, stdout=-1, **options).stdout.strip()

blob = git("hash-object", "-w", "--stdin", input=text)
index = {**os.environ, "GIT_INDEX_FILE": f".git/index-{name}"}
git("read-tree", "HEAD", env=index)
git("update-index", "--cacheinfo", f"100644,{blob},params.yaml", env=index)
tree, head = git("write-tree", env=index), git("rev-parse", "HEAD")
commit = git("commit-tree", tree, "-p", head, "-m", name)
git("update-ref", f"refs/exps/{head[:2]}/{head[2:]}/{name}", commit, "")
"""


@pytest.fixture
def repository(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A commit with this repository's parameters and a `dvc.lock`; `dvc` is the stand-in."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.org")
    text = (ROOT / "params.yaml").read_text()
    (here / "params.yaml").write_text(text)
    lock(here)
    for command in ("init --quiet", "add --all", "commit --quiet --message run"):
        subprocess.run(["git", *command.split()], check=True)
    programs = here / ".git/programs"
    programs.mkdir()
    (programs / "dvc").write_text(STAND_IN)
    (programs / "dvc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(queue, "RETRY_S", 0)
    return here


def lock(folder: Path, code: str = "c0", model: str = "m0", prepared: str = "p0") -> None:
    text = LOCK_TEXT.format(code=code, model=model, prepared=prepared)
    (folder / "dvc.lock").write_text(text)


def calls() -> list[str]:
    """The experiments that were started, in order."""
    text = Path("calls").read_text() if Path("calls").exists() else ""
    return re.findall(r"--name (\S+)", text)


CHANGES = settings(PARAMS, [])


def train_all(seeds: list[int], changes: Any, jobs: int) -> list[str]:
    """As the command does."""
    with alone() as lock:
        return queue.train_all(seeds, changes, jobs, lock)


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


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], check=True, text=True, stdout=subprocess.PIPE)
    return done.stdout.strip()


def killed_while_dvc_prepares(seed: int) -> None:
    """What DVC does in the workspace before a training, without what it does at the end."""
    workspace.record([{**CHANGES, "train": {"seed": seed}}])
    git("checkout", "--quiet", "--detach")
    text = Path("params.yaml").read_text().replace("n_images: 2000", "n_images: 0")
    Path("params.yaml").write_text(text.replace("  seed: null", f"  seed: {seed}"))
    arguments = Path(".dvc/tmp/repro.dat")
    arguments.parent.mkdir(parents=True, exist_ok=True)
    arguments.touch()
    git("add", "--force", str(arguments))


def test_the_workspace_of_a_killed_command_is_put_back(repository: Path) -> None:
    branch, before = git("symbolic-ref", "HEAD"), Path("params.yaml").read_bytes()
    killed_while_dvc_prepares(3)
    workspace.restore()
    assert git("symbolic-ref", "HEAD") == branch
    assert Path("params.yaml").read_bytes() == before
    assert git("status", "--porcelain", "--untracked-files=no") == ""


def test_edits_and_commits_made_since_are_kept(repository: Path) -> None:
    killed_while_dvc_prepares(3)
    edited = Path("params.yaml").read_text().replace("epochs: 6", "epochs: 7")
    Path("params.yaml").write_text(edited)
    git("commit", "--quiet", "--all", "--message", "on a detached HEAD")
    commit = git("rev-parse", "HEAD")
    workspace.restore()
    assert git("rev-parse", "HEAD") == commit
    assert git("branch", "--show-current") == ""
    assert Path("params.yaml").read_text() == edited


def commands_in(advice: str) -> list[list[str]]:
    """The Git commands that a message names."""
    return [found.split() for found in re.findall(r"git ((?:stash|reset)[^,;]*)", advice)]


@pytest.mark.parametrize("applied", [False, True])
def test_changes_in_the_stash_and_edits_made_since_are_kept(
    repository: Path, applied: bool
) -> None:
    """DVC was killed before or after it applied what it had set aside; then the user edits."""
    Path("code.py").write_text("old\n")
    git("add", "code.py")
    git("commit", "--quiet", "--message", "code")
    workspace.record([CHANGES])
    Path("code.py").write_text("mine\n")
    git("stash", "push", "--quiet")
    if applied:
        git("stash", "apply", "--quiet")
    params = Path("params.yaml").read_text() + "# since then\n"
    Path("params.yaml").write_text(params)
    with pytest.raises(UserError, match="they are safe, and so is what you edited since") as error:
        main(["2"])
    for command in commands_in(str(error.value)):
        git(*command)
    assert Path("code.py").read_text() == "mine\n"
    assert git("show", "stash@{0}:params.yaml") + "\n" == params
    assert workspace.restore() == ""  # it complains once


def test_dvcs_own_stash_is_not_taken_for_the_users(repository: Path) -> None:
    """DVC's record of a training lies in Git's stash for a moment, above what it set aside."""
    workspace.record([CHANGES])
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "# mine\n")
    git("stash", "push", "--quiet")
    mine = git("rev-parse", "refs/stash")
    Path("params.yaml").write_text(Path("params.yaml").read_text() + "# DVC's\n")
    git("stash", "push", "--quiet", "--message", "dvc-exp:1234:5678:retrain-1")
    assert ["stash", "apply", "--index", mine] in commands_in(workspace.restore())


def test_a_stash_made_while_trainings_run_does_not_stop_them(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run_and_stash(*arguments: Any) -> None:
        Path("params.yaml").write_text(Path("params.yaml").read_text() + "# mine\n")
        git("stash", "push", "--quiet")
        run_all(*arguments)

    run_all = queue._run_all
    monkeypatch.setattr(queue, "_run_all", run_and_stash)
    assert len(train_all([1, 2], CHANGES, jobs=1)) == 2
    assert "git stash apply" in capsys.readouterr().out


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
