"""The networks of torchvision and timm as their libraries build them, at scales that show errors.

Only numbers are set, never a module: fresh weights leave some networks with outputs that hardly
depend on the image (a random efficientnet_b0 answers with 1e-11), and parameters that start as
zeros hide whole branches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from deepshap import DeepShap


@dataclass(frozen=True)
class Case:
    """A network with the side in pixels of the images that it is shown.

    Attributes:
        n_calibration: How many images set its batch statistics.
    """

    build: Callable[[], nn.Module]
    side: int = 32
    n_calibration: int = 32


@dataclass(frozen=True)
class Sums:
    """What additivity compares, for each image and output: (n, k).

    Attributes:
        attributed: Σφ.
        change: What it should be.
        magnitude: Σ|φ|.
        largest: The largest |output|, which sets the size of rounding.
    """

    attributed: Tensor
    change: Tensor
    magnitude: Tensor
    largest: float

    @property
    def gap(self) -> float:
        """The largest |Σφ - change| / Σ|φ|; 0 where nothing changes and nothing is attributed."""
        error = (self.attributed - self.change).abs()
        return float(torch.where(error == 0, 0, error / self.magnitude).max())

    def check(self, bound: float) -> None:
        """Assert additivity, and that the network makes it worth something.

        Where Σ|φ| is at rounding level nothing adds up; where it dwarfs the change, anything does.
        """
        assert self.magnitude.min() > 1e5 * torch.finfo(torch.float32).eps * self.largest
        assert self.magnitude.max() < 1000 * self.change.abs().max()
        assert self.gap <= bound


def images(n: int, side: int, seed: int) -> Tensor:
    """Noise with some structure, blocks of 8 pixels under pixels of their own; standardised.

    Each image is: in a hundred layers one of more contrast than others would outgrow them.
    """
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.randn(n, 3, -(-side // 8), -(-side // 8), generator=generator)
    coarse = blocks.repeat_interleave(8, 2).repeat_interleave(8, 3)[:, :, :side, :side]
    drawn = coarse + 0.5 * torch.randn(n, 3, side, side, generator=generator)
    variance, mean = torch.var_mean(drawn, (1, 2, 3), keepdim=True)
    return (drawn - mean) / variance.sqrt()


@torch.no_grad()
def set_weights(network: nn.Module, calibration: Tensor, seed: int = 0) -> nn.Module:
    """Draw weights for an eval-mode network under which signals neither vanish nor explode.

    He's initialisation for matrices; whatever starts as one constant, zeros too, is spread around
    it; batch statistics are those of `calibration`, spread likewise.
    """
    generator = torch.Generator().manual_seed(seed)
    normed = any(isinstance(module, _BatchNorm) for module in network.modules())
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            if normed and isinstance(module, nn.Conv2d) and module.bias is not None:
                module.weight /= 4  # a gate, which multiplies: a hundred in a row must not explode
    for parameter in network.parameters():
        constant = parameter.flatten()[0].clone()
        if bool((parameter == constant).all()):
            spread = torch.empty_like(parameter).normal_(generator=generator)
            parameter.copy_(constant + 0.2 * spread * max(1, abs(float(constant))))
    _set_batch_statistics(network, calibration, generator)
    return network


def _set_batch_statistics(
    network: nn.Module, calibration: Tensor, generator: torch.Generator
) -> None:
    def set_from(norm: nn.Module, inputs: tuple[Any, ...]) -> None:
        axes = [axis for axis in range(inputs[0].ndim) if axis != 1]
        variance, mean = torch.var_mean(inputs[0], axes)
        # Other images lie further from the mean of these: a little a layer, a lot in a hundred.
        variance = variance * (1 + len(mean) / inputs[0].numel())
        variance = variance.clamp_min(float(variance.mean()) / 10)
        uneven = torch.rand(2, len(mean), generator=generator)
        norm.running_mean.copy_(mean + (uneven[0] - 0.5) * variance.sqrt())
        norm.running_var.copy_(variance * (2 + 4 * uneven[1]))

    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    if not norms:
        return
    handles = [norm.register_forward_pre_hook(set_from) for norm in norms]
    network(calibration)
    for handle in handles:
        handle.remove()


def ready(case: Case) -> nn.Module:
    """The network of a case, in eval mode, with weights."""
    torch.manual_seed(0)
    return set_weights(case.build().eval(), images(case.n_calibration, case.side, seed=0))


def sums(network: nn.Module, side: int, dtype: torch.dtype) -> Sums:
    """Explain two images against three, and add up."""
    return sums_of(network, images(2, side, seed=1), images(3, side, seed=2), dtype)


def sums_by_own_outputs(network: nn.Module, side: int) -> Sums:
    """The same in float64, the change by the engine's outputs.

    For networks that make constants in float32, whatever their own dtype: the engine makes them in
    float64, so in float64 the network itself is the coarser one.
    """
    x, background = (images(n, side, seed).double() for n, seed in ((2, 1), (3, 2)))
    explainer = DeepShap(network.double(), background)
    outputs = torch.stack([DeepShap(network, image[None]).base_values for image in x])
    change = outputs - explainer.base_values
    return added(explainer.attribute(x), change, outputs)


def added(values: Tensor, change: Tensor, outputs: Tensor) -> Sums:
    """Add up attributions (n, c, h, w, k)."""
    sums, magnitude = values.sum((1, 2, 3)), values.abs().sum((1, 2, 3))
    return Sums(sums, change, magnitude, float(outputs.abs().max()))


def sums_of(network: nn.Module, x: Tensor, background: Tensor, dtype: torch.dtype) -> Sums:
    """Explain the two outputs that change most, and add up.

    The change is the network's own, in float64: a network in float32 has fewer digits than the
    explanation of it.
    """
    with torch.no_grad():
        outputs = network.double()(torch.cat([x, background]).double())
    change = outputs[: len(x)] - outputs[len(x) :].mean(0)
    chosen = change.abs().amin(0).topk(2).indices.tolist()
    network.to(dtype)
    values = DeepShap(network, background.to(dtype)).attribute(x.to(dtype), chosen).double()
    return added(values, change[:, chosen], outputs)
