"""Captum, an extra: `from stages.explainers.base.captum_extra import captum`.

In one place, so that all methods that wrap it fail with the same message where it is missing.
"""

from stages.base.errors.extras import install_command
from stages.base.errors.user import UserError

try:
    from captum import attr as captum
    from captum.attr._utils import lrp_rules  # where captum's documentation imports them from
except ModuleNotFoundError as error:
    raise UserError(
        f"this method needs captum, an extra ({error}): install it with "
        f"{install_command('captum')}, or leave the method out of quality.methods"
    ) from error

__all__ = ["captum", "lrp_rules"]
