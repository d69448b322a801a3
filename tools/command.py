"""Runs a command of this folder and reports its errors."""

import atexit
import gc
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError, unusable_file_message

_NO_REPOSITORY = (
    "no Git repository, which DVC needs; run git init, and commit what you want to compare"
)


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


def require_git() -> None:
    """Raise unless the current folder is the root of a Git repository.

    Raises:
        UserError: It is not; a downloaded archive has no `.git`.
    """
    if not Path(".git").exists():
        raise UserError(f"{Path.cwd()}: {_NO_REPOSITORY}")


def run_program(command: str, program: str, *arguments: str, capture: bool = False) -> str:
    """Run another program, such as dvc.

    Args:
        command: The command of this folder that runs it, for messages.
        program: The program.
        arguments: Arguments of the program.
        capture: Return what it prints on standard output, instead of showing it.

    Raises:
        UserError: It is not installed, or fails; or there is no Git repository.
    """
    try:
        completed = subprocess.run(
            [program, *arguments],
            check=True,
            text=True,
            stdout=subprocess.PIPE if capture else None,
        )
    except FileNotFoundError:
        raise UserError(f"{program}: not found; activate the environment, or use make") from None
    except subprocess.CalledProcessError as error:
        called = " ".join([program, *arguments[:2]])
        hint = "" if Path(".git").exists() else f"; {_NO_REPOSITORY}"
        raise UserError(f"{command}: {called} failed; see above{hint}") from error
    return completed.stdout or ""
