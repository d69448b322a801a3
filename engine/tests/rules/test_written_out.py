"""Composite operations have the attributions of the formulas that define them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepshap import DeepShap

from ..networks import Function

Formula = Callable[[Tensor], Tensor]
F64 = torch.float64
PROTOTYPES = torch.linspace(-1, 2, 18, dtype=F64).view(3, 6)


def of_length_one(x: Tensor) -> Tensor:
    return x / (x * x).sum(-1, keepdim=True).sqrt()


def distances(x: Tensor, p: float) -> Tensor:
    rows = [(x[:, 0] - prototype).abs() for prototype in PROTOTYPES]
    return torch.stack([(row**p).sum(-1) ** (1 / p) for row in rows], -1)


def variance(x: Tensor, n: int) -> Tensor:
    deviations = x - x.sum(-1, keepdim=True) / 6
    return (deviations * deviations).sum(-1) / n


def in_order(x: Tensor) -> Tensor:
    """Four numbers, by comparing halves, then neighbours, then the two in the middle."""
    a, b, c, d = x[..., :4].unbind(-1)
    (a, c), (b, d) = ((torch.minimum(u, v), torch.maximum(u, v)) for u, v in ((a, c), (b, d)))
    (a, b), (c, d) = ((torch.minimum(u, v), torch.maximum(u, v)) for u, v in ((a, b), (c, d)))
    return torch.stack([a, torch.minimum(b, c), torch.maximum(b, c), d], -1)


FORMULAS: dict[str, tuple[Formula, Formula]] = {
    "product": (
        lambda x: x[..., :4].prod(-1),
        lambda x: (x[..., 0] * x[..., 2]) * (x[..., 1] * x[..., 3]),
    ),
    "products so far": (
        lambda x: x[..., :3].cumprod(-1),
        lambda x: torch.stack(
            [x[..., 0], x[..., 0] * x[..., 1], (x[..., 1] * x[..., 2]) * x[..., 0]], -1
        ),
    ),
    "sorted": (lambda x: x[..., :4].sort(-1).values, in_order),
    "sorted downward": (
        lambda x: x[..., :4].mT.sort(2, descending=True).values,
        lambda x: in_order(x).flip(-1).mT,
    ),
    "largest two": (
        lambda x: x[..., :4].topk(2).values,
        lambda x: in_order(x)[..., [3, 2]],
    ),
    "smallest": (
        lambda x: x[..., :4].topk(1, largest=False).values,
        lambda x: in_order(x)[..., :1],
    ),
    "third": (lambda x: x[..., :4].kthvalue(3).values, lambda x: in_order(x)[..., 2]),
    "median": (
        lambda x: x[..., :4].median(-1, keepdim=True).values,
        lambda x: in_order(x)[..., 1:2],
    ),
    "quantile": (
        lambda x: x[..., :4].quantile(0.3, -1),
        lambda x: in_order(x)[..., 0] + 0.9 * (in_order(x)[..., 1] - in_order(x)[..., 0]),
    ),
    "nearest quantile": (
        lambda x: x[..., :4].nanquantile(0.8, -1, keepdim=True, interpolation="nearest"),
        lambda x: in_order(x)[..., 2:3],
    ),
    "clamped by another": (
        lambda x: x[:, 0].clamp_min(x[:, 1]),
        lambda x: torch.maximum(x[:, 0], x[:, 1]),
    ),
    "hypot": (
        lambda x: torch.hypot(x[:, 0], x[:, 1]),
        lambda x: (x[:, 0] ** 2 + x[:, 1] ** 2) ** 0.5,
    ),
    "lerp": (
        lambda x: torch.lerp(x[:, 0], x[:, 1], x[:, 2]),
        lambda x: x[:, 0] + x[:, 2] * (x[:, 1] - x[:, 0]),
    ),
    "variance": (lambda x: x.var(-1), lambda x: variance(x, 5)),
    "variance of the mean": (
        lambda x: torch.var_mean(x, -1, correction=0)[0],
        lambda x: variance(x, 6),
    ),
    "deviation": (lambda x: torch.std(x, -1), lambda x: variance(x, 5).sqrt()),
    "deviation and mean": (
        lambda x: torch.cat(torch.std_mean(x, -1), -1),
        lambda x: torch.cat([variance(x, 5).sqrt(), x.mean(-1)], -1),
    ),
    "norm": (lambda x: torch.linalg.norm(x, dim=-1), lambda x: (x * x).sum(-1).sqrt()),
    "norm of order 3": (
        lambda x: torch.linalg.vector_norm(x, 3, dim=-1),
        lambda x: (x.abs() ** 3).sum(-1) ** (1 / 3),
    ),
    "cosine similarity": (
        lambda x: F.cosine_similarity(x[:, 0], x[:, 1], dim=-1),
        lambda x: (of_length_one(x[:, 0]) * of_length_one(x[:, 1])).sum(-1),
    ),
    "pairwise distance": (
        lambda x: F.pairwise_distance(x[:, 0], x[:, 1], eps=0),
        lambda x: ((x[:, 0] - x[:, 1]) ** 2).sum(-1).sqrt(),
    ),
    "distances": (lambda x: torch.cdist(x[:, 0], PROTOTYPES), lambda x: distances(x, 2)),
    "distances of order 3": (
        lambda x: torch.cdist(x[:, 0], PROTOTYPES, 3),
        lambda x: distances(x, 3),
    ),
    "logsumexp": (lambda x: x.logsumexp((1, 3)), lambda x: x.exp().sum((1, 3)).log()),
    "logaddexp": (
        lambda x: torch.logaddexp(x[:, 0], x[:, 1]),
        lambda x: (x[:, 0].exp() + x[:, 1].exp()).log(),
    ),
    "logaddexp2": (
        lambda x: torch.logaddexp2(x[:, 0], x[:, 1]),
        lambda x: (2 ** x[:, 0] + 2 ** x[:, 1]).log2(),
    ),
    "pooling by powers": (
        lambda x: F.lp_pool1d(x[:, 0].abs(), 3, 2),
        lambda x: (x[:, 0].abs() ** 3).unflatten(-1, (3, 2)).sum(-1) ** (1 / 3),
    ),
    "any": (
        lambda x: (x > 1).any(-1) * x[..., 0],
        lambda x: (x.amax(-1) > 1) * x[..., 0],
    ),
    "all": (
        lambda x: (x > -1).all(-1) * x[..., 0],
        lambda x: (x.amin(-1) > -1) * x[..., 0],
    ),
}


def test_an_operation_has_the_attributions_of_its_formula() -> None:
    """Both also have the outputs that PyTorch computes, which the engine itself checks."""
    generator = torch.Generator().manual_seed(0)
    x, background = torch.randn(2, 3, 3, 2, 6, generator=generator, dtype=F64)

    def explained(at: int) -> tuple[Tensor, Tensor]:
        def forward(net: nn.Module, x: Tensor) -> Tensor:
            return torch.cat([pair[at](x).flatten(1) for pair in FORMULAS.values()], 1)

        explainer = DeepShap(Function(forward).eval(), background)
        return explainer.attribute(x), explainer.base_values

    (found, outputs), (expected, expected_outputs) = explained(0), explained(1)
    assert torch.allclose(outputs, expected_outputs, rtol=0, atol=1e-12)
    start = 0
    for name, (operation, _) in FORMULAS.items():
        end = start + operation(x[:1]).numel()
        # A maximum of gates may pass the change to another position than a maximum of values.
        same = (found - expected)[..., start:end]
        same = same.sum((1, 2, 3)) if name in {"any", "all"} else same
        assert float(same.abs().max()) < 1e-10, name
        start = end
    assert start == found.shape[-1]


def test_any_number_of_values_is_sorted() -> None:
    """The engine itself compares its outputs with PyTorch's."""
    x, background = torch.randn(
        2, 3, 1, 1, 13, dtype=F64, generator=torch.Generator().manual_seed(0)
    )
    background[0, ..., 1::2] = 1  # ties
    numbers = 1, 2, 3, 5, 6, 7, 8, 13
    net = Function(
        lambda net, x: torch.cat([x[..., :n].flatten(1).sort().values for n in numbers], 1)
    ).eval()
    sums = DeepShap(net, background).attribute(x).sum((1, 2, 3))
    assert torch.allclose(sums, net(x) - net(background).mean(0), rtol=0, atol=1e-14)


def test_norms_across_maps_add_up() -> None:
    """The engine compares its outputs with those of the modules, which it leaves as they were."""
    norms = nn.ModuleList(nn.CrossMapLRN2d(n, alpha=2, beta=0.6, k=0.5) for n in (1, 2, 3, 4, 7))
    net = Function(
        lambda net, x: torch.cat([norm(x).flatten(1) for norm in net.norms], 1), norms=norms
    ).eval()
    x, background = torch.randn(
        2, 3, 5, 2, 2, dtype=F64, generator=torch.Generator().manual_seed(0)
    )
    sums = DeepShap(net, background).attribute(x).sum((1, 2, 3))
    assert torch.allclose(sums, net(x) - net(background).mean(0), rtol=0, atol=1e-14)
    assert not any("forward" in vars(norm) for norm in norms)


def recurrent(net: nn.LSTM | nn.GRU | nn.RNN, x: Tensor) -> Tensor:
    """One layer as documented: the states of all steps, (n, steps, 3)."""
    state = memory = x.new_zeros(len(x), 3)
    states = []
    for step in x.unbind(1):
        inner = F.linear(step, net.weight_ih_l0, net.bias_ih_l0)
        outer = F.linear(state, net.weight_hh_l0, net.bias_hh_l0)
        if isinstance(net, nn.LSTM):
            i, f, g, o = (inner + outer).chunk(4, 1)
            memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
            state = o.sigmoid() * memory.tanh()
        elif isinstance(net, nn.GRU):
            (r, z, n), (r_, z_, n_) = inner.chunk(3, 1), outer.chunk(3, 1)
            keep = (z + z_).sigmoid()
            new = (n + (r + r_).sigmoid() * n_).tanh()
            state = (state - new) * keep + new
        else:
            state = (inner + outer).tanh()
        states.append(state)
    return torch.stack(states, 1)


@pytest.mark.parametrize("kind", [nn.RNN, nn.GRU, nn.LSTM])
def test_a_recurrent_layer_is_its_steps(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    layer = kind(4, 3, batch_first=True).double().requires_grad_(False)
    x, background = torch.randn(2, 2, 1, 3, 4, dtype=F64)

    def explained(forward: Formula) -> Tensor:
        net = Function(lambda net, x: forward(x.squeeze(1)).flatten(1), layer=layer).eval()
        return DeepShap(net, background).attribute(x)

    found = explained(lambda x: layer(x)[0])
    assert torch.allclose(found, explained(lambda x: recurrent(layer, x)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("options", [{"num_layers": 2, "bidirectional": True}, {"proj_size": 2}])
def test_recurrent_layers_of_all_kinds_add_up(options: dict[str, int | bool]) -> None:
    torch.manual_seed(0)
    layer = nn.LSTM(4, 3, dropout=0.5 if "num_layers" in options else 0, **options)
    net = Function(lambda net, x: net.layer(x[:, 0].transpose(0, 1))[0].sum(0), layer=layer)
    x, background = torch.randn(2, 3, 1, 3, 4, dtype=F64)
    sums = DeepShap(net.eval().double(), background).attribute(x).sum((1, 2, 3))
    assert torch.allclose(sums, net(x) - net(background).mean(0), rtol=0, atol=1e-14)
