"""Errors that a user can fix."""

LONGEST = 500  # characters of a value in a message


class UserError(Exception):
    """An error that a user can fix; its message is printed without a traceback.

    The message names the location, the actual and the expected value, and what to do.
    """


def unusable_file_message(error: BaseException) -> str | None:
    """The message for an existing file that cannot be opened; None for any other error."""
    if not isinstance(error, OSError) or isinstance(error, FileNotFoundError):
        return None
    if error.filename is None:
        return None
    return f"{error.filename}: {error.strerror}; check its permissions and its disk, then run again"


def shortened(text: str, longest: int = LONGEST) -> str:
    """Text for a message, cut at a readable length."""
    return text if len(text) <= longest else f"{text[:longest]} …"


def reason_of(error: BaseException) -> str:
    """An error's message without the number that the system gives it; its class if it has none."""
    cause = getattr(error, "reason", error)  # which urllib wraps
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return str(error) or type(error).__name__
