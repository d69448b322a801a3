"""The contract of methods: checks of their results, and errors of methods that fail."""

import re
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import pytest
import torch

from stages.base.errors.user import UserError
from stages.explainers.base.contract import Attribute, Attributions, build_explainer, select_classes
from tests.measures.subjects import small_images, small_network
from tests.plugin_modules import add_plugin


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Attribute]:
    """Registers a function as a method's `build` and builds it with two background images."""

    def built(build: Any) -> Attribute:
        add_plugin(monkeypatch, "explainers.own", build)
        return build_explainer("own", small_network(2, 4), small_images(2), 0)

    return built


def fails(*_: Any) -> NoReturn:
    raise ValueError("no gradient")


def refuses(*_: Any) -> NoReturn:
    raise UserError("heads: use another layer")


CLASSES = torch.tensor([[0, 3], [2, 1], [1, 1]])
FAILED = r"^explain\.method own: failed on this network: ValueError: no gradient; choose another"


def test_a_method_that_fails_is_named(use: Callable[[Any], Attribute]) -> None:
    with pytest.raises(UserError, match=FAILED):
        use(fails)
    with pytest.raises(UserError, match=FAILED):
        use(lambda *_: fails)(small_images(3), CLASSES)


def test_a_user_error_of_a_method_is_passed_on(use: Callable[[Any], Attribute]) -> None:
    with pytest.raises(UserError, match=r"^heads: use another layer$"):
        use(refuses)
    with pytest.raises(UserError, match=r"^heads: use another layer$"):
        use(lambda *_: refuses)(small_images(3), CLASSES)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (np.zeros(3), "returned ndarray, expected Attributions"),
        (
            Attributions(np.zeros((3, 2, 12, 14, 4))),
            "returned attributions of shape (3, 2, 12, 14, 4), expected (3, 2, 12, 14, 2): images",
        ),
        (
            Attributions(np.zeros((3, 2, 12, 14, 2)), np.zeros((3, 3, 12, 14, 2))),
            "returned groups of shape (3, 3, 12, 14, 2), expected (3, 2, 12, 14, 2): images, gro",
        ),
    ],
)
def test_results_of_the_wrong_type_or_shape_are_rejected(
    use: Callable[[Any], Attribute], found: Any, message: str
) -> None:
    attribute = use(lambda *_: lambda *_: found)
    with pytest.raises(
        UserError, match=rf"explain\.method own: {re.escape(message)}.*; fix stages/e"
    ):
        attribute(small_images(3), CLASSES)


@pytest.mark.parametrize("groups", [None, np.ones((3, 2, 12, 14, 2))])
def test_valid_results_pass_unchanged(use: Callable[[Any], Attribute], groups: Any) -> None:
    fitting = Attributions(np.zeros((3, 2, 12, 14, 2)), groups)
    assert use(lambda *_: lambda *_: fitting)(small_images(3), CLASSES) is fitting


def test_classes_are_selected_image_by_image() -> None:
    every = np.random.default_rng(0).normal(size=(3, 2, 5, 6, 4))
    selected = select_classes(every, CLASSES)
    for index, classes in enumerate(CLASSES.tolist()):
        for map_index, number in enumerate(classes):
            found = selected[index, ..., map_index]
            np.testing.assert_array_equal(found, every[index, ..., number])
