"""Runs with shipped networks, trained for seconds on digits of 24 by 24 pixels."""

import importlib
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import nn

from deepshap import DeepShap
from stages.artifacts.explanation import Explanation
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import Split
from stages.attribution.portable import portable_network
from stages.figures.run import Run
from stages.networks.build import Standardize, Statistics
from stages.networks.predict import with_output

N_EXPLAINED = 4


class Trained(NamedTuple):
    """A run and the explained network."""

    run: Run
    network: nn.Module

    def attributions(self, pixels: NDArray[np.uint8]) -> NDArray[np.floating]:
        """The engine's (h, w, k) for an image (c, h, w), channels summed."""
        background = torch.from_numpy(self.run.explanation.background).float()
        values = DeepShap(self.network, background).attribute(
            torch.from_numpy(pixels[None]).float()
        )
        return values.double().numpy()[0].sum(axis=0)


def untrained(name: str, channels: int) -> nn.Module:
    """A network for images of 24 by 24 pixels, in eval mode."""
    torch.manual_seed(0)
    build = importlib.import_module(f"stages.architectures.{name}").build
    statistics = Statistics((0.3,) * channels, (0.37,) * channels)
    return nn.Sequential(Standardize(statistics), build(channels, (24, 24), 10)).eval()


@cache
def trained(name: str, output: Any = "logits", color: bool = False) -> Trained:
    """Train a network of `stages/architectures` and explain four digits with it."""
    data = load_digits()
    images = (data.images * 15.9375).astype(np.uint8)[:, None].repeat(3, axis=2).repeat(3, axis=3)
    if color:
        images = np.concatenate([images, images // 2, 255 - images], axis=1)
    labels = data.target.astype(np.int64)
    network = untrained(name, images.shape[1])
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    inputs, targets = torch.from_numpy(images).float(), torch.from_numpy(labels)
    network.train()
    for _ in range(30):
        batch = torch.randint(0, len(inputs), (64,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(inputs[batch]), targets[batch]).backward()
        optimizer.step()
    network = with_output(network.eval().requires_grad_(False), output)
    return Trained(_run(name, network, images, labels, output), network)


def _run(
    name: str, network: nn.Module, images: NDArray[np.uint8], labels: NDArray[np.int64], output: str
) -> Run:
    shown, background = images[:N_EXPLAINED], images[100:140]
    explainer = DeepShap(network, torch.from_numpy(background).float())
    outputs = network(torch.from_numpy(shown).float()).double().numpy()
    probabilities = outputs if output == "probabilities" else np.exp(outputs)
    probabilities = (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)
    names = [f"digit {number}" for number in range(10)]
    explanation = Explanation(
        values=explainer.attribute(torch.from_numpy(shown).float()).numpy(),
        base_values=explainer.base_values.double().numpy(),
        outputs=outputs,
        probabilities=probabilities,
        classes=np.tile(np.arange(10), (N_EXPLAINED, 1)),
        images=shown,
        labels=labels[:N_EXPLAINED],
        indices=np.arange(N_EXPLAINED),
        names=np.arange(N_EXPLAINED),
        background=background,
        background_indices=np.arange(100, 140),
        about={
            "class_names": names,
            "dataset": "digits",
            "network": name,
            "output": output,
            "method": "deep",
            "n_background": len(background),
            "background": "random",
            "n_train": 600,
            "n_groups": 0,
            "parameters": {},
            "versions": {},
        },
    )
    predictions = Predictions(
        probabilities, labels[:N_EXPLAINED], np.arange(N_EXPLAINED), tuple(names), {}
    )
    return Run(
        explanation,
        predictions,
        Split(images[:100], labels[:100]),
        "red_blue",
        portable=portable_network(network, torch.from_numpy(background[:1]).float()),
    )
