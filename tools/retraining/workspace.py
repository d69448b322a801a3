"""Puts the workspace back if DVC was killed while it prepared a training there.

`dvc exp run --temp` sets the new parameters in the workspace for a few seconds, with HEAD detached
and changes that are not committed in Git's stash, and undoes that itself unless it is killed.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.base.files.atomic import new_file
from stages.base.files.formats import read_json, write_json
from stages.base.files.yaml import PARAMS_FILE
from tools.recipes import merged
from tools.retraining.git import git, git_or_nothing

DVCS_OWN = "dvc-exp:"  # in the title of a training's record in Git's stash
STATE = Path(".dvc/tmp/retraining/workspace.json")


def record(changes: Sequence[Mapping[str, Any]]) -> None:
    """Record the workspace's state before trainings run; `restore` undoes what they leave.

    Args:
        changes: Parameters that DVC sets in the workspace, for each training.
    """
    state = {
        "branch": git_or_nothing("symbolic-ref", "--quiet", "HEAD"),
        "commit": git("rev-parse", "HEAD").strip(),
        "stash": git("stash", "list", "--format=%H").split(),
        "params": PARAMS_FILE.read_text(encoding="utf-8"),
        "changes": list(changes),
    }
    with new_file(STATE) as file:
        write_json(file, state)


def restore() -> str:
    """Undo what a killed DVC left, and nothing else; there is nothing to do without a record.

    Returns:
        What to do about changes that are in Git's stash since then; empty if there are none.
    """
    if not STATE.is_file():
        return ""
    state = read_json(STATE)
    branch, commit = state["branch"], state["commit"]
    at_commit = {git_or_nothing("rev-parse", "--verify", name) for name in ("HEAD", branch) if name}
    if branch and not git_or_nothing("symbolic-ref", "--quiet", "HEAD") and at_commit == {commit}:
        git("symbolic-ref", "HEAD", branch)
    git("rm", "--cached", "-r", "--quiet", "--ignore-unmatch", "--", ".dvc/tmp")
    if _set_by_dvc(PARAMS_FILE.read_text(encoding="utf-8"), state["params"], state["changes"]):
        with new_file(PARAMS_FILE) as file:
            file.write_text(state["params"], encoding="utf-8")
    STATE.unlink()
    stashed = _stashed_since(state["stash"])
    return stashed and (
        "retrain: Git's stash has uncommitted changes that were not in it before: DVC sets yours "
        "aside for seconds, and was perhaps killed meanwhile; they are safe, and so is what you "
        "edited since, if you run git stash push, which sets the latter aside, "
        f"git stash apply --index {stashed}, then the command again"
    )


def _stashed_since(before: Collection[str]) -> str:
    """The newest commit in Git's stash that is neither one of these nor DVC's own, or empty."""
    for entry in git("stash", "list", "--format=%H %gs").splitlines():
        commit, _, title = entry.partition(" ")
        if commit not in before and DVCS_OWN not in title:
            return commit
    return ""


def _set_by_dvc(text: str, before: str, changes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the parameters are those before with the changes for one training."""
    yaml = YAML(typ="safe", pure=True)
    try:
        found, old = yaml.load(text), yaml.load(before)
    except YAMLError:  # cut off, or edited since
        return False
    return text != before and any(found == merged(old, change) for change in changes)
