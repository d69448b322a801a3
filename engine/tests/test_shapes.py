"""The engine's tensors have the shapes that its signatures state."""

import functools
import subprocess
import sys

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import Tensor, nn

from deepshap import DeepShap

from .conftest import checked

NETWORK = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 3 * 4, 5)).eval()


@pytest.mark.usefixtures("checked_shapes")
def test_arguments_and_results_have_the_shapes_in_the_signatures() -> None:
    explainer = DeepShap(NETWORK, torch.rand(4, 2, 5, 6))
    assert explainer.attribute(torch.rand(3, 2, 5, 6)).shape == (3, 2, 5, 6, 5)
    assert explainer.attribute(torch.rand(1, 2, 5, 6), outputs=[4, 0]).shape == (1, 2, 5, 6, 2)


@pytest.mark.usefixtures("checked_shapes")
def test_an_argument_of_another_shape_fails_the_check() -> None:
    with pytest.raises(TypeCheckError, match="background"):
        DeepShap(NETWORK, torch.rand(2, 5, 6))
    with pytest.raises(TypeCheckError, match="images"):
        DeepShap(NETWORK, torch.rand(4, 2, 5, 6)).attribute(
            torch.zeros(3, 2, 5, 6, dtype=torch.uint8)
        )


def test_a_result_of_another_shape_fails_the_check() -> None:
    @functools.wraps(DeepShap.attribute)
    def classes_first(self: None, images: Tensor, outputs: None = None) -> Tensor:
        return images[:, None].expand(-1, 5, -1, -1, -1)

    with pytest.raises(TypeCheckError, match="return value"):
        checked(classes_first)(None, torch.rand(3, 2, 5, 6))


def test_the_engine_does_not_import_jaxtyping() -> None:
    program = "import sys; import deepshap; sys.exit('jaxtyping' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
