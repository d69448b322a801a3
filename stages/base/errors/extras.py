"""Messages about optional packages."""

from stages.base.errors.user import UserError


def install_command(extra: str) -> str:
    """The command that installs an extra of this project."""
    return f"python -m pip install --constraint constraints.txt --editable '.[{extra}]'"


def missing_extra(setting: str, extra: str, error: ImportError) -> UserError:
    """The error for an optional package that is not installed.

    Args:
        setting: The parameter that asks for it, such as `model.architecture`.
        extra: The value of the parameter, which is the name of the extra, too.
        error: What importing the package raised.
    """
    return UserError(
        f"{setting} {extra}: {error}; {extra} is an extra: install it with "
        f"{install_command(extra)}, or choose another {setting}"
    )
