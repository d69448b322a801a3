"""The precision of training: `auto` becomes what the processors multiply fast."""

import torch

from stages.base.run.rank import n_ranks, rank
from stages.networks.device import multiplies_bfloat16
from stages.params.train import Train
from stages.ranks.gradients import sum_over_ranks


def with_chosen_precision(options: Train, device: torch.device) -> Train:
    """The options with a precision for `auto`; says what was chosen, or that bfloat16 is emulated.

    All ranks get the same: bfloat16 if the hardware of each multiplies it.

    Args:
        options: Section `train` of `params.yaml`.
        device: This rank computes on it; the ranks are connected.
    """
    n_fast = sum_over_ranks(torch.tensor([float(multiplies_bfloat16(device))], device=device))
    is_fast = int(n_fast) == n_ranks()
    chosen = options.precision
    if chosen == "auto":
        chosen = "bfloat16" if is_fast else "float32"
        _say(f"in {chosen}, since this hardware {'multiplies' if is_fast else 'emulates'} bfloat16")
    elif chosen == "bfloat16" and not is_fast:
        _say(
            "this hardware emulates bfloat16, which can take ten times as long as float32; "
            "set train.precision: auto"
        )
    return options.model_copy(update={"precision": chosen})


def _say(line: str) -> None:
    if rank() == 0:
        print(f"train: {line}")
