"""The table of operations: which ATen operation follows which rule.

A module, its functional form and its method arrive as the same operation, so one entry serves all.
To add an operation, list its ATen name with the rule it follows; what can be written in terms of
others goes into `decompositions` instead.
"""

from collections.abc import Callable


import torch

from . import elementwise
from .bilinear import Extremum, Quotient, bilinear, matrix_multiplied, multiplied
from .elementwise import SMOOTH_THRESHOLD, Elementwise, Numeric, Rectifier, Secant, Selection
from .linear import Convolution, Dense, Linear, Scale, Sum, Unchanged
from .pooling import Maximum, MaxPool
from .rules import Call, Rule
from .softmax import InnerSoftmax

RuleOf = Callable[[Call], Rule]
"""Makes the rule of a call, or raises NotImplementedError with what to do."""

ADVICE = {
    "_native_batch_norm_legit": "it normalises by statistics of the batch; keep running statistics",
    "_native_batch_norm_legit_functional": "it normalises by statistics of the batch; call eval()",
    "_scaled_dot_product_attention_math": "no rule for it; use scaled_dot_product_attention",
}
"""What to say about operations that are refused for a reason of their own."""


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
            f"it computes in {dtype}, too coarse to add up; leave autocast and conversions to "
            "whoever calls the network"
        )
    return Unchanged(call)


def _convolution(call: Call) -> Rule:
    return Convolution(call) if call.varying == ("input",) else bilinear(call)


def _dense(call: Call) -> Rule:
    return Dense(call) if call.varying == ("input",) else bilinear(call)


def _reshaped(call: Call) -> Rule:
    same = call.inputs[0].numel() == call.output.numel()
    return Unchanged(call) if same and len(call.inputs) == 1 else Linear(call)


def _subtraction(call: Call) -> Rule:
    return Sum(call, -1)


def _negated(call: Call) -> Rule:
    return Scale(call, -1)


def _division(call: Call) -> Rule:
    both = len(call.varying) == 2 and call.arguments.get("rounding_mode") is None
    return Quotient(call) if both else elementwise.quotient(call)


def _extremum(call: Call) -> Rule:
    return Extremum(call) if len(call.varying) == 2 else Selection(call)


def _smooth(call: Call) -> Rule:
    return Numeric(call, SMOOTH_THRESHOLD)


def _with_kinks(call: Call) -> Rule:
    return Numeric(call, 0.0)


def _maximum(call: Call) -> Rule:
    return _extremum(call) if call.varying[-1] == "other" else Maximum(call)


_FAMILIES: list[tuple[RuleOf, str]] = [
    (
        Linear,
        "_adaptive_avg_pool2d _adaptive_avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
        "adaptive_avg_pool3d avg_pool1d avg_pool2d avg_pool3d cat channel_shuffle chunk col2im "
        "constant_pad_nd conv_transpose1d conv_transpose2d conv_transpose3d cumsum diagonal flip "
        "gather im2col index index_select masked_fill mean movedim mv narrow native_channel_shuffle "
        "numpy_T pad permute pixel_shuffle pixel_unshuffle reflection_pad1d reflection_pad2d repeat "
        "repeat_interleave replication_pad1d replication_pad2d roll rot90 rsub select "
        "select_scatter slice slice_scatter split split_with_sizes stack sum swapaxes t transpose "
        "tril triu unbind unfold upsample_bicubic2d upsample_bilinear2d upsample_linear1d "
        "upsample_nearest1d upsample_nearest2d where _upsample_bicubic2d_aa _upsample_bilinear2d_aa "
        "_upsample_nearest_exact2d",
    ),
    (
        _reshaped,
        "_reshape_copy _unsafe_view alias clone contiguous detach expand flatten lift_fresh_copy "
        "reshape squeeze unflatten unsqueeze view",
    ),
    (_cast, "_to_copy to"),
    (_dropout, "alpha_dropout dropout feature_alpha_dropout feature_dropout native_dropout"),
    (bilinear, "addbmm addmm baddbmm conv1d conv3d convolution dot einsum"),
    (matrix_multiplied, "bmm matmul mm"),
    (_convolution, "conv2d"),
    (_dense, "linear"),
    (Sum, "add"),
    (_subtraction, "sub"),
    (multiplied, "mul"),
    (_negated, "neg"),
    (_division, "div"),
    (_extremum, "maximum minimum"),
    (_maximum, "max min"),
    (Maximum, "amax amin"),
    (MaxPool, "adaptive_max_pool2d max_pool2d max_pool2d_with_indices"),
    (InnerSoftmax, "_log_softmax _softmax log_softmax softmax"),
    (Rectifier, "relu"),
    (Selection, "abs clamp clamp_max clamp_min hardtanh relu6 threshold"),
    (_closed(elementwise.exponential), "exp"),
    (_closed(elementwise.logarithm), "log"),
    (_closed(elementwise.sigmoid), "sigmoid"),
    (_closed(elementwise.tanh), "tanh"),
    (_closed(elementwise.silu), "silu"),
    (_closed(elementwise.root), "sqrt"),
    (_closed(elementwise.inverse_root), "rsqrt"),
    (_closed(lambda u, w, f_u, f_w: -f_u * f_w), "reciprocal"),
    (_closed(lambda u, w, f_u, f_w: u + w), "square"),
    (elementwise.power, "pow"),
    (_smooth, "atan cos erf expm1 gelu log1p log_sigmoid mish sin softplus softsign"),
    (_with_kinks, "celu elu hardshrink hardswish leaky_relu prelu selu softshrink"),
]

OPERATIONS: dict[str, RuleOf] = {name: rule for rule, names in _FAMILIES for name in names.split()}
"""Every operation that has a rule, by its ATen name."""
