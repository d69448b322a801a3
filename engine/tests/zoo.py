"""The networks of torchvision and timm as their libraries build them, with weights of good scales.

Only weights are set, never modules. With fresh weights, the outputs of some networks hardly depend
on the image (1e-11 for a random efficientnet_b0), and parameters that start at zero hide branches.
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
    """A network to test.

    Attributes:
        build: Builds the network with fresh weights.
        side: Side of its images in pixels.
        n_calibration: Number of images that set its batch statistics.
    """

    build: Callable[[], nn.Module]
    side: int = 32
    n_calibration: int = 32


@dataclass(frozen=True)
class Sums:
    """Sums of attributions for each image and output, (n, k), with the change to explain.

    Attributes:
        attributed: Σφ.
        change: The change of the output, which Σφ should equal.
        magnitude: Σ|φ|.
        largest: The largest |output|, which sets the size of rounding errors.
    """

    attributed: Tensor
    change: Tensor
    magnitude: Tensor
    largest: float

    @property
    def gap(self) -> float:
        """The largest |Σφ - change| / Σ|φ|; 0 where both the change and the attributions are 0."""
        error = (self.attributed - self.change).abs()
        return float(torch.where(error == 0, 0, error / self.magnitude).max())

    def check(self, bound: float) -> None:
        """Assert additivity, and that the network is a meaningful test of it.

        If Σ|φ| is as small as rounding errors, nothing adds up; if it is far larger than the
        change, anything does.
        """
        assert self.magnitude.min() > 1e5 * torch.finfo(torch.float32).eps * self.largest
        assert self.magnitude.max() < 1000 * self.change.abs().max()
        assert self.gap <= bound


def images(n: int, side: int, seed: int) -> Tensor:
    """Standardised noise with some structure: squares of 8×8 pixels plus noise for each pixel.

    Each image is standardised, because over a hundred layers, one with more contrast would outgrow
    the others.
    """
    generator = torch.Generator().manual_seed(seed)
    squares = torch.randn(n, 3, -(-side // 8), -(-side // 8), generator=generator)
    coarse = squares.repeat_interleave(8, 2).repeat_interleave(8, 3)[:, :, :side, :side]
    drawn = coarse + 0.5 * torch.randn(n, 3, side, side, generator=generator)
    variance, mean = torch.var_mean(drawn, (1, 2, 3), keepdim=True)
    return (drawn - mean) / variance.sqrt()


@torch.no_grad()
def set_weights(network: nn.Module, calibration: Tensor, seed: int = 0) -> nn.Module:
    """Draw weights for a network in eval mode so that signals neither vanish nor explode.

    Matrices get He initialisation. Parameters that start as a constant, such as 0, are spread
    around it. Batch statistics are those of `calibration`, also spread.
    """
    generator = torch.Generator().manual_seed(seed)
    normed = any(isinstance(module, _BatchNorm) for module in network.modules())
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            if normed and isinstance(module, nn.Conv2d) and module.bias is not None:
                module.weight /= 4  # it may be a gate; a hundred products in a row must not explode
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
        # Other images are further from the calibration mean; this adds up over a hundred layers.
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
    """The network of a case in eval mode, with drawn weights."""
    torch.manual_seed(0)
    return set_weights(case.build().eval(), images(case.n_calibration, case.side, seed=0))


def sums(network: nn.Module, side: int, dtype: torch.dtype) -> Sums:
    """Sums for two images explained against three."""
    return sums_of(network, images(2, side, seed=1), images(3, side, seed=2), dtype)


def sums_by_own_outputs(network: nn.Module, side: int) -> Sums:
    """Sums in float64, with the change measured by the engine's own outputs.

    For networks that create constants in float32 whatever their dtype. The engine creates them in
    float64, so its outputs are more precise than the network's.
    """
    x, background = (images(n, side, seed).double() for n, seed in ((2, 1), (3, 2)))
    explainer = DeepShap(network.double(), background)
    outputs = torch.stack([DeepShap(network, image[None]).base_values for image in x])
    change = outputs - explainer.base_values
    return added(explainer.attribute(x), change, outputs)


def added(values: Tensor, change: Tensor, outputs: Tensor) -> Sums:
    """Sums of attributions (n, c, h, w, k)."""
    sums, magnitude = values.sum((1, 2, 3)), values.abs().sum((1, 2, 3))
    return Sums(sums, change, magnitude, float(outputs.abs().max()))


def sums_of(network: nn.Module, x: Tensor, background: Tensor, dtype: torch.dtype) -> Sums:
    """Sums for the two outputs that change most.

    The change is the network's own in float64: in float32, the network is less precise than its
    explanation.
    """
    with torch.no_grad():
        outputs = network.double()(torch.cat([x, background]).double())
    change = outputs[: len(x)] - outputs[len(x) :].mean(0)
    chosen = change.abs().amin(0).topk(2).indices.tolist()
    network.to(dtype)
    values = DeepShap(network, background.to(dtype)).attribute(x.to(dtype), chosen).double()
    return added(values, change[:, chosen], outputs)
