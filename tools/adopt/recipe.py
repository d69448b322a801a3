"""Makes the recipe for a pretrained network, and checks that its weights fit."""

import inspect
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from safetensors.torch import save

from stages.artifacts.splits import DatasetInfo
from stages.base.errors.user import UserError
from stages.base.files.atomic import new_file
from stages.datasets.base.contract import load_dataset_plugin
from stages.datasets.base.raw import read_dataset
from stages.networks.build import as_published, build_network
from stages.params.model import WEIGHTS
from stages.training.initial.network import load_weights
from tools.adopt.head import Head, replaced_entries
from tools.adopt.pretrained import Pretrained
from tools.recipes import FOLDER, recipe_overrides

WIDTH = 100


def classes_of_data() -> tuple[Sequence[str], bool]:
    """Class names of the data set in `data/raw`, and whether its order is an option of its."""
    raw, dataset = read_dataset()
    plugin = load_dataset_plugin(raw.parameters["data"]["dataset"])
    return dataset.class_names, "classes" in inspect.signature(plugin.fetch).parameters


def make_recipe(
    pretrained: Pretrained, name: str, head: Head, class_names: Sequence[str], epochs: int
) -> dict[str, Any]:
    """The recipe, after loading the weights into the network that it describes.

    Args:
        pretrained: The network.
        name: Name of the recipe and of the weights file.
        head: What to do with the head.
        class_names: Names of the data set's classes; unused if the head has a class order.
        epochs: Passes over the training split if the head is replaced.

    Raises:
        UserError: The weights do not fit the network, or it does not accept the images.
    """
    height, width = pretrained.input.image_size
    mean, std = list(pretrained.input.mean), list(pretrained.input.std)
    about = DatasetInfo(
        name="",
        class_names=tuple(head.class_order or class_names),
        channels=pretrained.input.channels,
        image_size=(height, width),
        mean=tuple(mean),
        std=tuple(std),
        parameters={},
    )
    network = build_network(pretrained.architecture, about, pretrained.options)
    skip = list(pretrained.fresh)
    if head.replaced:
        wanted = as_published(network).state_dict()
        skip += replaced_entries(pretrained.entries, wanted, pretrained.n_classes)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{name}.safetensors")
        file.write_bytes(weights_bytes(pretrained))
        load_weights(network, file, skip)
    return {
        **({"data": {"options": {"classes": list(head.class_order)}}} if head.class_order else {}),
        "preprocess": {
            "image_size": height if height == width else [height, width],
            "color": "rgb" if pretrained.input.channels == 3 else "grey",
        },
        "model": {
            "architecture": pretrained.architecture,
            "options": dict(pretrained.options),
            "weights": f"{name}.safetensors",
            "skip_weights": skip,
            "standardize": {"mean": mean, "std": std},
        },
        "train": {"epochs": epochs if head.replaced else 0},
    }


def weights_bytes(pretrained: Pretrained) -> bytes:
    """The content of the weights file; the same network always gives the same bytes."""
    return save({name: entry.contiguous().clone() for name, entry in pretrained.entries.items()})


def recipe_text(recipe: Mapping[str, Any], comments: Sequence[str]) -> str:
    """The content of the recipe's file."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style, yaml.width = None, WIDTH
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    text = StringIO()
    yaml.dump(recipe, text)
    return "".join(f"# {line}\n" for line in comments) + text.getvalue()


class Files(NamedTuple):
    """What the command writes."""

    recipe: Path
    weights: Path

    @property
    def tracked(self) -> list[str]:
        """Files for Git, after `dvc add`."""
        return [str(self.recipe), f"{self.weights}.dvc", str(self.weights.parent / ".gitignore")]


@contextmanager
def written(name: str, text: str, weights: bytes) -> Iterator[Files]:
    """Write recipe and weights, and check the recipe; remove both if that or the block fails.

    Raises:
        UserError: One of the files exists with other content, or the recipe is invalid.
    """
    files = Files(FOLDER / f"{name}.yaml", WEIGHTS / f"{name}.safetensors")
    contents = dict(zip(files, (text.encode(), weights), strict=True))
    for file, content in contents.items():
        if file.exists() and file.read_bytes() != content:
            raise UserError(f"{file}: exists with other content; remove it, or choose another NAME")
    with ExitStack() as undo:
        for file in (*files, Path(f"{files.weights}.dvc")):
            if not file.exists():
                undo.callback(file.unlink, missing_ok=True)
        for file, content in contents.items():
            if not file.exists():
                with new_file(file) as partial:
                    partial.write_bytes(content)
        recipe_overrides(name)  # checks it
        yield files
        undo.pop_all()
