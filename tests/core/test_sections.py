"""Options of a plug-in: what its function takes, and nothing else."""

from stages.core.sections import option_errors


def build_with_options(
    channels: int, image_size: int, n_classes: int, width: int = 3, *, names: list[str], rate: float
) -> None:
    """Options are what has a default or goes by keyword alone."""


def test_every_wrong_option_is_named() -> None:
    given = {"widht": 1, "width": "3", "rate": 1, "channels": 1}
    found = option_errors(build_with_options, given)
    assert [line.split(":")[0].strip() for line in found] == ["width", "names", "widht", "channels"]
    text = "\n".join(found)
    assert "width: must be a whole number (got '3')" in text
    assert "names: missing" in text
    assert "widht: unknown key; did you mean width?" in text
    assert option_errors(build_with_options, {"names": ["a"], "rate": 0.5}) == []
