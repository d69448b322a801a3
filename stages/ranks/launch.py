"""Runs a stage in several processes, called ranks, under torchrun.

The environment variable LAUNCH asks for it, with torchrun's options: `--nproc-per-node 2`. It is no
parameter, since results do not depend on it but for rounding.
"""

import contextlib
import ctypes
import io
import logging
import os
import shlex
import signal
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from stages.base.errors.user import UserError
from stages.base.run.rank import local_rank

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

# The end of a message that says nothing but that another rank has ended.
LOST = "lost the connection to another, which has ended; see what that said, then run dvc repro"
_PARENT_DEATH_SIGNAL = 1  # number of the option in Linux's prctl.h


def launch(stage: str) -> bool:
    """Run `python -m stages.<stage>` in the ranks that LAUNCH asks for, and wait for them.

    Returns:
        Whether rank 0 was among those of this host.

    Raises:
        UserError: LAUNCH is not as torchrun expects, or a rank failed: says what it said.
        KeyboardInterrupt: The ranks were told to end.
    """
    # Takes a second, which a stage without ranks need not wait for.
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous import RendezvousError
    from torch.distributed.launcher.api import elastic_launch
    from torch.distributed.run import config_from_args, parse_min_max_nnodes

    options = os.environ["LAUNCH"]
    arguments = _parsed(options, stage)
    print(f"{stage}: under torchrun {options}")
    if parse_min_max_nnodes(arguments.nnodes)[1] > 1:
        print(f"other hosts join in this folder: LAUNCH='{options}' python -m stages.{stage}")
    logging.disable(logging.ERROR)  # what matters is raised, and said below
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # hints on speed, from every rank
    try:
        config, command, rest = config_from_args(arguments)
        return 0 in elastic_launch(config, command)(*rest)  # by number of the rank
    except ChildFailedError as error:
        raise UserError(_first_message(error)) from None
    except SignalException:
        raise KeyboardInterrupt from None
    except (ValueError, AssertionError, RuntimeError, RendezvousError) as error:
        raise UserError(f"LAUNCH: torchrun {options}: {error}; change it, or unset it") from None


def _parsed(options: str, stage: str) -> Namespace:
    """The options as torchrun reads them, with the stage as what it starts."""
    from torch.distributed.run import parse_args, parse_min_max_nnodes

    script = ["-m", f"stages.{stage}"]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(complaint):
            arguments: Namespace = parse_args([*shlex.split(options), *script])
            one_host = parse_min_max_nnodes(arguments.nnodes)[1] == 1
    except (SystemExit, ValueError, RuntimeError) as error:
        lines = complaint.getvalue().strip().splitlines() or [str(error)]
        raise _not_options(options, lines[-1]) from None
    if arguments.training_script != script[-1] or arguments.training_script_args:
        raise _not_options(options, f"{arguments.training_script} is not an option")
    if arguments.rdzv_backend == "static" and (one_host or arguments.rdzv_endpoint):
        arguments.rdzv_backend = "c10d"  # the other one would need a number for each host
    if one_host and not arguments.rdzv_endpoint:
        arguments.rdzv_endpoint = "localhost:0"  # any port that is free
    if arguments.rdzv_id == "none":
        arguments.rdzv_id = stage  # so that hosts meet in the same stage
    if arguments.master_port is None:
        arguments.master_port = 29500  # as torchrun has it
    return arguments


def _not_options(options: str, reason: str) -> UserError:
    return UserError(
        f"LAUNCH: must hold options of torchrun, such as --nproc-per-node 2 (got {options}): "
        f"{reason}; change it, or unset it"
    )


def _first_message(error: "ChildFailedError") -> str:
    """Why a rank failed; one message, whatever else it took down with it."""

    def order(failure: tuple[int, "ProcessFailure"]) -> tuple[int, int]:
        said = _said(failure[1])
        return (2 if said.endswith(LOST) else 0 if said else 1), failure[1].timestamp

    number, failure = min(error.failures.items(), key=order)
    if said := _said(failure):
        return said
    if failure.exitcode < 0:
        name = signal.Signals(-failure.exitcode).name
        return f"rank {number} was ended by {name}, and all of this host with it; run dvc repro"
    return f"rank {number} failed with exit code {failure.exitcode}; what it said stands above"


def _said(failure: "ProcessFailure") -> str:
    """The message that a rank left with `fail_rank`; empty if it did not."""
    message: object = failure.message  # torch says that it is a string
    return str(message["message"]).removeprefix("UserError: ") if isinstance(message, dict) else ""


def start_rank() -> None:
    """Let one rank of each host print, and end this rank if its launcher ends without a word."""
    with contextlib.suppress(OSError, AttributeError):  # elsewhere than on Linux
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if local_rank() > 0:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())
        sys.stderr.isatty = lambda: False  # type: ignore[method-assign]  # so no progress bars


def fail_rank(message: str) -> NoReturn:
    """End this rank with a message that the launcher prints, once for all ranks."""
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    get_error_handler().record_exception(UserError(message))
    sys.exit(1)
