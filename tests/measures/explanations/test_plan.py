"""The plan: everything where it fits, else as many images as the budget allows, by sampling."""

from itertools import count

import pytest
import torch
from torch import Tensor, nn

from stages.measures.explanations.base.plan import Plan, Work, choose_plan

WORK = Work(n_images=12, n_maps=3, n_background=20, n_methods=3)
EXACT = 12 * 512 * 10 + 12 * 58 * 5 * 3  # images × coalitions or masks × background (× methods)
SAMPLED = 16 * 18 + 58 * 3  # passes for an image: pairs × masks, masks × methods


def network_of(flop: int) -> tuple[nn.Module, Tensor]:
    """A linear layer with this many operations for an image (two for each weight)."""
    layer = nn.Linear(1000, flop // 2000, bias=False, device="meta")
    return nn.Sequential(nn.Flatten(), layer), torch.empty((1, 1, 10, 100), device="meta")


def test_a_small_network_is_measured_exactly() -> None:
    assert choose_plan("auto", WORK, *network_of(2000)) == Plan(12, False, EXACT)


@pytest.mark.parametrize("seconds_a_pass", [1e-3, 1e-2])
def test_a_large_one_within_the_budget(seconds_a_pass: float) -> None:
    plan = choose_plan("auto", WORK, *network_of(int(4e10 * seconds_a_pass)))
    assert plan.sampled
    budget = max(60 / seconds_a_pass, 2 * 12 * 3 * 20)
    fitting = max(n for n in range(13) if n * SAMPLED <= budget)
    assert plan.n_images == max(fitting, 4)
    assert plan.passes == plan.n_images * SAMPLED


def test_what_explain_may_cost_quality_may_cost_too() -> None:
    work = WORK._replace(n_maps=1000)
    plan = choose_plan("auto", work, *network_of(int(4e10)))
    assert plan == Plan(12, False, EXACT), f"{EXACT} < 2 · 12 · 1000 · 20 passes"


def test_a_given_number_of_images_is_measured_exactly() -> None:
    slow = network_of(int(4e12))
    assert choose_plan(3, WORK, *slow) == Plan(3, False, 3 * (512 * 10 + 58 * 5 * 3))
    assert choose_plan(0, WORK, *slow) == Plan(0, False, 0)
    assert choose_plan(50, WORK, *slow).n_images == 12


def test_the_plan_is_monotone() -> None:
    """A slower network is never measured on more images."""
    numbers = (choose_plan("auto", WORK, *network_of(int(1e6 * 4**i))) for i in count())
    plans = [plan for plan, _ in zip(numbers, range(9), strict=False)]
    assert [p.n_images for p in plans] == sorted((p.n_images for p in plans), reverse=True)
