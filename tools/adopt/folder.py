"""Reads a folder with a network of transformers or timm, as the hub has it."""

from pathlib import Path

from safetensors import safe_open

from stages.base.errors.user import UserError, shortened
from stages.base.files.formats import read_json
from stages.base.tracking.plugins import load_plugin
from tools.adopt.pretrained import Pretrained, sha256

CONFIG, PROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"
EXPECTED = f"{CONFIG}, {WEIGHTS} and, for transformers, {PROCESSOR}"


def load_folder(folder: Path, name: str, origin: str) -> Pretrained:
    """Load a network with its library; code in the folder is never run.

    Args:
        folder: Contains a `config.json`, weights as safetensors and, for transformers, a
            `preprocessor_config.json`.
        name: Name for the recipe.
        origin: Where the folder comes from, for the recipe.

    Raises:
        UserError: A file is missing, damaged, of another library, or names code to run.
    """
    content = read_object(folder / CONFIG)
    weights = _checked_weights(folder)
    if "auto_map" in content:
        raise UserError(
            f"{folder / CONFIG}: names code of its authors (auto_map), which is never run; if "
            "transformers itself has this network, remove auto_map; otherwise write it as a file "
            "in stages/architectures"
        )
    lines = [origin, *(f"{file.name}: SHA-256 {sha256(file)}" for file in weights)]
    if "model_type" in content:
        load_plugin("architectures", "transformers", ("build",))
        from tools.adopt import transformers_folder

        return transformers_folder.load(folder, name, lines)
    if "architecture" in content:
        load_plugin("architectures", "timm", ("build",))
        from tools.adopt import timm_folder

        return timm_folder.load(folder, name, lines)
    raise UserError(
        f"{folder / CONFIG}: has neither model_type, as those of transformers, nor architecture, "
        "as those of timm; networks of other libraries cannot be adopted from a folder"
    )


def read_object(file: Path) -> dict[str, object]:
    """Read a JSON object.

    Raises:
        UserError: The file is missing, or is not a JSON object.
    """
    try:
        content = read_json(file)
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; the folder needs {EXPECTED}") from None
    except (ValueError, RecursionError) as error:
        reason = shortened(str(error))
        raise UserError(f"{file}: not JSON: {reason}; download it again") from None
    if not isinstance(content, dict):
        raise UserError(f"{file}: must be a JSON object (got {type(content).__name__})")
    return content


def _checked_weights(folder: Path) -> list[Path]:
    """The safetensors files, one or several parts; all can be opened."""
    files = sorted(folder.glob("model*.safetensors"))
    for file in files:
        try:
            with safe_open(file, "pt") as entries:
                entries.keys()
        except Exception as error:  # a damaged header can raise any exception
            reason = shortened(str(error))
            raise UserError(
                f"{file}: not a .safetensors file, or damaged: {reason}; download it again"
            ) from None
    pickle = folder / "pytorch_model.bin"
    if not files and pickle.exists():
        raise UserError(
            f"{pickle}: a pickle, which can run code, so it is never loaded; most such "
            f"repositories have {WEIGHTS}, too (look at their pull requests). If you trust it, "
            f"convert it:\n{_conversion(pickle)}"
        )
    if not files:
        raise UserError(f"{folder / WEIGHTS}: no such file; the folder needs {EXPECTED}")
    return files


def _conversion(pickle: Path) -> str:
    return (
        'python -c "import torch; from safetensors.torch import save_file; '
        f"entries = torch.load('{pickle}', map_location='cpu', weights_only=True); "
        "save_file({name: tensor.clone().contiguous() for name, tensor in entries.items()}, "
        f"'{pickle.with_name(WEIGHTS)}', {{'format': 'pt'}})\""
    )
