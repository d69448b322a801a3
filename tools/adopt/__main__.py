"""Make a recipe of a pretrained network: `python -m tools.adopt SOURCE [--name NAME]`.

SOURCE is a folder with `config.json`, `model.safetensors` and `preprocessor_config.json`, as the
hub has it, or a name: `owner/name` on the hub, `timm:resnet18.a1_in1k` or `torchvision:resnet18`.
Writes `recipes/<name>.yaml`, and the weights into `weights/`, where DVC tracks them, so that no
stage needs a connection.
"""

import argparse
import re
from collections.abc import Sequence

from stages.base.errors.user import UserError
from stages.base.files.yaml import PARAMS_FILE, read_yaml
from tools.adopt.head import choose_head
from tools.adopt.recipe import classes_of_data, make_recipe, recipe_text, weights_bytes, written
from tools.adopt.sources import load_pretrained
from tools.command import run_command, run_program


def main(arguments: Sequence[str]) -> None:
    """Load the network, compare its classes with the data set's, write recipe and weights."""
    parser = argparse.ArgumentParser(prog="python -m tools.adopt", description=__doc__)
    parser.add_argument("source", metavar="SOURCE", help="a folder, or a name")
    parser.add_argument("--name", help="of the recipe; by default the network's")
    options = parser.parse_args(arguments)
    print(f"reading {options.source}")
    pretrained = load_pretrained(options.source)
    name = options.name or re.sub(r"[^\w-]+", "_", pretrained.name)
    if not re.fullmatch(r"[\w-]+", name):
        raise UserError(f"NAME: must consist of letters, digits, _ and - (got {name})")
    run_program("adopt", "dvc", "repro", "--quiet", "download")  # for the names of the classes
    class_names, can_reorder = classes_of_data()
    head = choose_head(pretrained, class_names, can_reorder)
    epochs = read_yaml(PARAMS_FILE)["train"]["epochs"] or 1
    weights = weights_bytes(pretrained)
    recipe = make_recipe(pretrained, name, head, class_names, epochs)
    text = recipe_text(recipe, ["Written by make adopt.", *pretrained.origin])
    with written(name, text, weights) as files:
        run_program("adopt", "dvc", "add", "--quiet", str(files.weights))
        run_program("adopt", "git", "add", "--", *files.tracked)
    print("\n".join(pretrained.origin))
    print(f"head: {head.note}")
    print(f"{files.weights}: {len(weights):,} bytes; tracked by DVC")
    print(f"{files.recipe}: run it with make recipe NAME={name}")


if __name__ == "__main__":
    run_command(main, interrupted="nothing was written; run it again")
