"""The exception for errors that a user can fix."""


class UserError(Exception):
    """An error that a user can fix: printed as its message alone, without a traceback.

    The message says where, what was got, what was expected, and what to do.
    """
