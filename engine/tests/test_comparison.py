"""The README's table of the networks that deepshap, shap and captum explain additively."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepshap import DeepShap

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # shap and captum use deprecated parts of their dependencies
    import shap
    from captum.attr import DeepLiftShap

from .networks import OURS_ALONE, SHAP_IS_RIGHT, SHAP_IS_WRONG, Function, behind, build, images

README = Path(__file__).resolve().parents[1] / "README.md"
F64 = torch.float64


def maximum_of_branches(net: nn.Module, x: Tensor) -> Tensor:
    return net.head(torch.maximum(net.left(x), net.right(x)).flatten(1))


def attention(net: nn.Module, x: Tensor) -> Tensor:
    tokens = net.tokens(x.flatten(1).unflatten(1, (10, 20)))
    return net.head(F.scaled_dot_product_attention(tokens, tokens, tokens).flatten(1))


NETWORKS: dict[str, list[Callable[[], nn.Module]]] = {
    "convolutions, linear layers, batch norm, ReLU": [SHAP_IS_RIGHT["batch norm"]],
    "GELU": [lambda: behind(nn.GELU())],
    "SiLU": [lambda: behind(nn.SiLU())],
    "max pooling, windows side by side": [SHAP_IS_RIGHT["conv relu pool"]],
    "max pooling, overlapping windows": [SHAP_IS_WRONG["overlapping pool 3/2"]],
    "functional calls": [SHAP_IS_WRONG["functional"]],
    "a module used twice": [SHAP_IS_WRONG["one module twice"]],
    "in-place activations": [OURS_ALONE["in-place activations"]],
    "products of branches": [OURS_ALONE["squeeze and excitation"], OURS_ALONE["square"]],
    "maxima of branches": [
        lambda: Function(
            maximum_of_branches,
            left=nn.Conv2d(2, 4, 3),
            right=nn.Conv2d(2, 4, 3),
            head=nn.Linear(256, 3),
        )
    ],
    "layer norm, group norm": [
        lambda: behind(nn.LayerNorm([4, 8, 8]), nn.ReLU()),
        lambda: behind(nn.GroupNorm(2, 4), nn.ReLU()),
    ],
    "attention": [lambda: Function(attention, tokens=nn.Linear(20, 20), head=nn.Linear(200, 3))],
}


def by_deepshap(network: nn.Module, x: Tensor, background: Tensor) -> Tensor:
    return DeepShap(network, background).attribute(x)


def by_shap(network: nn.Module, x: Tensor, background: Tensor) -> Tensor:
    explainer = shap.DeepExplainer(network, background)
    return torch.as_tensor(explainer.shap_values(x, check_additivity=False))


def by_captum(network: nn.Module, x: Tensor, background: Tensor) -> Tensor:
    explainer = DeepLiftShap(network)
    values = [explainer.attribute(x, background, target=k) for k in range(3)]
    return torch.stack(values, -1).detach()


def verdict(explain: Callable[..., Tensor], network: nn.Module) -> str:
    """Whether a method is additive for a network in float64: yes, no or fails."""
    x, background = images(3, F64), images(6, F64, seed=2)
    with torch.no_grad():
        change = network(x) - network(background).mean(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # both warn about their hooks
            values = explain(network, x, background)
    except (AssertionError, RuntimeError):
        return "fails"
    error = (values.sum((1, 2, 3)) - change).abs().max() / change.abs().max()
    assert error < 1e-12 or error > 0.01
    return "yes" if error < 1e-12 else "no"


def rows() -> dict[str, list[str]]:
    """The rows of the README's table by their first cell."""
    text = README.read_text(encoding="utf-8")
    cells = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|"))
    return {first: others for first, *others in cells if set(others) <= {"yes", "no", "fails"}}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_readme_says_which_methods_are_additive(name: str) -> None:
    for make in NETWORKS[name]:
        found = [
            verdict(explain, build(make, F64)) for explain in (by_deepshap, by_shap, by_captum)
        ]
        assert found == rows()[name]


def test_the_table_has_no_other_rows() -> None:
    assert list(rows()) == list(NETWORKS)
    assert re.search(r"shap\.DeepExplainer 0\.\d+ \| captum 0\.\d+", README.read_text("utf-8"))
