"""Base classes and field types for the sections of `params.yaml`."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from stages.base.params.devices import available_devices


class Section(BaseModel):
    """A section of `params.yaml`; rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class StageParams(BaseModel):
    """The parameters of one stage: a field for each top-level key it reads; ignores all others."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


def matching(pattern: str, expected: str) -> AfterValidator:
    """Require a string to match a pattern; `expected` describes it in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise PydanticCustomError("mismatch", "must be {expected}", {"expected": expected})
        return value

    return AfterValidator(check)


def _on_this_machine(device: str) -> str:
    """Require a device of this machine, checked before any work."""
    if device in ("auto", "cpu"):
        return device
    known = ("auto", *available_devices())
    if device not in known:
        expected = "on this machine, must be one of {known}"
        raise PydanticCustomError("device", expected, {"known": ", ".join(known)})
    return device


Seed = Annotated[int, Field(ge=0, lt=2**32)]

DeviceName = Annotated[
    str,
    matching(r"auto|cpu|mps|cuda(:\d+)?", "auto, cpu, mps, cuda or cuda:<index>"),
    AfterValidator(_on_this_machine),
]
