"""Attention equals a product, a softmax and a product, each in fifty digits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from deepshap import DeepShap

from ..networks import Function
from . import exact, literal
from .exact import Matrix, Number, Rule, Vector, mp
from .literal import Pair
from .rows import Operation, check, pairs

LENGTH, SIZE = 3, 2
FLOATS = torch.tensor([[0.5, -1.0, 0.25], [0.0, -math.inf, 1.5], [-0.75, 2.0, -math.inf]]).double()
BOOLS = FLOATS > -1
CAUSAL = torch.zeros(LENGTH, LENGTH).double().masked_fill(torch.ones(3, 3).triu(1) > 0, -math.inf)


def composed(first: Matrix, second: Matrix) -> Matrix:
    """The multipliers of two consecutive steps, of the second's outputs for the first's inputs."""
    columns = list(zip(*first, strict=True))
    return [
        [mp.fsum(s * t for s, t in zip(row, column, strict=True)) for column in columns]
        for row in second
    ]


def attention(scale: float, bias: Tensor) -> Rule:
    """One attention head; queries, keys and values are one vector."""
    size, n_logits = LENGTH * SIZE, LENGTH * LENGTH
    offsets = exact.vector(bias)
    into_logits = exact.matrix_product(LENGTH, SIZE, LENGTH)  # queries times transposed keys
    out_of_weights = exact.matrix_product(LENGTH, LENGTH, SIZE)
    softmax = exact.softmax()

    def queries_and_keys(x: Vector) -> Vector:
        keys = x[size : 2 * size]
        transposed = [keys[j * SIZE + i] for i in range(SIZE) for j in range(LENGTH)]
        return x[:size] + transposed

    def logits(x: Vector) -> Vector:
        products = into_logits.function(queries_and_keys(x))
        return [mp.mpf(scale) * p + o for p, o in zip(products, offsets, strict=True)]

    def rows(x: Vector) -> list[Vector]:
        return [x[i : i + LENGTH] for i in range(0, n_logits, LENGTH)]

    def weights_and_values(x: Vector) -> Vector:
        weights = [w for row in rows(logits(x)) for w in softmax.function(row)]
        return weights + x[2 * size :]

    def multipliers(x: Vector, b: Vector) -> Matrix:
        input_multipliers = into_logits.multipliers(queries_and_keys(x), queries_and_keys(b))
        zero: Number = mp.mpf(0)
        weight_multipliers = []
        for at, pair in enumerate(zip(rows(logits(x)), rows(logits(b)), strict=True)):
            before, behind = [zero] * LENGTH * at, [zero] * LENGTH * (LENGTH - 1 - at)
            weight_multipliers += [before + row + behind for row in softmax.multipliers(*pair)]
        output_multipliers = out_of_weights.multipliers(
            weights_and_values(x), weights_and_values(b)
        )
        through = composed(
            composed(
                [[mp.mpf(scale) * m for m in row] for row in input_multipliers], weight_multipliers
            ),
            [row[:n_logits] for row in output_multipliers],
        )
        keys = [size + i * LENGTH + j for j in range(LENGTH) for i in range(SIZE)]
        return [
            row[:size] + [row[at] for at in keys] + straight[n_logits:]
            for row, straight in zip(through, output_multipliers, strict=True)
        ]

    return Rule(lambda x: out_of_weights.function(weights_and_values(x)), multipliers)


NO_BIAS = torch.zeros(LENGTH, LENGTH).double()
USUAL = 1 / math.sqrt(SIZE)
VARIANTS: dict[str, tuple[dict[str, Any], Rule]] = {
    "plain": ({}, attention(USUAL, NO_BIAS)),
    "scale": ({"scale": 3.0}, attention(3, NO_BIAS)),
    "float mask": ({"attn_mask": FLOATS}, attention(USUAL, FLOATS)),
    "bool mask": (
        {"attn_mask": BOOLS},
        attention(USUAL, NO_BIAS.masked_fill(~BOOLS, -math.inf)),
    ),
    "causal": ({"is_causal": True}, attention(USUAL, CAUSAL)),
}


def test_attention_is_product_softmax_product() -> None:
    def operation(options: dict[str, Any]) -> Operation:
        def attend(x: Tensor) -> Tensor:
            heads = x.unflatten(-1, (LENGTH, SIZE))  # (n, 3, rows, length, size): rows are heads
            return F.scaled_dot_product_attention(*heads.unbind(1), **options)

        return attend

    cases = {name: (operation(options), rule) for name, (options, rule) in VARIANTS.items()}
    check(cases, pairs(3, LENGTH * SIZE))


def test_grouped_queries_share_keys_and_values() -> None:
    """Explicitly repeating the keys and values, which is linear, gives the same attributions."""
    x, background = (torch.randn(2, 8, 3, 4, dtype=torch.float64) for _ in range(2))

    def explained(attend: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Tensor:
        network = Function(lambda net, x: attend(*x.split([4, 2, 2], dim=1)).flatten(1)).eval()
        return DeepShap(network, background).attribute(x)

    found = explained(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True))
    expected = explained(
        lambda q, k, v: F.scaled_dot_product_attention(
            q, *(t.repeat_interleave(2, dim=1) for t in (k, v))
        )
    )
    assert torch.allclose(found, expected, atol=1e-13)


def by_rows(rule: Rule, pair: Pair) -> Pair:
    """A rule along the last axis, as a step for `literal`."""
    x, b = pair
    vectors = [
        (exact.vector(u), exact.vector(w))
        for u, w in zip(x.detach().flatten(0, -2), b.flatten(0, -2), strict=True)
    ]
    matrices = torch.stack([exact.tensor(rule.multipliers(u, w)) for u, w in vectors])
    outputs, base_outputs = (
        exact.tensor([rule.function(side[at]) for side in vectors]).view_as(x) for at in (0, 1)
    )

    def multiply(gradient: Tensor) -> Tensor:
        return torch.einsum("rk,rki->ri", gradient.flatten(0, -2), matrices).view_as(gradient)

    return literal.ruled(x, outputs, multiply), base_outputs


def product(u: Pair, v: Pair) -> Pair:
    """The matrix product of two branches."""
    (u_x, u_b), (v_x, v_b) = u, v
    straight = u_x @ (v_x.detach() + v_b) / 2 + (u_x.detach() + u_b) / 2 @ v_x
    return u_x.detach() @ v_x.detach() + straight - straight.detach(), u_b @ v_b


def attended(attention: nn.MultiheadAttention, tokens: Pair) -> Pair:
    """Self-attention as in its paper, arXiv:1706.03762."""
    size = attention.head_dim

    def heads(tokens: Tensor, third: int) -> Tensor:
        weight, bias = (
            t.chunk(3)[third] for t in (attention.in_proj_weight, attention.in_proj_bias)
        )
        return F.linear(tokens, weight, bias).unflatten(-1, (-1, size)).transpose(1, 2)

    queries, keys, values = (
        literal.linear(lambda x, third=third: heads(x, third), tokens) for third in range(3)
    )
    transposed = literal.linear(lambda x: x.mT / math.sqrt(size), keys)
    weights = by_rows(exact.softmax(), product(queries, transposed))
    mixed = product(weights, values)
    return literal.linear(lambda x: attention.out_proj(x.transpose(1, 2).flatten(2)), mixed)


def layer_normed(norm: nn.LayerNorm, tokens: Pair) -> Pair:
    weight, bias = exact.vector(norm.weight), exact.vector(norm.bias)
    return by_rows(exact.standardised(weight, bias, norm.eps), tokens)


def added(u: Pair, v: Pair) -> Pair:
    return u[0] + v[0], u[1] + v[1]


def encoded(layer: nn.TransformerEncoderLayer, tokens: Pair) -> Pair:
    """The encoder layer as documented; with `norm_first`, norms come before attention and MLP."""

    def mixed(tokens: Pair) -> Pair:
        return attended(layer.self_attn, tokens)

    def mapped(tokens: Pair) -> Pair:
        hidden = literal.elementwise(F.relu, literal.linear(layer.linear1, tokens))
        return literal.linear(layer.linear2, hidden)

    if layer.norm_first:
        tokens = added(tokens, mixed(layer_normed(layer.norm1, tokens)))
        return added(tokens, mapped(layer_normed(layer.norm2, tokens)))
    tokens = layer_normed(layer.norm1, added(tokens, mixed(tokens)))
    return layer_normed(layer.norm2, added(tokens, mapped(tokens)))


def compare(module: nn.Module, forward: Callable[[Tensor], Tensor], steps: Any) -> None:
    """Compare both on images (1, 3, 4), which are three tokens of four numbers."""
    module.eval().double().requires_grad_(False)
    for parameter in module.parameters():
        parameter.normal_(generator=torch.Generator().manual_seed(len(parameter)))
    generator = torch.Generator().manual_seed(1)
    x, background = torch.randn(2, 2, 1, 3, 4, generator=generator, dtype=torch.float64)
    network = Function(lambda net, x: forward(x.squeeze(1)).flatten(1), inner=module).eval()
    found = DeepShap(network, background).attribute(x)

    def pair_forward(pair: Pair) -> Pair:
        tokens = literal.linear(lambda x: x.squeeze(1), pair)
        return literal.linear(lambda x: x.flatten(1), steps(tokens))

    expected = literal.attribute(pair_forward, x, background)
    assert torch.allclose(found, expected, rtol=0, atol=1e-12 * float(expected.abs().max()))


def test_multihead_attention_follows_its_paper() -> None:
    module = nn.MultiheadAttention(4, 2, batch_first=True)
    compare(module, lambda x: module(x, x, x)[0], lambda tokens: attended(module, tokens))


def test_multihead_attention_need_not_return_weights() -> None:
    module = nn.MultiheadAttention(4, 2, batch_first=True)
    compare(
        module,
        lambda x: module(x, x, x, need_weights=False)[0],
        lambda tokens: attended(module, tokens),
    )


@pytest.mark.parametrize("norm_first", [True, False])
def test_an_encoder_layer_follows_its_documentation(norm_first: bool) -> None:
    module = nn.TransformerEncoderLayer(4, 2, 5, batch_first=True, norm_first=norm_first)
    compare(module, module, lambda tokens: encoded(module, tokens))
