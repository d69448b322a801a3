"""Saves a training between two epochs to a file, and resumes it."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError
from stages.base.files.atomic import new_file
from stages.base.run.rank import rank
from stages.ranks.gradients import from_all_ranks, from_first_rank
from stages.training.fitting import Training


def save_progress(training: Training, file: Path) -> None:
    """Save everything that the next epoch depends on; `resume` reads it in a later process."""
    draws = from_all_ranks(_draws(next(training.network.parameters()).device.type))
    if rank() > 0:
        return
    state = {
        "network": training.network.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "schedule": training.schedule.state_dict(),
        "order": training.generator.get_state(),
        "draws": draws,
        "rows": training.rows,
        "best_loss": training.best_loss,
        "kept_weights": training.kept_weights,
    }
    with new_file(file) as partial, partial.open("wb") as stream:
        torch.save(state, stream)


def resume(training: Training, file: Path) -> None:
    """Restore a new training to the state of an interrupted one, if that saved any.

    Args:
        training: Made with the same arguments as in the interrupted run; changed in place.
        file: The file in which that run saved its progress.

    Raises:
        UserError: The file is damaged.
    """
    state = from_first_rank(lambda: _load(file) if file.exists() else None)
    if state is None:
        return
    training.network.load_state_dict(state["network"])
    training.optimizer.load_state_dict(state["optimizer"])
    training.schedule.load_state_dict(state["schedule"])
    training.generator.set_state(state["order"])
    training.rows = state["rows"]
    training.best_loss = state["best_loss"]
    training.kept_weights = state["kept_weights"]
    if rank() < len(state["draws"]):  # the interrupted run may have had fewer ranks
        _restore_draws(state["draws"][rank()])
    print(
        f"train: resuming an interrupted run after epoch {len(training.rows)} of "
        f"{training.options.epochs}"
    )


def _load(file: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise any exception
        if isinstance(error, OSError) or is_out_of_memory(error):
            raise
        raise UserError(
            f"{file}: damaged: {error}; run make clean to start training again"
        ) from error
    return state


def _draws(device: str) -> dict[str, Tensor]:
    """States of this rank's dropout generators, on the CPU and on the device."""
    states = {"cpu": torch.get_rng_state()}
    if device != "cpu":
        states[device] = getattr(torch, device).get_rng_state()
    return states


def _restore_draws(states: dict[str, Tensor]) -> None:
    for device, state in states.items():
        (torch if device == "cpu" else getattr(torch, device)).set_rng_state(state)
