"""Fetches a network's folder from the hub, which transformers and timm use."""

from pathlib import Path

from stages.base.errors.user import UserError
from tools.adopt.folder import CONFIG, EXPECTED, PROCESSOR

FILES = [CONFIG, PROCESSOR, "model*.safetensors", "model.safetensors.index.json"]


def fetch_folder(name: str) -> tuple[Path, str]:
    """Fetch the files of a network, or find them in the hub's cache on this machine.

    Args:
        name: `<owner>/<name>`, with `@<revision>` for a version other than the newest.

    Returns:
        The folder, and where it comes from, with the revision.

    Raises:
        UserError: There is no connection, or no such network.
    """
    try:
        from huggingface_hub import constants, snapshot_download
    except ImportError as error:
        raise UserError(
            f"FROM: {name}: {error}; the extras transformers and timm contain it: install one with "
            "python -m pip install --constraint constraints.txt --editable '.[transformers]'"
        ) from error
    repository, _, revision = name.partition("@")
    print(f"fetching {repository}")
    try:
        folder = Path(
            snapshot_download(repository, revision=revision or None, allow_patterns=FILES)
        )
    except (OSError, ValueError) as error:  # errors of its connections are OSErrors
        reason = str(error).strip().splitlines()[0]
        page = f"{constants.ENDPOINT}/{repository}/tree/{revision or 'main'}"
        raise UserError(
            f"FROM: {name}: cannot be fetched: {reason}\n  without a network, save {EXPECTED} of "
            f"{page} in a folder, then run make adopt FROM=<folder>"
        ) from error
    return folder, f"{repository}, revision {folder.name}"
