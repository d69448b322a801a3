"""Errors that a user can fix."""

LONGEST = 500  # characters of a value in a message


class UserError(Exception):
    """An error that a user can fix: printed as its message alone, without a traceback.

    The message says where, what was got, what was expected, and what to do.
    """


def unusable_file_message(error: BaseException) -> str | None:
    """What to say of a file that is there but cannot be opened; None for any other error."""
    if not isinstance(error, OSError) or isinstance(error, FileNotFoundError):
        return None
    if error.filename is None:
        return None
    return (
        f"{error.filename}: {error.strerror}; check its permissions, and the disk it is on, then "
        "run again"
    )


def shortened(text: str, longest: int = LONGEST) -> str:
    """Text for a message, cut where nobody would read on."""
    return text if len(text) <= longest else f"{text[:longest]} …"
