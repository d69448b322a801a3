"""The workspace after DVC was killed while it prepared a training there, over real Git."""

import re
from pathlib import Path
from typing import Any

import pytest

from stages.base.errors.user import UserError
from tests.tools.retraining.stand_in import CHANGES, git, train_all
from tools.retraining import queue, workspace
from tools.retraining.__main__ import main


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
