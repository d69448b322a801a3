"""How a command of this folder ends."""

import atexit
import gc
import sys
from collections.abc import Callable, Sequence

from stages.core.errors import UserError, unusable_file_message


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
    except OSError as error:
        if message := unusable_file_message(error):
            sys.exit(f"error: {message}")
        raise
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {interrupted}")
