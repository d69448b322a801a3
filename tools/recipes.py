"""Run recipes as DVC experiments: `python -m tools.recipes NAME …`, or `--all`.

A recipe, `recipes/<name>.yaml`, has only the parameters that differ from `params.yaml`; `--set
data.source=data/pets` changes one of them, for a recipe that needs the user's own data. It runs in
a temporary copy, so the workspace does not change. Then `dvc exp show` lists the experiment and
`dvc exp apply <name>` applies it. Running a recipe again replaces its previous experiment; stages
that have not changed come from DVC's run cache.
"""

import argparse
import contextlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.base.errors.user import UserError
from stages.base.files.yaml import PARAMS_FILE, read_yaml
from stages.base.params.messages import did_you_mean
from stages.base.params.reading import check_params
from stages.base.tracking.experiments import exists_or_tracked
from stages.params.model import WEIGHTS
from stages.params.whole import AllParams
from tools.command import run_command, run_program

FOLDER = Path("recipes")
CODE = ("stages", "engine/src")
OPTIONS = "options"  # of a network or a data set


def main(arguments: Sequence[str]) -> None:
    """Check all named recipes, then run them."""
    parser = argparse.ArgumentParser(prog="python -m tools.recipes", description="Run recipes.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known_recipes()))
    parser.add_argument("--all", action="store_true", help="queue all of them, then run the queue")
    parser.add_argument(
        *("-S", "--set"),
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another value for a parameter, such as data.source=data/pets",
    )
    options = parser.parse_args(arguments)
    names = require_known(ready_recipes() if options.all else options.names)
    overrides = {name: recipe_overrides(name, options.set) for name in names}
    needed = [path for name in names for path in inputs(name, options.set)]
    require_versioned({*CODE, *needed})
    with previous_set_aside(names):
        where = "--queue" if options.all else "--temp"
        for name in names:
            _dvc("exp", "run", where, "--name", name, *overrides[name])
        if options.all:
            _dvc("exp", "run", "--run-all")
        finished = _experiments()
        if missing := [name for name in names if name not in finished]:
            raise UserError(
                f"recipes: {', '.join(missing)} failed; see above, or dvc queue logs <name>"
            )


def known_recipes() -> list[str]:
    """Names of the recipes, sorted."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def ready_recipes() -> list[str]:
    """Names of the recipes whose data and weights are here; prints those that are left out."""
    ready = []
    for name in known_recipes():
        missing = [path for path in inputs(name) if not exists_or_tracked(Path(path))]
        if missing:
            print(f"recipes: {name} is left out, since {' and '.join(missing)} is not here")
        else:
            ready.append(name)
    return ready


def require_known(names: Sequence[str]) -> Sequence[str]:
    """Return the names if there are any and all are known.

    Raises:
        UserError: No name is given, or one is unknown.
    """
    known = known_recipes()
    if not names:
        raise UserError(
            f"recipes: name a recipe: make recipe NAME=<name>; known: {', '.join(known)}"
        )
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UserError(
            f"recipes: unknown recipe (got {unknown[0]!r}); known: {', '.join(known)}"
            f"{did_you_mean(unknown[0], known)}"
        )
    return names


def recipe_overrides(name: str, settings: Sequence[str] = ()) -> list[str]:
    """Options of `dvc exp run` that set a recipe's parameters.

    Args:
        name: Name of the recipe.
        settings: Other values for its parameters, such as `data.source=data/pets`.

    Raises:
        UserError: The recipe makes `params.yaml` invalid; lists all errors, one per line.
    """
    defaults, recipe = read_yaml(PARAMS_FILE), read_recipe(name, settings)
    check_params(merged(defaults, recipe), AllParams, FOLDER / f"{name}.yaml")
    changes = [f"~{key}" for key in removed_options(defaults, recipe)]
    changes += [override(key, value) for key, value in leaves(recipe)]
    return [argument for change in changes for argument in ("--set-param", change)]


def read_recipe(name: str, settings: Sequence[str] = ()) -> dict[str, Any]:
    """The parameters in a recipe's file, with other values for some.

    Raises:
        UserError: A setting is not a key and a value.
    """
    recipe = read_yaml(FOLDER / f"{name}.yaml")
    for setting in settings:
        key, equals, text = setting.partition("=")
        try:
            value = YAML(typ="safe", pure=True).load(text)  # as in params.yaml
        except YAMLError:
            equals = ""
        if not equals or not all(key.split(".")):
            raise UserError(f"recipes: --set must be KEY=VALUE (got {setting!r})")
        for part in reversed(key.split(".")):
            value = {part: value}
        recipe = merged(recipe, value)
    return recipe


def inputs(name: str, settings: Sequence[str] = ()) -> list[str]:
    """Files that a recipe reads besides code."""
    return inputs_of(merged(read_yaml(PARAMS_FILE), read_recipe(name, settings)))


def inputs_of(params: Mapping[str, Any]) -> list[str]:
    """Files that a run reads besides code: `data.source`, and the weights if there are any."""
    data, model = params.get("data"), params.get("model")  # perhaps no sections: not checked yet
    source = data.get("source") if isinstance(data, Mapping) else None
    weights = model.get("weights") if isinstance(model, Mapping) else None
    return [
        *([] if source is None else [str(source)]),
        *([str(WEIGHTS / str(weights))] if weights else []),
    ]


def require_versioned(
    paths: Collection[str], command: str = "recipes", what: str = "a recipe"
) -> None:
    """Reject files that the temporary copy of the workspace would lack.

    Args:
        paths: What runs there reads.
        command: The command, for messages.
        what: What runs there, for messages.

    Raises:
        UserError: One of the paths has files that neither Git nor DVC tracks.
    """
    inside = [path for path in paths if Path(path).resolve().is_relative_to(Path.cwd())]
    options = ["--others", "--exclude-standard", "--directory", "--no-empty-directory", "-z"]
    listed = run_program(command, "git", "ls-files", *options, "--", *inside, capture=True)
    if untracked := listed.split("\0")[:-1]:
        raise UserError(
            f"{command}: untracked: {', '.join(untracked)}; {what} runs in a copy of what Git and "
            "DVC track: run git add on new code or dvc add on new data and weights, then try again"
        )


def override(key: str, value: Any) -> str:
    """A change in Hydra's syntax; `++` also adds keys that `params.yaml` lacks, as in `options`.

    Raises:
        UserError: Hydra's syntax cannot express the value.
    """
    return f"++{key}={_formatted(key, value)}"


def _formatted(key: str, value: Any) -> str:
    """A value; numbers, true, false, null and empty values are written as in JSON."""
    if isinstance(value, str):
        return _quoted(key, value)
    if isinstance(value, list):
        return f"[{','.join(_formatted(key, item) for item in value)}]"
    if isinstance(value, Mapping) and value:
        raise UserError(f"recipes: {key}: a list of keys and values; set it in {PARAMS_FILE}")
    return json.dumps(value)


def _quoted(key: str, text: str) -> str:
    r"""A string; \ escapes ", ${, and each \ right before one of these or at the end."""
    if text == "???" or not re.fullmatch(r"[^\0\x85\ud800-\udfff]*", text):
        raise UserError(
            f"recipes: {key}: {text!r} cannot be passed to dvc exp run; set it in {PARAMS_FILE}"
        )
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)  # otherwise OmegaConf replaces it
    text = re.sub(r'(\\*)"', r'\1\1\\"', text)
    return '"' + re.sub(r"(\\+)\Z", r"\1\1", text) + '"'


def merged(defaults: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults, overridden by the changes section by section.

    `options` are replaced as a whole, since they belong to one network or data set.
    """
    result = dict(defaults)
    for key, value in changes.items():
        default = result.get(key)
        if isinstance(default, Mapping) and isinstance(value, Mapping) and key != OPTIONS:
            value = merged(default, value)
        result[key] = value
    return result


def removed_options(defaults: Mapping[str, Any], recipe: Mapping[str, Any]) -> Iterator[str]:
    """Keys in `options` of the defaults that a recipe with other options does not have."""
    for name, section in recipe.items():
        default = defaults.get(name)
        if isinstance(section, Mapping) and OPTIONS in section and isinstance(default, Mapping):
            yield from _removed(default[OPTIONS], section[OPTIONS], f"{name}.{OPTIONS}.")


def _removed(defaults: Any, changes: Any, prefix: str) -> Iterator[str]:
    if isinstance(defaults, Mapping) and isinstance(changes, Mapping):
        for key, default in defaults.items():
            if key in changes:
                yield from _removed(default, changes[key], f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}"


def leaves(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All values that are not mappings, with their keys joined by dots."""
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


@contextlib.contextmanager
def previous_set_aside(names: Sequence[str]) -> Iterator[None]:
    """Free these names for new experiments; restore the old experiment if its recipe fails."""
    previous = sorted(_experiments() & set(names))
    for name in previous:
        _dvc("exp", "rename", "--force", name, f"{name}-previous", capture=True)
    try:
        yield
    finally:
        now = _experiments()
        for name in previous:
            if name in now:
                _dvc("exp", "remove", f"{name}-previous", capture=True)
            else:
                _dvc("exp", "rename", f"{name}-previous", name, capture=True)


def _experiments() -> set[str]:
    """Names of the experiments based on the current commit."""
    return set(_dvc("exp", "list", "--name-only", capture=True).split())


def _dvc(*arguments: str, capture: bool = False) -> str:
    return run_program("recipes", "dvc", *arguments, capture=capture)


if __name__ == "__main__":
    run_command(main, interrupted="the recipes stopped; the workspace is unchanged")
