"""Which device `auto` chooses."""

import pytest

from stages.networks import device


@pytest.mark.parametrize(
    ("known", "chosen"),
    [
        (["cpu", "cuda", "cuda:0", "mps"], "cuda"),
        (["cpu", "mps"], "mps"),
        (["cpu"], "cpu"),
    ],
)
def test_auto_chooses_the_fastest_available_kind(
    monkeypatch: pytest.MonkeyPatch, known: list[str], chosen: str
) -> None:
    monkeypatch.setattr(device, "available_devices", lambda: known)
    assert device.choose_device("auto").type == chosen
    assert str(device.choose_device("cuda:3")) == "cuda:3"
