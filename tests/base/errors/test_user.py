"""Reasons in messages are words: no numbers of the system."""

import email.message
import urllib.error

import pytest

from stages.base.errors.user import reason_of

REFUSED = ConnectionRefusedError(111, "Connection refused")
NOT_FOUND = urllib.error.HTTPError("http://a", 404, "Not Found", email.message.Message(), None)
NO_TEXT = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FileNotFoundError(2, "No such file or directory", "a/b"), "No such file or directory"),
        (urllib.error.URLError(REFUSED), "Connection refused"),
        (NOT_FOUND, "HTTP Error 404: Not Found"),
        (OSError("no number"), "no number"),
        (NO_TEXT, "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte"),
        (ValueError("too long"), "too long"),
        (EOFError(), "EOFError"),
    ],
)
def test_a_reason_is_the_message_without_the_systems_number(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
