"""How a command of this folder ends."""

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
        interrupted: What to say when Ctrl-C stops it.
    """
    # A command lives for seconds, of which a search for garbage among PyTorch's modules takes one.
    gc.disable()
    atexit.register(gc.freeze)
    try:
        main(sys.argv[1:])
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {interrupted}")
    except Exception as error:  # any type may hide an error that a user can fix
        if is_out_of_memory(error):
            sys.exit("error: not enough memory; free some, or take fewer or smaller images")
        if message := unusable_file_message(error):
            sys.exit(f"error: {message}")
        raise
