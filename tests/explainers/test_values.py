"""What each method says of its values is so; and captum, which some need, may be missing."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from stages.base.errors.user import UserError
from stages.base.params.reading import check_params
from stages.base.params.sections import StageParams
from stages.base.tracking import plugins
from stages.base.tracking.plugins import plugin_names
from stages.explainers.base.contract import build_explainer, values_of
from stages.params.explain import Method
from tests.measures.subjects import small_images

NAMES = plugin_names("explainers")
CAPTUM = ["grad_cam", "gradient_x_input", "lrp", "occlusion", "smoothgrad"]


def network() -> nn.Module:
    """Convolutions with biases for 12×14 pixels, so that black is no neutral image."""
    torch.manual_seed(3)
    layers = [nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(4 * 8 * 10, 3)).eval().requires_grad_(False)


@pytest.mark.parametrize("name", NAMES)
def test_values_add_up_where_the_method_says_so(name: str) -> None:
    subject, images, background = network(), small_images(6).float(), small_images(10).float()
    classes = torch.tensor([[0, 2]]).expand(6, -1)
    found = build_explainer(name, subject, background, 0)(images, classes).values
    sums = found.sum(axis=(1, 2, 3))
    with torch.no_grad():
        changes = (subject(images) - subject(background).mean(dim=0))[:, [0, 2]].numpy()
    error = np.abs(sums - changes).max() / np.abs(changes).max()
    text, add_up = values_of(name)
    assert len(text) > 30
    exact = {"shap_gradient": 0.5, "integrated_gradients": 0.02}.get(name, 1e-4)
    assert (error < exact) == add_up


def test_methods_whose_values_do_not_add_up_explain_no_run() -> None:
    class Section(StageParams):
        method: Method

    for name in NAMES:
        if values_of(name).add_up:
            check_params({"method": name}, Section, Path("params.yaml"))
        else:
            message = f"the values of {name} do not add up .*; name it in quality.methods"
            with pytest.raises(UserError, match=message):
                check_params({"method": name}, Section, Path("params.yaml"))


@pytest.fixture
def check_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Checks the parameter that names a method with this source."""

    class Section(StageParams):
        method: Method

    def check(source: str) -> None:
        (tmp_path / "explainers").mkdir()
        (tmp_path / "explainers/own.py").write_text(source)
        monkeypatch.setattr(plugins, "_STAGES", tmp_path)
        check_params({"method": "own"}, Section, Path("params.yaml"))

    return check


@pytest.mark.parametrize(
    "line", ["ADDS_UP = False  # it only ranks", "ADDS_UP: bool = False", "ADDS_UP = (False)"]
)
def test_they_may_say_so_as_python_allows(line: str, check_own: Callable[[str], None]) -> None:
    with pytest.raises(UserError, match="the values of own do not add up"):
        check_own(f"from torch import nn\n\n{line}\n")


def test_what_is_no_literal_is_refused(check_own: Callable[[str], None]) -> None:
    with pytest.raises(UserError, match=r"^stages/explainers/own\.py: ADDS_UP must be a literal: "):
        check_own("ADDS_UP = bool(0)\n")


def test_a_file_that_is_no_python_is_left_to_the_stage_that_imports_it(
    check_own: Callable[[str], None],
) -> None:
    check_own("ADDS_UP = False\ndef build(:\n")


@pytest.mark.parametrize("name", CAPTUM)
def test_without_captum_the_message_says_how_to_install_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    for module in ("base.captum_extra", name):
        monkeypatch.delitem(sys.modules, f"stages.explainers.{module}", raising=False)
    any_network: Any = network()
    with pytest.raises(
        UserError, match=r"needs captum, an extra .*: install it with python -m pip "
    ):
        build_explainer(name, any_network, small_images(2).float(), 0)


def test_grad_cam_pp_needs_no_captum() -> None:
    source = Path(importlib.import_module("stages.explainers.grad_cam_pp").__file__ or "")
    assert "captum_extra" not in source.read_text()
