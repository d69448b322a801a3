"""Options of a plug-in: what its function accepts, and nothing else."""

from typing import Annotated, Any

import pytest

from stages.architectures import lenet
from stages.base.errors.user import UserError
from stages.base.params.plugins import option_errors, plugin_options
from stages.base.params.sections import Section


class Chosen(Section):
    architecture: str
    options: Annotated[dict[str, Any], plugin_options("architectures", "architecture", "build")]


def build_with_options(
    channels: int, image_size: int, n_classes: int, width: int = 3, *, names: list[str], rate: float
) -> None:
    """Options are parameters with a default, and keyword-only parameters."""


def test_every_wrong_option_is_reported() -> None:
    given = {"widht": 1, "width": "3", "rate": 1, "channels": 1}
    found = option_errors(build_with_options, given)
    assert [line.split(":")[0].strip() for line in found] == ["width", "names", "widht", "channels"]
    text = "\n".join(found)
    assert "width: must be a whole number (got '3')" in text
    assert "names: missing" in text
    assert "widht: unknown key; did you mean width?" in text
    assert option_errors(build_with_options, {"names": ["a"], "rate": 0.5}) == []


def unreadable(channels: int, *, width: "Unknown" = 3) -> None:  # noqa: F821
    """Has an annotation with an unknown name."""


def test_an_unreadable_signature_is_reported_with_its_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lenet, "build", unreadable)
    model = {"architecture": "lenet", "options": {"width": 3}}
    message = r"architectures/lenet\.py: the signature of build\(\) cannot be read: NameError: "
    with pytest.raises(UserError, match=message):
        Chosen.model_validate(model)
