"""SHAP values of a real run, held against the shap package."""

import numpy as np
import pytest
import shap
import torch
from torch import nn

from stages.artifacts.explanation import Explanation
from stages.artifacts.splits import load_split
from stages.core.params import read_yaml
from stages.networks.checkpoint import load_checkpoint
from stages.params.explain import Explain
from stages.sampling.background import choose_background
from tests.conftest import Project


def rebuilt(project: Project, output: str) -> nn.Module:
    network = load_checkpoint(torch.device("cpu"), project.root / "data/model").network
    return network if output == "logits" else nn.Sequential(network, nn.Softmax(dim=1)).eval()


def background_of(project: Project) -> torch.Tensor:
    """Ten training images, drawn as the stage draws them."""
    options = Explain.model_validate(read_yaml(project.root / "params.yaml")["explain"])
    split = load_split("train", project.root / "data/prepared")
    count, draw = options.n_background, options.background
    drawn = choose_background(split.labels, count, draw, options.seed)
    return torch.from_numpy(split.images[drawn]).float()


@pytest.mark.parametrize("output", ["logits", "probabilities"])
@pytest.mark.parametrize("method", ["shap_deep", "shap_gradient"])
@pytest.mark.filterwarnings("ignore:unrecognized nn.Module. Standardize:UserWarning")
def test_values_of_shap_come_through_untouched(project: Project, method: str, output: str) -> None:
    project.set({"explain.method": method, "explain.output": output, "explain.tolerance": 10.0})
    result = project.stage("explain")
    assert result.returncode == 0, result.stderr
    stored = Explanation.load(project.root / "data/shap")
    images = torch.from_numpy(stored.images).float()
    network, background = rebuilt(project, output), background_of(project)
    if method == "shap_deep":
        direct = shap.DeepExplainer(network, background).shap_values(images, check_additivity=False)
    else:
        direct = shap.GradientExplainer(network, background).shap_values(images, rseed=0)
    assert np.array_equal(stored.values, np.asarray(direct, np.float32))
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
    network, background = rebuilt(project, output).double(), background_of(project).double()
    images = torch.from_numpy(stored.images).double()
    values = shap.DeepExplainer(network, background).shap_values(images, check_additivity=False)
    np.testing.assert_allclose(stored.values, values, rtol=0, atol=1e-5 * np.abs(values).max())
