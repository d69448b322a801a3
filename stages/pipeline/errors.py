"""The one exception that means: the user can mend this."""


class UserError(Exception):
    """A mistake a user can mend: shown as its message alone, without a traceback.

    The message says where, what was got, what was expected, and what to do.
    """
