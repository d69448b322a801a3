"""Results are written completely or not at all."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stages.base.errors.user import UserError
from stages.base.files.atomic import new_file, new_folder
from stages.base.files.formats import read_json, write_json
from stages.base.files.tables import write_csv
from tests.conftest import ROOT, environment


def test_a_folder_is_replaced_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.mkdir()
    (path / "old").touch()
    with new_folder(path) as folder:
        (folder / "new").touch()
        assert [p.name for p in path.iterdir()] == ["old"]
    assert [p.name for p in path.iterdir()] == ["new"]
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_new_content_is_flushed_before_it_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, fsync = tmp_path / "out", os.fsync
    flushed: list[tuple[int, bool]] = []

    def recording(descriptor: int) -> None:
        flushed.append((os.fstat(descriptor).st_ino, path.exists()))
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", recording)
    for write in (write_folder, write_file):
        write(path)
        new = {file.stat().st_ino for file in (path, *path.rglob("*"))}
        assert {inode for inode, renamed in flushed if not renamed} == new
        assert flushed[-1] == (tmp_path.stat().st_ino, True)
        flushed.clear()
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def write_folder(path: Path) -> None:
    with new_folder(path) as folder:
        (folder / "inner").mkdir()
        (folder / "inner/file").touch()
        (folder / "file").touch()


def write_file(path: Path) -> None:
    with new_file(path) as file:
        file.touch()


def write_half(path: Path, error: type[BaseException]) -> None:
    with new_folder(path) as folder:
        (folder / "half").touch()
        raise error


def write_half_a_file(path: Path, error: type[BaseException]) -> None:
    with new_file(path) as file:
        file.write_text("half")
        raise error


@pytest.mark.parametrize("write", [write_half, write_half_a_file])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, UserError])
def test_a_failed_write_leaves_nothing_behind(
    tmp_path: Path,
    write: Callable[[Path, type[BaseException]], None],
    error: type[BaseException],
) -> None:
    with pytest.raises(error):
        write(tmp_path / "out", error)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial/half").touch()
    with new_folder(tmp_path / "out") as folder:
        (folder / "new").touch()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["new"]


def test_an_interrupt_during_replacement_leaves_a_complete_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out"
    with new_folder(path) as folder:
        (folder / "old").touch()

    def interrupted(_: Path) -> None:
        raise KeyboardInterrupt

    def replace() -> None:
        with new_folder(path) as folder:
            (folder / "new").touch()
            monkeypatch.setattr("shutil.rmtree", interrupted)

    with pytest.raises(KeyboardInterrupt):
        replace()
    assert [p.name for p in path.iterdir()] == ["new"]


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    def write() -> None:
        with new_file(tmp_path / "file/out") as file:
            file.touch()

    with pytest.raises(UserError, match=r"file/out: cannot be written: .*fix the permissions"):
        write()


def test_an_unreadable_file_is_not_reported_as_a_full_disk(tmp_path: Path) -> None:
    def write() -> None:
        with new_folder(tmp_path / "out"):
            (tmp_path / "missing").read_bytes()

    with pytest.raises(UserError, match=r"missing: cannot be read: No such file"):
        write()


WRITERS = {
    "a folder of arrays": (
        "with new_folder(Path('disk/out')) as f: np.save(f / 'a.npy', np.zeros(1 << 20))"
    ),
    "a table": "write_csv(Path('disk/out.csv'), pd.DataFrame({'a': np.zeros(1 << 18)}))",
}


@pytest.mark.usefixtures("small_disks")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk(tmp_path: Path, writer: str) -> None:
    (tmp_path / "disk").mkdir()
    code = f"""
import numpy as np, pandas as pd
from pathlib import Path
from stages.base.errors.user import UserError
from stages.base.files.atomic import new_folder
from stages.base.files.tables import write_csv
try:
    {WRITERS[writer]}
except UserError as error:
    print(error)
print([p.name for p in Path('disk').iterdir()])
"""
    mounted = f"mount -t tmpfs -o size=64k tmpfs disk && '{sys.executable}' -c \"$CODE\""
    result = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", mounted],
        cwd=tmp_path,
        env=environment(CODE=code, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
    )
    message, left = result.stdout.splitlines()
    assert message.startswith("disk/out")
    assert "cannot be written: " in message
    assert "free some space" in message
    assert left == "[]"


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, content in (("a", {"x": 1, "y": 0.1}), ("b", {"y": 0.1, "x": 1})):
        write_json(tmp_path / name, content)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_json(tmp_path / "a") == {"x": 1, "y": 0.1}


def test_numbers_that_json_cannot_represent_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a", {"x": float("nan")})


def test_tables_survive_a_round_trip(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a, b", 'c "d"'], "value": np.array([0.5, 1e-9])})
    write_csv(tmp_path / "t.csv", table)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table)
