"""The optimiser, and its learning rate over the steps of a run."""

import pytest
from torch import nn, optim

from stages.training.optimizers import build_optimizer, build_schedule

from .options import options


def test_one_cycle_goes_up_to_the_rate_and_down_to_almost_0() -> None:
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


@pytest.mark.parametrize(
    ("name", "kind", "momentum"),
    [("sgd", optim.SGD, 0.8), ("adam", optim.Adam, None), ("adamw", optim.AdamW, None)],
)
def test_the_optimiser_has_the_given_settings(
    name: str, kind: type[optim.Optimizer], momentum: float | None
) -> None:
    network = nn.Linear(2, 1)
    network.bias.requires_grad_(False)
    chosen = options(optimizer=name, learning_rate=0.03, weight_decay=0.02, momentum=0.8)
    optimizer = build_optimizer(network, chosen)
    assert type(optimizer) is kind
    (group,) = optimizer.param_groups
    assert [id(weight) for weight in group["params"]] == [id(network.weight)]
    assert (group["lr"], group["weight_decay"], group.get("momentum")) == (0.03, 0.02, momentum)


def test_a_constant_rate_stays_constant() -> None:
    optimizer = build_optimizer(nn.Linear(1, 1), options())
    schedule = build_schedule(optimizer, options(), n_steps=5)
    for _ in range(5):
        optimizer.step()
        schedule.step()
        assert optimizer.param_groups[0]["lr"] == 0.05
