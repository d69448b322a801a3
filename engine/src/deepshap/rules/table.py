"""The table of operations: the rule of each ATen operation.

A module, its functional form and its method arrive as the same operation, so one entry covers all
three. To add an operation, list its ATen name under the rule it follows. If it can be written in
terms of other operations, add it to `deepshap.graph.decompositions` instead.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from deepshap.rules import secants
from deepshap.rules.base import Call, Rule
from deepshap.rules.bilinear import (
    Choice,
    Quotient,
    TwoBranches,
    bilinear,
    matrix_multiplied,
    multiplied,
)
from deepshap.rules.elementwise import (
    SMOOTH_THRESHOLD,
    Comparison,
    Elementwise,
    Numeric,
    Rectifier,
    Selection,
    Step,
)
from deepshap.rules.linear import Convolution, Dense, Linear, Overwriting, Scale, Sum, Unchanged
from deepshap.rules.pooling import Maximum, MaxPool
from deepshap.rules.sampling import sampled
from deepshap.rules.secants import Secant
from deepshap.rules.softmax import InnerSoftmax

RuleOf = Callable[[Call], Rule]
"""Makes the rule of a call; raises NotImplementedError with advice if there is none."""

ADVICE = {
    "argmax": "positions have no multiplier; use the values alone",
    "argsort": "positions, as of sort and topk, have no multiplier; use the values alone",
    "nanquantile": "its ranks are read from a tensor; give a number, as in x.quantile(0.5)",
    "quantile": "its ranks are read from a tensor; give a number, as in x.quantile(0.5)",
    "rrelu": "it draws slopes at random; call eval()",
    "_native_batch_norm_legit": "it normalises by statistics of the batch; keep running statistics",
    "_native_batch_norm_legit_functional": "it normalises by statistics of the batch; call eval()",
    "item": "it turns a value that depends on the images into a Python number; keep it a tensor",
}
"""Advice for operations without a rule, where it differs from the usual one."""


def _closed(secant: Secant) -> RuleOf:
    return lambda call: Elementwise(call, secant)


def _dropout(call: Call) -> Rule:
    if call.arguments["train"]:
        raise NotImplementedError("it drops at random; pass training=self.training")
    return Unchanged(call)


def _cast(call: Call) -> Rule:
    dtype = call.arguments["dtype"] or call.zero.dtype
    if not dtype.is_floating_point:
        raise NotImplementedError(f"it converts to {dtype}, which has no multiplier")
    if torch.finfo(dtype).bits < min(32, torch.finfo(call.zero.dtype).bits):
        raise NotImplementedError(
            f"it computes in {dtype}, too coarse to add up; call the network under autocast, or "
            "convert it, outside of forward"
        )
    return Unchanged(call)


def _convolution(call: Call) -> Rule:
    return Convolution(call) if call.varying == ("input",) else bilinear(call)


def _dense(call: Call) -> Rule:
    matrix = call.varying == ("input",) and call.arguments["weight"].ndim == 2
    return Dense(call) if matrix else bilinear(call)


def _reshaped(call: Call) -> Rule:
    same = call.inputs[0].numel() == call.output.numel()
    return Unchanged(call) if same and len(call.inputs) == 1 else Linear(call)


def _subtraction(call: Call) -> Rule:
    return Sum(call, -1)


def _negated(call: Call) -> Rule:
    return Scale(call, -1)


def _division(call: Call) -> Rule:
    if call.arguments.get("rounding_mode") is not None:
        raise NotImplementedError("it rounds, which has no multiplier")
    if len(call.varying) == 2:
        return Quotient(call)
    if call.varying == ("self",):
        return Scale(call, 1 / call.arguments["other"])
    return Elementwise(call, secants.reciprocal)


def _power(call: Call) -> Rule:
    if len(call.varying) == 2:
        return TwoBranches(call)
    if call.varying == ("exponent",):
        base = _operand(call, call.arguments["self"])
        return Elementwise(call, secants.exponential_of_base(base))
    exponent = _operand(call, call.arguments["exponent"])
    if isinstance(exponent, Tensor):
        return Elementwise(call, secants.power_of(exponent))
    known = {0.5: secants.root, -0.5: secants.inverse_root}
    if exponent in known:
        return Elementwise(call, known[exponent])
    if exponent in range(1, 10):
        return Elementwise(call, secants.power(int(exponent)))
    return Elementwise(call, secants.power_of(exponent))


def _operand(call: Call, constant: Tensor | float) -> Tensor | float:
    """A constant as a number, or aligned with rows (p, k, ...) if it has several elements."""
    if not isinstance(constant, Tensor):
        return constant
    return constant.item() if constant.numel() == 1 else Scale(call, constant).factor


def _leaky_relu(call: Call) -> Rule:
    return Elementwise(call, secants.leaky(call.arguments["negative_slope"]))


def _prelu(call: Call) -> Rule:
    call.require_only("self")
    slope = Scale(call, call.arguments["weight"].reshape(-1, *[1] * (len(call.output) - 2)))
    return Elementwise(call, secants.leaky(slope.factor))


def _elu(call: Call) -> Rule:
    names = ("alpha", "scale", "input_scale")
    return Elementwise(call, secants.exponential_below_zero(*(call.arguments[n] for n in names)))


def _selu(call: Call) -> Rule:
    alpha, scale = 1.6732632423543772, 1.0507009873554805  # Klambauer et al. 2017
    return Elementwise(call, secants.exponential_below_zero(alpha, scale, 1))


def _celu(call: Call) -> Rule:
    alpha = call.arguments["alpha"]
    return Elementwise(call, secants.exponential_below_zero(alpha, 1, 1 / alpha))


def _extremum(call: Call) -> Rule:
    return TwoBranches(call) if len(call.varying) == 2 else Selection(call)


def _comparison(call: Call) -> Rule:
    return TwoBranches(call) if len(call.varying) == 2 else Comparison(call)


def _function_of_two(call: Call) -> Rule:
    return TwoBranches(call) if len(call.varying) == 2 else Numeric(call, SMOOTH_THRESHOLD)


def _where(call: Call) -> Rule:
    varies = "condition" in call.varying
    return Choice(call, "condition", "self", "other") if varies else Linear(call)


def _masked_fill(call: Call) -> Rule:
    return Choice(call, "mask", "value", "self") if "mask" in call.varying else Linear(call)


def _scattered(call: Call) -> Rule:
    if call.arguments.get("reduce") is not None:
        raise NotImplementedError("it combines elements; use scatter_add")
    if "src" in call.varying:
        source = call.inputs[call.varying.index("src")]
        if source != call.arguments["index"].shape:
            raise NotImplementedError("its source must have the shape of its index; cut it first")
    return Linear(call) if call.name == "scatter_add" else Overwriting(call)


def _soft_shrink(call: Call) -> Rule:
    return Elementwise(call, secants.soft_shrink(call.arguments["lambd"]))


def _smooth(call: Call) -> Rule:
    return Numeric(call, SMOOTH_THRESHOLD)


def _maximum(call: Call) -> Rule:
    return _extremum(call) if call.varying[-1] == "other" else Maximum(call)


_LINEAR = """
adaptive_avg_pool1d _adaptive_avg_pool2d adaptive_avg_pool2d _adaptive_avg_pool3d
adaptive_avg_pool3d avg_pool1d avg_pool2d avg_pool3d cat channel_shuffle chunk col2im
constant_pad_nd cumsum diagonal flip gather
im2col index index_select mean movedim narrow native_channel_shuffle numpy_T pad
permute pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d repeat repeat_interleave
reflection_pad3d replication_pad1d replication_pad2d replication_pad3d roll rot90 rsub
select select_scatter slice
split split_with_sizes stack sum swapaxes t tile transpose tril triu unbind upsample_bicubic2d
_upsample_bicubic2d_aa upsample_bilinear2d _upsample_bilinear2d_aa upsample_linear1d
upsample_nearest1d upsample_nearest2d upsample_nearest3d
upsample_trilinear3d
"""
"""Linear operations, which automatic differentiation transposes."""

_FAMILIES: list[tuple[RuleOf, str]] = [
    (Linear, _LINEAR),
    (
        _reshaped,
        "_reshape_copy _unsafe_view alias clone contiguous detach expand flatten lift_fresh_copy "
        "reshape squeeze unflatten unsqueeze view",
    ),
    (_cast, "_to_copy to"),
    (_dropout, "alpha_dropout dropout feature_alpha_dropout feature_dropout native_dropout"),
    (
        bilinear,
        "addbmm addmm baddbmm conv1d conv3d conv_transpose1d conv_transpose2d "
        "conv_transpose3d convolution dot einsum mv",
    ),
    (matrix_multiplied, "bmm matmul mm"),
    (_convolution, "conv2d"),
    (_dense, "linear"),
    (Sum, "add"),
    (_subtraction, "sub"),
    (multiplied, "mul"),
    (_negated, "neg"),
    (_division, "div"),
    (_extremum, "clamp_max clamp_min fmax fmin maximum minimum"),
    (_comparison, "eq ge gt isinf isnan le lt ne"),
    (_function_of_two, "atan2 special_xlog1py xlogy"),
    (sampled, "grid_sampler_2d grid_sampler_3d"),
    (_where, "where"),
    (_masked_fill, "masked_fill"),
    (Overwriting, "index_put"),
    (_scattered, "scatter scatter_add"),
    (_maximum, "max min"),
    (Maximum, "amax amin"),
    (MaxPool, "adaptive_max_pool2d max_pool2d max_pool2d_with_indices"),
    (InnerSoftmax, "_log_softmax _softmax log_softmax softmax"),
    (Rectifier, "relu"),
    (Selection, "abs clamp hardtanh nan_to_num relu6"),
    (Step, "ceil floor hardshrink round sign threshold trunc"),
    (_closed(secants.exponential), "exp expm1"),
    (_closed(secants.exponential_of_base(2)), "exp2"),
    (_closed(secants.logarithm), "log"),
    (_closed(secants.logarithm_of_base(2)), "log2"),
    (_closed(secants.logarithm_of_base(10)), "log10"),
    (_closed(secants.logarithm_of_one_plus), "log1p"),
    (_closed(secants.sigmoid), "sigmoid"),
    (_closed(secants.sine), "sin"),
    (_closed(secants.cosine), "cos"),
    (_closed(secants.tangent), "tan"),
    (_closed(secants.hyperbolic_sine), "sinh"),
    (_closed(secants.hyperbolic_cosine), "cosh"),
    (_closed(secants.tanh), "tanh"),
    (_closed(secants.silu), "silu"),
    (_closed(secants.hard_sigmoid), "hardsigmoid"),
    (_closed(secants.hard_swish), "hardswish"),
    (_closed(secants.root), "sqrt"),
    (_closed(secants.inverse_root), "rsqrt"),
    (_closed(secants.reciprocal), "reciprocal"),
    (_closed(secants.square), "square"),
    (_power, "pow"),
    (_leaky_relu, "leaky_relu"),
    (_prelu, "prelu"),
    (_elu, "elu"),
    (_selu, "selu"),
    (_celu, "celu"),
    (_soft_shrink, "softshrink"),
    (_smooth, "acos acosh asin asinh atan atanh erf erfc gelu log_sigmoid mish softplus softsign"),
]

OPERATIONS: dict[str, RuleOf] = {name: rule for rule, names in _FAMILIES for name in names.split()}
"""Every operation that has a rule, by its ATen name."""

SHAPE_READERS = {
    "empty_like", "fill", "full_like", "new_empty", "new_full", "new_ones", "new_zeros",
    "ones_like", "zeros_like",
}  # fmt: skip
"""Operations that read the shape of their first argument, but not its values."""
