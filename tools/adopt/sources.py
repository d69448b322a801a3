"""Finds a pretrained network: in a folder, or by its name where there is a connection."""

from pathlib import Path

from stages.base.errors.user import UserError
from stages.base.tracking.plugins import load_plugin
from tools.adopt.folder import EXPECTED, load_folder
from tools.adopt.hub import fetch_folder
from tools.adopt.pretrained import Pretrained


def load_pretrained(source: str) -> Pretrained:
    """Load a network with its library.

    Args:
        source: A folder as the hub has it, `torchvision:<name>`, `timm:<name>`, or the network's
            name on the hub, `<owner>/<name>`, with `@<revision>` for an older version.

    Raises:
        UserError: There is no such network, no connection, or a file cannot be used.
    """
    if source and Path(source).is_dir():
        name = Path(source).resolve().name
        return load_folder(Path(source), name, f"folder {name}")
    library, _, name = source.partition(":")
    if library == "torchvision" and name:
        from tools.adopt import torchvision_weights

        return torchvision_weights.load(name)
    if library == "timm" and name:
        load_plugin("architectures", "timm", ("build",))  # says how to install it
        from tools.adopt import timm_folder

        return _from_hub(timm_folder.hub_name(name))
    if source.count("/") == 1 and all(source.split("/")) and not source.startswith((".", "~")):
        return _from_hub(source)
    raise UserError(
        f"FROM: {source or 'empty'}: no such folder, and not a name such as owner/name on the hub, "
        f"timm:resnet18.a1_in1k or torchvision:resnet18; a folder needs {EXPECTED}"
    )


def _from_hub(name: str) -> Pretrained:
    folder, origin = fetch_folder(name)
    return load_folder(folder, name.partition("@")[0].partition("/")[2], origin)
