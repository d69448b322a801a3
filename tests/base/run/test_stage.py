"""A stage ends with its results, or with one message and exit code 1."""

import sys
from pathlib import Path
from typing import NoReturn

import pytest

from stages.base.errors.user import UserError
from stages.base.params.sections import Seed, StageParams
from stages.base.run import stage
from stages.base.run.snapshot import code_digests
from tests.conftest import ROOT


class Params(StageParams):
    seed: Seed


@pytest.fixture(autouse=True)
def in_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(stage, "_running", None)
    monkeypatch.setattr(stage, "CODE_AT_START", code_digests())
    monkeypatch.setattr(sys, "argv", ["train.py"])


def ended_by(error: BaseException) -> str:
    """The message of a stage whose `main` raises this error."""

    def main(_: Params) -> NoReturn:
        raise error

    with pytest.raises(SystemExit) as caught:
        stage.run_stage(main, Params, "a smaller train.batch_size")
    assert isinstance(caught.value.code, str)  # Python prints it, and exits with 1
    return caught.value.code


def test_a_stage_gets_its_parameters() -> None:
    given: list[Params] = []
    stage.run_stage(given.append, Params, "")
    assert given == [Params(seed=0)]


def test_a_user_error_prints_only_its_message() -> None:
    assert ended_by(UserError("data: no images")) == "error: data: no images"


def test_missing_output_of_an_earlier_stage_is_named() -> None:
    message = ended_by(FileNotFoundError(2, "No such file", "data/model/network.json"))
    assert message.startswith("error: data/model/network.json: no such file; an earlier stage")


@pytest.mark.parametrize(
    "error", [FileNotFoundError(2, "No such file", "own.txt"), ValueError("ours"), OSError(28, "")]
)
def test_other_errors_keep_their_traceback(error: Exception) -> None:
    def main(_: Params) -> NoReturn:
        raise error

    with pytest.raises(type(error)) as caught:
        stage.run_stage(main, Params, "a smaller train.batch_size")
    assert caught.value is error


def test_out_of_memory_names_the_parameters_of_the_stage() -> None:
    assert "use a smaller train.batch_size" in ended_by(MemoryError("no room"))


def test_ctrl_c_exits_quietly_even_if_a_library_wraps_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(state: str) -> NoReturn:
        raise SystemExit(f"ended: {state}")

    monkeypatch.setattr(stage, "exit_interrupted", ended)
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = KeyboardInterrupt()
    for error in (KeyboardInterrupt(), wrapped):
        again = "unfinished results were removed; run dvc repro to start again"
        assert ended_by(error) == f"ended: {again}"


def test_a_stage_in_another_folder_names_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = ended_by(AssertionError("never reached"))
    assert message == (
        f"error: stages run in the root of the repository, {ROOT} (got {tmp_path}); cd there first"
    )


def test_editing_parameters_during_a_run_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def main(_: Params) -> None:
        monkeypatch.setattr(stage, "load_params", lambda model: Params(seed=1))

    with pytest.raises(SystemExit, match=r"error: params\.yaml: edited while the stage ran"):
        stage.run_stage(main, Params, "a smaller train.batch_size")


@pytest.mark.parametrize(
    "name",
    [
        "stages/base/files/atomic.py",
        "stages/explorer/page/explorer.css",
        "engine/src/deepshap/engine.py",
    ],
)
@pytest.mark.parametrize("change", ["edited", "new", "gone"])
def test_editing_code_during_a_run_stops_it(
    monkeypatch: pytest.MonkeyPatch, change: str, name: str
) -> None:
    """Only loaded code counts, and files in a folder `page` next to it."""
    loaded, unloaded = ROOT / name, ROOT / "stages/README.md"

    def main(_: Params) -> None:
        for file in (unloaded, loaded):
            now = dict(stage.CODE_AT_START)
            if change == "edited":
                now[file] = "another digest"
            elif change == "gone":
                now.pop(file, None)
            monkeypatch.setattr(stage, "code_digests", lambda now=now: now)
            if change == "new":
                monkeypatch.delitem(stage.CODE_AT_START, file, raising=False)
            if file == unloaded:
                stage.require_true_record()

    with pytest.raises(SystemExit, match=rf"^error: {name}: edited while the stage r"):
        stage.run_stage(main, Params, "a smaller train.batch_size")
