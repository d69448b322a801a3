"""How Ctrl-C is recognised, and how a program exits after it."""

import os
import sys
from typing import NoReturn


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
