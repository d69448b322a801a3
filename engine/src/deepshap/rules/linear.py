"""Rules for operations that are linear up to a constant: multipliers pass their transpose."""

import itertools
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_input

from deepshap import kernels
from deepshap.multiplier import Multiplier
from deepshap.precision import Precision
from deepshap.rules.base import Call, Rule, Saved, features, in_windows, only_where


class Linear(Rule):
    """Any linear operation: automatic differentiation finds its transpose, once.

    The transpose does not depend on the input, so it is found at zero.
    """

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        zeros = [call.zero.new_zeros(shape) for shape in call.inputs]
        with torch.enable_grad():
            self._transpose = torch.func.vjp(call.narrow, *zeros)[1]

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Apply the transpose to each row."""
        rows = self.rows(multiplier)
        inputs = torch.vmap(self._transpose)(rows.flatten(0, 1))
        return self.from_rows([torch.unflatten(each, 0, rows.shape[:2]) for each in inputs])


class Overwriting(Linear):
    """Writes elements to positions; PyTorch's transpose is right if no position repeats."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        drawn = [torch.cos(_counted(call, shape)) for shape in call.inputs]
        zeros = [torch.zeros_like(x) for x in drawn]
        with torch.enable_grad():
            transpose = torch.func.vjp(call.function, *zeros)[1]
        change = call.function(*drawn) - call.function(*zeros)
        rows = torch.sin(_counted(call, call.output))
        passed = sum(float((x * m).sum()) for x, m in zip(drawn, transpose(rows), strict=True))
        rounding = 1e3 * torch.finfo(rows.dtype).eps * rows.numel()
        if abs(float((change * rows).sum()) - passed) > rounding:
            raise NotImplementedError("it writes to a position twice; write to each once")


def _counted(call: Call, shape: torch.Size) -> Tensor:
    """The numbers 1, 2, 3 … in a shape."""
    wide = Precision(call.zero).widened(call.zero)
    return torch.arange(1, 1 + shape.numel(), dtype=wide.dtype, device=wide.device).reshape(shape)


class Unchanged(Rule):
    """The output is the input, perhaps in another shape."""

    is_local = True

    def compute(self, *inputs: Tensor) -> Tensor:
        """The input, reshaped."""
        (x,) = inputs
        return x.reshape(len(x), *features(self.call.output))

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Pass the multiplier on, reshaped if necessary."""
        shape = features(self.call.inputs[0])
        if shape == features(self.call.output):
            return [multiplier]
        rows = multiplier.dense()
        return [Multiplier(rows.reshape(*rows.shape[:2], *shape))]


class Scale(Rule):
    """A product with a constant.

    Args:
        call: The call in the network.
        factor: The constant, broadcast against one image's output.
    """

    is_local = True

    def __init__(self, call: Call, factor: Tensor | float) -> None:
        super().__init__(call)
        constant = factor if isinstance(factor, Tensor) else call.zero.new_full((), factor)
        missing = len(call.output) - constant.ndim
        constant = constant.reshape((1,) * missing + constant.shape)
        if features(call.output) != call.output:
            constant = constant[0]
        self.factor = constant.to(call.zero.dtype)[None, None]

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Scale by the constant."""
        return self.scaled(multiplier, self.factor)


class Sum(Rule):
    """A weighted sum of two terms.

    Args:
        call: The call in the network.
        sign: Sign of the second term, 1 or -1.
    """

    is_local = True

    def __init__(self, call: Call, sign: int = 1) -> None:
        super().__init__(call)
        weights = {"self": 1, "other": sign * call.arguments["alpha"]}
        self._weights = [weights[name] for name in call.varying]

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Pass the multiplier to both terms, summed over broadcast axes."""
        terms = []
        for shape, weight in zip(self.call.inputs, self._weights, strict=True):
            term = self.unbroadcast(multiplier, shape)
            terms.append(term if weight == 1 else Multiplier(weight * term.dense()))
        return terms


class Dense(Rule):
    """A linear layer with a constant weight."""

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.weight: Tensor = call.arguments["weight"]

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Multiply by the weight."""
        return self.from_rows([self.rows(multiplier) @ self.weight])


class Convolution(Rule):
    """A convolution of planes with a constant weight.

    Attributes:
        weight: (channels out, channels in a group, height, width) of the kernel.
        stride: Vertical and horizontal stride.
        padding: Vertical and horizontal zero padding.
        dilation: Vertical and horizontal spacing of the kernel.
        groups: Number of groups of channels.
    """

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        arguments = call.arguments
        self.weight = _channels_last(arguments["weight"])
        self.stride, self.padding, self.dilation = (
            _two(arguments[name]) for name in ("stride", "padding", "dilation")
        )
        self.groups: int = arguments["groups"]
        kernel = zip(self.weight.shape[2:], self.dilation, strict=True)
        reach = [(side - 1) * spacing for side, spacing in kernel]
        self._margin = [far - pad for far, pad in zip(reach, self.padding, strict=True)]
        sides = zip(call.inputs[0][-2:], call.output[-2:], strict=True)
        covered = zip(sides, self.stride, self.padding, self._margin, strict=True)
        self._unread = [  # number of rows and columns at the end that no window reaches
            side - ((n - 1) * stride - pad + margin + 1)
            for (side, n), stride, pad, margin in covered
        ]
        self._compiled_weight = kernels.Weight(self.weight, self.groups)
        self._taps: _Taps | None = None
        self._depthwise_weight: Tensor | None = None
        depthwise = self.groups == len(self.weight) == call.inputs[0][-3]
        if depthwise and self.weight.device.type == "cpu":
            self._taps = _Taps(self, call.arguments["bias"])
            self._depthwise_weight = self.weight[:, 0].permute(1, 2, 0).contiguous()
        self._flipped = None
        if self.stride == (1, 1) and min(self._margin) >= 0:
            self._flipped = _channels_last(_transposed(self.weight, self.groups).flip(2, 3))

    def compute(self, *inputs: Tensor) -> Tensor:
        """Convolve n images at once; channels last, a layout that later steps keep."""
        (x,) = inputs
        planes = x.reshape(-1, *self.call.inputs[0][-3:])
        if self._taps is None:
            planes = _channels_last(self.call.function(planes))
        else:
            planes = self._taps(planes)
        return planes.reshape(len(x), *features(self.call.output))

    def backward(
        self, multiplier: Multiplier, image: Saved, background: Saved
    ) -> Sequence[Multiplier]:
        """Apply the transposed convolution."""
        return self.backward_where(multiplier, image, background, None)

    def backward_where(
        self, multiplier: Multiplier, image: Saved, background: Saved, changed: Tensor | None
    ) -> Sequence[Multiplier]:
        """Apply the transposed convolution where the input changes."""
        planes = self._compiled_back(multiplier, None, changed)
        if planes is not None:
            return [only_where(planes, changed)]
        rows = multiplier.dense()
        planes = self._back(_channels_last(rows.reshape(-1, *self.call.output[-3:])))
        return [Multiplier(planes.reshape(*rows.shape[:2], *features(self.call.inputs[0])))]

    def backward_onto(
        self, multiplier: Multiplier, waiting: Multiplier, changed: Tensor | None
    ) -> Multiplier:
        """The sum of the input's multiplier and one that waits there, in one pass if possible."""
        planes = self._compiled_back(multiplier, waiting, changed)
        if planes is not None:
            return only_where(planes, changed)
        (arriving,) = self.backward(multiplier, (), ())
        return arriving.plus(waiting)

    def changed(self, inputs: Sequence[Tensor | None]) -> Tensor | None:
        """Where the window of an output holds a position that changes."""
        if inputs[0] is None or len(features(self.call.inputs[0])) != 3:
            return None
        (down, right), kernel = self.padding, self.weight.shape[2:]
        padded = F.pad(inputs[0], (0, 0, right, right, down, down))
        return in_windows(padded, self.call.output[-2:], kernel, self.stride, self.dilation)

    def _compiled_back(
        self, multiplier: Multiplier, waiting: Multiplier | None, changed: Tensor | None
    ) -> Tensor | None:
        """The transpose by a compiled loop; None where PyTorch has to compute it."""
        if self.dilation != (1, 1):
            return None
        height, width = self.call.inputs[0][-2:]
        settings = self.stride, self.padding, (height, width)
        weight, depthwise = self._compiled_weight, self._depthwise_weight
        if depthwise is not None:
            return kernels.depthwise(multiplier, depthwise, *settings, waiting, changed)
        planes = None
        in_order = self.weight.shape[2:] == (1, 1) and self.groups == 1 and self.padding == (0, 0)
        if not in_order or kernels.is_worth_listing(multiplier, weight):
            planes = kernels.transposed(multiplier, weight, *settings, waiting, changed)
        if in_order and planes is None:  # for example, since panels reach beyond what waits
            size = height, width
            planes = kernels.pointwise(multiplier, weight, self.stride, size, waiting, changed)
        return planes

    def _back(self, planes: Tensor) -> Tensor:
        """The transpose by PyTorch, the fastest of three ways; they differ by up to ten times."""
        if self._flipped is not None:
            return torch.conv2d(
                planes, self._flipped, None, 1, self._margin, self.dilation, self.groups
            )
        shape = torch.Size((len(planes), *self.call.inputs[0][-3:]))
        settings = (self.stride, self.padding)
        if 1 < self.groups < len(self.weight):
            back: Tensor = conv2d_input(
                shape, self.weight, planes, *settings, self.dilation, self.groups
            )
            return back
        return torch.conv_transpose2d(
            planes, self.weight, None, *settings, self._unread, self.groups, self.dilation
        )


class _Taps:
    """A convolution of each channel alone in float64, tap by tap.

    PyTorch convolves in float64 group by group, which takes three to eight times as long.
    """

    def __init__(self, rule: Convolution, bias: Tensor | None) -> None:
        weight = Precision(rule.weight).widened(rule.weight)[:, 0, ..., None, None]
        bias = weight.new_zeros(len(weight)) if bias is None else bias.to(weight.dtype)
        self._bias = bias[:, None, None]
        self._margin = (rule.padding[1], rule.padding[1], rule.padding[0], rule.padding[0])
        self._sides = rule.call.output[-2:]
        self._taps = []
        for at in itertools.product(*map(range, weight.shape[1:3])):
            places = zip(at, rule.dilation, rule.stride, self._sides, strict=True)
            read = [
                slice(tap * spacing, tap * spacing + (n - 1) * step + 1, step)
                for tap, spacing, step, n in places
            ]
            self._taps.append((read, weight[:, *at]))

    def __call__(self, planes: Tensor) -> Tensor:
        """Convolve n images at once; channels last."""
        padded = _channels_last(F.pad(planes, self._margin))
        total = _channels_last(self._bias.expand(len(planes), -1, *self._sides)).clone()
        for (rows, columns), factor in self._taps:
            total.addcmul_(padded[:, :, rows, columns], factor)
        return total


def _transposed(weight: Tensor, groups: int) -> Tensor:
    """Swap the channels that a kernel reads and writes, group by group."""
    return torch.cat([group.transpose(0, 1) for group in weight.chunk(groups)])


def _channels_last(planes: Tensor) -> Tensor:
    return planes.contiguous(memory_format=torch.channels_last)


def _two(value: Any) -> tuple[int, int]:
    """Both sizes, where PyTorch accepts one number for both."""
    return (value[0], value[-1])
