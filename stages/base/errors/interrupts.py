"""Ctrl-C: how it is recognised, and how a program ends by it."""

import os
import sys
from typing import NoReturn


def was_interrupted(error: BaseException | None) -> bool:
    """Whether Ctrl-C caused this error; libraries may wrap it."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def exit_interrupted(state: str) -> NoReturn:
    """Print what became of the results and exit with 1.

    sys.exit would not do: once a KeyboardInterrupt has passed through `exec`, which libraries call
    while they import, Python ends with the signal whatever the exit code.

    Args:
        state: What became of the results, and what to do.
    """
    sys.stdout.flush()
    print(f"interrupted: {state}", file=sys.stderr, flush=True)
    os._exit(1)
