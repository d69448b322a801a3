"""How Ctrl-C is recognised, and how a program exits after it."""

import _thread
import os
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

REPEAT_AFTER_S = 0.05  # by then Python has left the method that dropped the interrupt


def repeat_dropped_interrupts() -> None:
    """From now on, interrupt again where Python drops Ctrl-C, as in a `__del__` method."""
    sys.unraisablehook = _repeat_interrupt


def _repeat_interrupt(dropped: "UnraisableHookArgs") -> None:
    if issubclass(dropped.exc_type, KeyboardInterrupt):
        threading.Timer(REPEAT_AFTER_S, _thread.interrupt_main).start()
    else:
        sys.__unraisablehook__(dropped)


def was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C caused this error; libraries may wrap it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def exit_interrupted(state: str) -> NoReturn:
    """Print the state of the results and exit with 1.

    sys.exit is not enough: once a KeyboardInterrupt has passed through `exec`, which libraries call
    on import, Python exits with the signal and ignores the exit code.

    Args:
        state: What happened to the results, and what to do next.
    """
    sys.stdout.flush()
    print(f"interrupted: {state}", file=sys.stderr, flush=True)
    os._exit(1)
