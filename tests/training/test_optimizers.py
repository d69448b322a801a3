"""The learning rate over the steps of a run."""

import pytest
from torch import nn

from stages.training.optimizers import build_optimizer, build_schedule

from .options import options


def test_one_cycle_goes_up_to_the_rate_and_down_to_nothing() -> None:
    chosen = options(schedule="one_cycle")
    optimizer = build_optimizer(nn.Linear(1, 1), chosen)
    schedule = build_schedule(optimizer, chosen, n_steps=100)
    rates = []
    for _ in range(99):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert max(rates) == pytest.approx(0.05, rel=1e-3)
    assert rates[0] < 0.1 * 0.05
    assert rates[-1] < 0.001 * 0.05
    assert optimizer.param_groups[0]["momentum"] == 0.9
