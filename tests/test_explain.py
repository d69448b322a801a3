"""SHAP values of a real run, compared with the shap package."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shap
import torch
from torch import nn

from stages import evaluate, explain
from stages.artifacts.explanation import ExplainedImages, Explanation
from stages.artifacts.portable import PortableNetwork
from stages.artifacts.splits import Split, SplitName, load_split, save_splits
from stages.attribution import portable
from stages.base.errors.user import UserError
from stages.base.files.yaml import read_yaml
from stages.base.run.bars import ProgressBar
from stages.explainers.base.contract import Attributions
from stages.explainers.base.slices import additive_slices, attributions
from stages.networks.build import build_network
from stages.networks.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages.params.explain import Explain
from stages.sampling.background import choose_background
from tests.conftest import Project, run_stages
from tests.factory import dataset_info


def rebuilt(project: Project, output: str) -> nn.Module:
    network = load_checkpoint(torch.device("cpu"), project.root / "data/model").network
    return network if output == "logits" else nn.Sequential(network, nn.Softmax(dim=1)).eval()


def background_of(explanation: Explanation) -> torch.Tensor:
    return torch.from_numpy(explanation.background).float()


def test_the_background_is_saved_as_drawn(ran_project: Project) -> None:
    stored = Explanation.load(ran_project.root / "data/shap")
    options = Explain.model_validate(read_yaml(ran_project.root / "params.yaml")["explain"])
    split = load_split("train", ran_project.root / "data/prepared")
    count, draw = options.n_background, options.background
    drawn = choose_background(split.labels, count, draw, options.seed)
    np.testing.assert_array_equal(stored.background_indices, drawn)
    np.testing.assert_array_equal(stored.background, split.images[drawn])


@pytest.mark.parametrize(
    ("method", "output"),
    [
        ("shap_deep", "logits"),
        ("shap_gradient", "probabilities"),
        pytest.param("shap_deep", "probabilities", marks=pytest.mark.slow),
        pytest.param("shap_gradient", "logits", marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore:unrecognized nn.Module. Standardize:UserWarning")
def test_values_of_shap_are_saved_unchanged(project: Project, method: str, output: str) -> None:
    project.set({"explain.method": method, "explain.output": output, "explain.tolerance": 10.0})
    result = project.stage("explain")
    assert result.returncode == 0, result.stderr
    stored = Explanation.load(project.root / "data/shap")
    images = torch.from_numpy(stored.images).float()
    network, background = rebuilt(project, output), background_of(stored)
    if method == "shap_deep":
        direct = shap.DeepExplainer(network, background).shap_values(images, check_additivity=False)
    else:
        direct = shap.GradientExplainer(network, background).shap_values(images, rseed=0)
    assert np.array_equal(stored.values, np.asarray(direct, np.float32))
    assert f"no error bars: explain.method {method} has no groups" in result.stdout
    assert (stored.errors, stored.group_means, stored.about["n_groups"]) == (None, None, 0)
    with torch.no_grad():
        outputs = network(images).double().numpy()
        base_values = network(background).double().numpy().mean(axis=0)
    np.testing.assert_allclose(stored.outputs, outputs, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(stored.base_values, base_values, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.filterwarnings("ignore:unrecognized nn.Module. Standardize:UserWarning")
def test_our_values_equal_those_of_shap(project: Project, output: str) -> None:
    """In float64, so that shap's own rounding does not hide differences."""
    project.set({"explain.method": "deep", "explain.output": output})
    result = project.stage("explain")
    assert result.returncode == 0, result.stderr
    stored = Explanation.load(project.root / "data/shap")
    network, background = rebuilt(project, output).double(), background_of(stored).double()
    images = torch.from_numpy(stored.images).double()
    values = shap.DeepExplainer(network, background).shap_values(images, check_additivity=False)
    np.testing.assert_allclose(stored.values, values, rtol=0, atol=1e-5 * np.abs(values).max())


@pytest.mark.parametrize(
    ("shape", "n_maps", "sizes"),
    [
        ((20, 1, 28, 28), 10, [8, 8, 4]),
        ((9, 3, 64, 64), 100, [4, 4, 1]),  # 6 would fit
        ((3, 3, 224, 224), 1000, [1, 1, 1]),
    ],
)
def test_slices_are_limited_by_the_size_of_their_attributions(
    shape: tuple[int, ...], n_maps: int, sizes: list[int]
) -> None:
    def attribute(images: torch.Tensor, classes: torch.Tensor) -> Attributions:
        assert len(images) == len(classes)
        return Attributions(images.numpy())

    classes = np.zeros((shape[0], n_maps), np.int64)
    with ProgressBar[None](desc="explain", unit="image", total=shape[0]) as progress:
        slices = attributions(attribute, torch.zeros(shape), classes, progress)
        assert [len(found.values) for found in slices] == sizes


def explained(change: float, base_value: float) -> ExplainedImages:
    """Two images of four pixels; one output, which they change by 1 and by `change`."""
    return ExplainedImages(
        base_values=np.array([base_value]),
        outputs=base_value + np.array([[1.0], [change]]),
        probabilities=np.ones((2, 1), np.float32),
        classes=np.zeros((2, 1), np.int64),
        images=np.zeros((2, 1, 2, 2), np.uint8),
        labels=np.zeros(2, np.int64),
        names=np.array(["cats/5.jpg", "cats/7.jpg"]),
        indices=np.array([5, 7]),
        background=np.zeros((1, 1, 2, 2), np.uint8),
        background_indices=np.zeros(1, np.int64),
        about={"method": "own"},
    )


def slices(last: float) -> list[Attributions]:
    """Attributions of the two images in one slice each; `last` is the second's last pixel."""
    first, second = np.zeros((2, 1, 1, 2, 2, 1))
    first[0, 0, 0, 0, 0] = 1
    second[0, 0, 0, :, 0] = 1e3, -1e3  # cancel
    second[0, 0, 1, 1, 0] = last
    return [Attributions(first), Attributions(second)]


@pytest.mark.parametrize("error", [0.0, 1e-4, -1e-4])
def test_additive_attributions_pass_unchanged(error: float) -> None:
    given = slices(0.5 + error)
    passed = list(additive_slices(given, explained(0.5, 10.0), tolerance=1e-3))
    assert all(a is b for a, b in zip(given, passed, strict=True))


def test_an_error_equal_to_the_tolerance_passes() -> None:
    assert list(additive_slices(slices(0.625), explained(0.5, 0.0), tolerance=0.25))


def test_rounding_in_float32_passes_if_pixels_cancel() -> None:
    """An error of 0.003 is too large for a range of 0.5, but small for terms of 2000."""
    assert list(additive_slices(slices(0.503), explained(0.5, 0.0), tolerance=1e-3))


@pytest.mark.parametrize(("last", "output"), [(0.51, r"0\.02 of"), (np.nan, r"nan of")])
def test_attributions_that_do_not_sum_to_the_change_are_rejected(last: float, output: str) -> None:
    message = rf"of image cats/7\.jpg for output 0 miss its change by {output} the outputs' range"
    with pytest.raises(UserError, match=message):
        list(additive_slices(slices(last), explained(0.5, 0.0), tolerance=1e-3))


MEASURED = {"class_names": ["a", "b", "c"], "dataset": "Own", "network": "single_conv"}
PARAMETERS = {"data": {"dataset": "own"}, "seed": 7}


@pytest.fixture
def explain_small(here: Path) -> Callable[..., Explanation]:
    """Runs the stage on ten test images of 8×9 pixels with an untrained network."""
    rng = np.random.default_rng(0)
    sizes: dict[SplitName, int] = {"train": 30, "validation": 4, "test": 10}
    splits = {
        name: Split(rng.integers(0, 256, (n, 1, 8, 9), np.uint8), np.arange(n) % 3)
        for name, n in sizes.items()
    }
    names = {name: np.array([f"{name}/{i}.png" for i in range(n)]) for name, n in sizes.items()}
    info = dataset_info("abc", (8, 9), mean=0.5, name="Own", parameters=PARAMETERS)
    save_splits(info, splits, names)
    torch.manual_seed(0)
    network = build_network("single_conv", info, {})
    save_checkpoint(Checkpoint(network, "single_conv", {}, info, PARAMETERS))
    evaluate.main(evaluate.Params(device="cpu"))

    def run(**changes: Any) -> Explanation:
        options = {"n_background": 6, "n_images": 4, **changes}
        run_stages({"data": {"source": "data"}, "explain": options}, (explain,))
        return Explanation.load()

    return run


@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.filterwarnings("ignore:unrecognized nn.Module. Standardize:UserWarning")
def test_explained_images_and_background_come_from_the_splits(
    explain_small: Callable[..., Explanation], output: str
) -> None:
    found = explain_small(output=output, images=[9, "test/2.png", "first"])
    test, train = load_split("test"), load_split("train")
    assert found.indices.tolist() == [9, 2, 0, 1, 2, 3]
    assert found.names.tolist() == [f"test/{i}.png" for i in found.indices]
    np.testing.assert_array_equal(found.images, test.images[found.indices])
    np.testing.assert_array_equal(found.labels, test.labels[found.indices])
    np.testing.assert_array_equal(found.background, train.images[found.background_indices])
    per_class = np.bincount(train.labels[found.background_indices])
    assert per_class.tolist() == [2, 2, 2]

    network = load_checkpoint(torch.device("cpu")).network.double()
    layers = [network] if output == "logits" else [network, nn.Softmax(dim=1)]
    network = nn.Sequential(*layers).eval()
    images, background = (
        torch.from_numpy(pixels).double() for pixels in (found.images, found.background)
    )
    with torch.no_grad():
        outputs, base_values = network(images), network(background).mean(dim=0)
        probabilities = outputs.softmax(dim=1) if output == "logits" else outputs
    np.testing.assert_allclose(found.outputs, outputs, rtol=1e-5)
    np.testing.assert_allclose(found.base_values, base_values, rtol=1e-5)
    np.testing.assert_allclose(found.probabilities, probabilities, rtol=1e-5)
    assert found.classes.tolist() == [[0, 1, 2]] * 6
    values = shap.DeepExplainer(network, background).shap_values(images, check_additivity=False)
    np.testing.assert_allclose(found.values, values, rtol=0, atol=1e-5 * np.abs(values).max())


def test_an_explanation_describes_how_it_was_made(
    explain_small: Callable[..., Explanation],
) -> None:
    options = {"outputs": "predicted", "images": [5], "background": "random", "seed": 3}
    found = explain_small(**options)
    assert found.classes.tolist() == [[found.probabilities[0].argmax()]]
    about = dict(found.about)
    assert about.pop("versions") == {name: version(name) for name in ("torch", "shap", "numpy")}
    parameters = about.pop("parameters")
    explained = parameters.pop("explain")
    assert {name: explained[name] for name in options} == options
    assert parameters == {**PARAMETERS, "device": "auto"}
    assert about == {
        **MEASURED,
        "method": "deep",
        "output": "logits",
        "n_background": 6,
        "background": "random",
        "n_train": 30,
        "n_groups": 6,
    }
    drawn = choose_background(load_split("train").labels, 6, "random", 3)
    np.testing.assert_array_equal(found.background_indices, drawn)


def test_the_portable_network_is_written_up_to_a_number_of_weights(
    explain_small: Callable[..., Explanation], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = sum(
        weights.numel() for weights in load_checkpoint(torch.device("cpu")).network.parameters()
    )
    monkeypatch.setattr(portable, "MAX_WEIGHTS", weights)
    explain_small()
    written = PortableNetwork.load()
    assert written.reason == ""
    assert sum(array.size for array in written.arrays.values()) >= weights
    for number, operation in enumerate(written.operations, 1):
        for role, name in operation["arrays"].items():
            assert name == f"{number}_{role}"
            assert name in written.arrays
    monkeypatch.setattr(portable, "MAX_WEIGHTS", weights - 1)
    explain_small()
    assert f"it has {weights:,} weights" in PortableNetwork.load().reason
    assert PortableNetwork.load().operations == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_background": 1}, "no error bars: they need at least two background images"),
        ({"method": "shap_deep"}, "no error bars: explain.method shap_deep has no groups of "),
    ],
)
@pytest.mark.filterwarnings("ignore:unrecognized nn.Module. Standardize:UserWarning")
def test_the_reason_for_missing_error_bars_is_printed_once(
    explain_small: Callable[..., Explanation],
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    message: str,
) -> None:
    found = explain_small(images="all", **changes)
    assert len(found.images) == 10  # two slices
    assert (found.errors, found.group_means, found.about["n_groups"]) == (None, None, 0)
    assert capsys.readouterr().out.count(message) == 1
