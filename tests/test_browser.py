"""The browser that the tests use."""

from pathlib import Path

import pytest

from tests.conftest import BROWSERS, browser_on_path


@pytest.mark.parametrize("name", BROWSERS)
def test_any_browser_on_path_is_found(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert browser_on_path() is None
    (tmp_path / name).touch(mode=0o755)
    assert browser_on_path() == str(tmp_path / name)
