"""SHAP values of a real run, held against the shap package."""

import numpy as np
import pytest
import shap
import torch
from torch import nn

from stages.artifacts.explanation import ExplainedImages, Explanation
from stages.artifacts.splits import load_split
from stages.core.errors import UserError
from stages.core.params import read_yaml
from stages.explainers.base.contract import Attributions
from stages.explainers.base.slices import additive_slices, attributions, progress_bar
from stages.networks.checkpoint import load_checkpoint
from stages.params.explain import Explain
from stages.sampling.background import choose_background
from tests.conftest import Project


def rebuilt(project: Project, output: str) -> nn.Module:
    network = load_checkpoint(torch.device("cpu"), project.root / "data/model").network
    return network if output == "logits" else nn.Sequential(network, nn.Softmax(dim=1)).eval()


def background_of(explanation: Explanation) -> torch.Tensor:
    return torch.from_numpy(explanation.background).float()


def test_the_background_is_kept_as_it_was_drawn(ran_project: Project) -> None:
    stored = Explanation.load(ran_project.root / "data/shap")
    options = Explain.model_validate(read_yaml(ran_project.root / "params.yaml")["explain"])
    split = load_split("train", ran_project.root / "data/prepared")
    count, draw = options.n_background, options.background
    drawn = choose_background(split.labels, count, draw, options.seed)
    np.testing.assert_array_equal(stored.background_indices, drawn)
    np.testing.assert_array_equal(stored.background, split.images[drawn])


@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.parametrize("method", ["shap_deep", "shap_gradient"])
@pytest.mark.filterwarnings("ignore:unrecognized nn.Module. Standardize:UserWarning")
def test_values_of_shap_come_through_untouched(project: Project, method: str, output: str) -> None:
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
def test_our_values_are_those_of_shap(project: Project, output: str) -> None:
    """In float64, where shap's own rounding does not hide a difference."""
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
def test_slices_follow_the_size_of_what_they_hold(
    shape: tuple[int, ...], n_maps: int, sizes: list[int]
) -> None:
    def attribute(images: torch.Tensor, classes: torch.Tensor) -> Attributions:
        assert len(images) == len(classes)
        return Attributions(images.numpy())

    classes = np.zeros((shape[0], n_maps), np.int64)
    with progress_bar("explain", shape[0]) as progress:
        slices = attributions(attribute, torch.zeros(shape), classes, progress)
        assert [len(part.values) for part in slices] == sizes


def explained(change: float, base_value: float) -> ExplainedImages:
    """Two images of four pixels and one output, which they change by 1 and by `change`."""
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
    """Attributions of the two images, one slice each; the last pixel of the second is given."""
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


def test_what_float32_loses_where_pixels_cancel_is_no_error() -> None:
    """0.003 of a range of 0.5 is too much, but little of the 2000 that cancel."""
    assert list(additive_slices(slices(0.503), explained(0.5, 0.0), tolerance=1e-3))


@pytest.mark.parametrize(("last", "output"), [(0.51, r"0\.02 of"), (np.nan, r"nan of")])
def test_attributions_that_do_not_add_up_are_named(last: float, output: str) -> None:
    message = rf"of image cats/7\.jpg for output 0 miss its change by {output} the outputs' range"
    with pytest.raises(UserError, match=message):
        list(additive_slices(slices(last), explained(0.5, 0.0), tolerance=1e-3))
