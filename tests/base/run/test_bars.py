"""Progress bars: one line where work takes over ten seconds, none where it does not."""

import re
import resource
from pathlib import Path

import pytest

from stages.base.run import bars
from stages.base.run.bars import ProgressBar, duration, peak_memory


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that tests set, in seconds."""
    now = [0.0]
    monkeypatch.setattr(bars.time, "perf_counter", lambda: now[0])
    return now


def test_long_work_is_announced_once(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in ProgressBar(range(100), desc="explain", unit="image"):
        clock[0] += 0.5
    (line,) = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"explain: 100 images, about 50 s, \d+\.\d GB of memory", line)


def test_short_work_is_not(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    for _ in ProgressBar(range(100), desc="explain", unit="image"):
        clock[0] += 0.09
    assert capsys.readouterr().out == ""


def test_what_is_done_once_is_counted_once(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Loops are compiled for the first image."""
    for image in ProgressBar(range(100), desc="explain", unit="image"):
        clock[0] += 30 if image == 0 else 0.5
    assert "explain: 100 images, about 80 s" in capsys.readouterr().out


def test_a_resumed_run_counts_what_is_left(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with ProgressBar[None](desc="train", unit="step", total=1000, initial=900) as progress:
        for _ in range(100):
            clock[0] += 3
            progress.update()
    assert "train: 100 steps, about 5 min" in capsys.readouterr().out


def test_a_single_piece_needs_no_estimate(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in ProgressBar(range(1), desc="explain", unit="image"):
        clock[0] += 60
    assert capsys.readouterr().out == ""


def test_only_the_first_rank_speaks(
    clock: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    monkeypatch.setenv("RANK", "1")
    for _ in ProgressBar(range(100), desc="explain", unit="image"):
        clock[0] += 1
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(12.34, "12 s"), (89, "89 s"), (90, "1.5 min"), (1234, "21 min"), (5399, "90 min"),
     (5400, "1.5 h"), (36000, "10 h"), (7200, "2 h")],
)  # fmt: skip
def test_times_have_two_digits(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_memory_is_the_largest_so_far() -> None:
    block = b"x" * 400_000_000
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    assert 400e6 < pages * resource.getpagesize() < 1.01 * peak_memory()  # Linux counts in batches
    del block
    assert pages * resource.getpagesize() < 1.01 * peak_memory()
