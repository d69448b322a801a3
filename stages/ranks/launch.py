"""Runs a stage in several processes, called ranks, under torchrun.

The environment variable LAUNCH asks for them and holds torchrun's options: `--nproc-per-node 2`. It
is not a parameter in `params.yaml`, since it changes results only by rounding.
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

# The end of the message of a rank that failed only because another one did.
LOST = "lost the connection to another rank, which exited; see its error above, then run dvc repro"

_PARENT_DEATH_SIGNAL = 1  # number of the option in Linux's prctl.h


def launch(stage: str) -> bool:
    """Run `python -m stages.<stage>` in the ranks that LAUNCH asks for, and wait for them.

    Returns:
        Whether rank 0 ran on this host.

    Raises:
        UserError: torchrun does not accept LAUNCH, or a rank failed; has the rank's message.
        KeyboardInterrupt: The ranks were interrupted.
    """
    # Not at the top: these imports take a second, which a stage without ranks does not need.
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
    _silence_process_logs()
    try:
        config, command, rest = config_from_args(arguments)
        return 0 in elastic_launch(config, command)(*rest)  # results by index of the rank
    except ChildFailedError as error:
        raise UserError(_first_message(error)) from None
    except SignalException:
        raise KeyboardInterrupt from None
    except (ValueError, AssertionError, RuntimeError, RendezvousError) as error:
        raise UserError(f"LAUNCH: torchrun {options}: {error}; change it, or unset it") from None


def prepare_rank_process() -> None:
    """Let only one rank of each host print, and have this rank killed when its launcher dies."""
    with contextlib.suppress(OSError, AttributeError):  # only Linux has it
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if local_rank() > 0:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())
        sys.stderr.isatty = lambda: False  # type: ignore[method-assign]  # turns progress bars off


def fail_rank(message: str) -> NoReturn:
    """End this rank with a message that the launcher prints, once for all ranks."""
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    get_error_handler().record_exception(UserError(message))
    sys.exit(1)


def _parsed(options: str, stage: str) -> Namespace:
    """The options as torchrun parses them, with the stage as the script to start."""
    from torch.distributed.run import parse_args, parse_min_max_nnodes

    script = ["-m", f"stages.{stage}"]
    output = io.StringIO()
    try:
        with contextlib.redirect_stderr(output), contextlib.redirect_stdout(output):
            arguments: Namespace = parse_args([*shlex.split(options), *script])
            one_host = parse_min_max_nnodes(arguments.nnodes)[1] == 1
    except (SystemExit, ValueError, RuntimeError) as error:
        lines = output.getvalue().strip().splitlines() or [str(error)]
        raise _invalid_options(options, lines[-1]) from None
    if arguments.training_script != script[-1] or arguments.training_script_args:
        raise _invalid_options(options, f"{arguments.training_script} is not an option")
    if arguments.rdzv_backend == "static" and (one_host or arguments.rdzv_endpoint):
        arguments.rdzv_backend = "c10d"  # static would need an index for each host
    if one_host and not arguments.rdzv_endpoint:
        arguments.rdzv_endpoint = "localhost:0"  # any free port
    if arguments.rdzv_id == "none":
        arguments.rdzv_id = stage  # so that hosts meet in the same stage
    if arguments.master_port is None:
        arguments.master_port = 29500  # torchrun's default
    return arguments


def _invalid_options(options: str, reason: str) -> UserError:
    return UserError(
        f"LAUNCH: must be options of torchrun, such as --nproc-per-node 2 (got {options}): "
        f"{reason}; change it, or unset it"
    )


def _silence_process_logs() -> None:
    """Hide the logs of this process and its ranks; `launch` raises what matters."""
    logging.disable(logging.ERROR)
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # hints on speed, from every rank


def _first_message(error: "ChildFailedError") -> str:
    """The message of the rank that failed first; others may have failed because of it."""

    def order(failure: tuple[int, "ProcessFailure"]) -> tuple[int, int]:
        message = _message_of_rank(failure[1])
        return (2 if message.endswith(LOST) else 0 if message else 1), failure[1].timestamp

    index, failure = min(error.failures.items(), key=order)
    if message := _message_of_rank(failure):
        return message
    if failure.exitcode < 0:
        name = signal.Signals(-failure.exitcode).name
        return f"rank {index} was killed by {name}; all ranks on this host stopped; run dvc repro"
    return f"rank {index} failed with exit code {failure.exitcode}; see its error above"


def _message_of_rank(failure: "ProcessFailure") -> str:
    """The message that a rank passed to `fail_rank`; empty if there is none."""
    message: object = failure.message  # PyTorch annotates it as a string only
    return str(message["message"]).removeprefix("UserError: ") if isinstance(message, dict) else ""
