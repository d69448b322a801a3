"""Ctrl-C that Python drops."""

import sys
import time

import pytest

from stages.base.errors.interrupts import repeat_dropped_interrupts


class InterruptedWhenDeleted:
    def __del__(self) -> None:
        raise KeyboardInterrupt


@pytest.mark.usefixtures("ctrl_c")
def test_an_interrupt_that_python_drops_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)  # undone afterwards
    repeat_dropped_interrupts()
    InterruptedWhenDeleted()
    with pytest.raises(KeyboardInterrupt):
        time.sleep(1)


def test_other_errors_that_python_drops_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing:
        def __del__(self) -> None:
            raise ValueError("dropped")

    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    repeat_dropped_interrupts()
    Failing()
    assert "ValueError: dropped" in capsys.readouterr().err
