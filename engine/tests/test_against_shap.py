"""The values equal shap.DeepExplainer's wherever it is additive; tests show where it is not."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # shap uses parts of matplotlib that are deprecated
    import shap

from .architectures import convnet, fully_connected, lenet
from .networks import SHAP_IS_RIGHT, SHAP_IS_WRONG, build, explainer_of, images, initialise, shared

pytestmark = pytest.mark.usefixtures("checked_shapes")


def by_shap(network: nn.Module, x: torch.Tensor, background: torch.Tensor) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        explainer = shap.DeepExplainer(network, background)
        values: np.ndarray = explainer.shap_values(x, check_additivity=False)
    return values


BOUND = {torch.float32: 1e-5, torch.float64: 1e-10}


def exactly(network: nn.Module, x: torch.Tensor, background: torch.Tensor) -> np.ndarray:
    """The values of shap in float64; in float32, shap has fewer digits than these tests need."""
    return by_shap(copy.deepcopy(network).double(), x.double(), background.double())


def assert_agree(network: nn.Module, x: torch.Tensor, background: torch.Tensor) -> None:
    """Assert the values of shap in float64, with errors relative to the largest value."""
    ours = explainer_of(network, background).attribute(x).numpy()
    expected = exactly(network, x, background)
    assert np.abs(ours - expected).max() < BOUND[x.dtype] * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SHAP_IS_RIGHT)
def test_small_networks_agree(name: str, dtype: torch.dtype) -> None:
    assert_agree(shared(name, dtype), images(2, dtype), images(6, dtype, seed=2))


ONE_OF_EACH = ("batch norm", "conv relu pool", "standardized", "two linear")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in ONE_OF_EACH else pytest.mark.slow) for n in SHAP_IS_RIGHT],
)
def test_probabilities_of_small_networks_agree(name: str, dtype: torch.dtype) -> None:
    network = nn.Sequential(shared(name, dtype), nn.Softmax(dim=1)).eval()
    assert_agree(network, images(2, dtype), images(6, dtype, seed=2))


@pytest.mark.slow
@pytest.mark.parametrize("probabilities", [False, True], ids=["logits", "probabilities"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("architecture", [lenet, convnet, fully_connected])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_networks_users_train_agree(architecture, channels, dtype, probabilities) -> None:
    torch.manual_seed(3)
    network = architecture(channels, (20, 22), 4)
    initialise(network)
    if probabilities:
        network = nn.Sequential(network, nn.Softmax(dim=1))
    network = network.eval().to(dtype)
    x, background = (
        torch.rand(2, 2, channels, 20, 22, dtype=dtype)[0],
        torch.rand(5, channels, 20, 22, dtype=dtype),
    )
    assert_agree(network, x, background)


def test_shap_in_float32_is_too_coarse_to_compare_with() -> None:
    """The multiplier of a probability divides by the change of its logit, which is small here.

    If this fails, shap has become more precise, and `assert_agree` may compare with float32, too.
    """
    network = nn.Sequential(build(SHAP_IS_RIGHT["batch norm"], torch.float32), nn.Softmax(1)).eval()
    x, background = images(2, torch.float32), images(6, torch.float32, seed=2)
    expected = exactly(network, x, background)
    error = np.abs(by_shap(network, x, background) - expected).max()
    assert error > 5 * BOUND[torch.float32] * np.abs(expected).max()


@pytest.mark.parametrize("name", SHAP_IS_WRONG)
def test_shap_is_not_additive_here(name: str) -> None:
    """If this fails, shap has been fixed: move the network to SHAP_IS_RIGHT."""
    network = build(SHAP_IS_WRONG[name], torch.float64)
    x, background = images(4, torch.float64), images(9, torch.float64, seed=2)
    values = by_shap(network, x, background)
    with torch.no_grad():
        change = (network(x) - network(background).mean(0)).numpy()
    error = np.abs(values.sum((1, 2, 3)) - change).max()
    assert error > 0.01 * np.abs(change).max()
