"""Runs a command of this folder and reports its errors."""

import atexit
import gc
import sys
from collections.abc import Callable, Sequence

from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError, unusable_file_message


def run_command(main: Callable[[Sequence[str]], None], interrupted: str = "run it again") -> None:
    """Run a command on its arguments; print a user's error and exit with 1.

    Args:
        main: The command.
        interrupted: The message after Ctrl-C.
    """
    # Commands take seconds, and collecting garbage among PyTorch's modules takes one of them.
    gc.disable()
    atexit.register(gc.freeze)
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {interrupted}")
    except Exception as error:  # a user may be able to fix an error of any type
        if is_out_of_memory(error):
            sys.exit("error: not enough memory; free some, or take fewer or smaller images")
        if message := unusable_file_message(error):
            sys.exit(f"error: {message}")
        raise
