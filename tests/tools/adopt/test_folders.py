"""Networks of transformers and timm, read from folders that the libraries wrote."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from stages.base.errors.user import UserError
from tests.architectures.test_libraries import check
from tests.conftest import Project
from tests.tools.adopt.published import MEAN, SIDE_PX, STD, edit, publish, publish_timm, truncate
from tools.adopt.head import choose_head
from tools.adopt.pretrained import Input
from tools.adopt.recipe import make_recipe
from tools.adopt.sources import load_pretrained

DIGITS = tuple("0123456789")


def test_weights_keep_their_authors_names(tmp_path: Path) -> None:
    folder = publish(tmp_path, "resnet")
    with safe_open(folder / "model.safetensors", "pt") as published:
        assert load_pretrained(str(folder)).entries.keys() == set(published.keys())


def test_files_of_older_versions(tmp_path: Path) -> None:
    """Entries that were added since are missing; others are no longer known."""
    folder = publish(tmp_path / "resnet", "resnet")
    new = json.loads((folder / "config.json").read_text())
    stages = {"stage_names": ["stem", "stage1", "stage2"], "out_features": None}
    edit(folder / "config.json", dtype=None, torch_dtype="float32", path_norm=True, **stages)
    processor = {"feature_extractor_type": "ConvNextFeatureExtractor", "crop_pct": 0.875}
    statistics = {"image_mean": MEAN, "image_std": STD, "do_normalize": True}
    sizes = {"size": SIDE_PX, "do_resize": True, "resample": 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor | statistics | sizes))
    pretrained = load_pretrained(str(folder))
    assert "path_norm" not in pretrained.options
    assert pretrained.options["depths"] == new["depths"]
    assert pretrained.input == Input(MEAN, STD, (SIDE_PX, SIDE_PX))
    head = choose_head(pretrained, DIGITS, can_reorder=False)
    assert make_recipe(pretrained, "own", head, DIGITS, epochs=3)["train"] == {"epochs": 0}
    check("transformers", dict(pretrained.options))


def test_a_network_for_grey_images(tmp_path: Path) -> None:
    folder = publish(tmp_path, "vit", num_channels=1)
    size = {"height": SIDE_PX, "width": SIDE_PX}
    processor = transformers.ViTImageProcessor(size=size, image_mean=[0.1307], image_std=[0.3081])
    processor.save_pretrained(folder)
    pretrained = load_pretrained(str(folder))
    assert pretrained.input == Input([0.1307], [0.3081], (SIDE_PX, SIDE_PX), channels=1)
    head = choose_head(pretrained, DIGITS, can_reorder=False)
    recipe = make_recipe(pretrained, "own", head, DIGITS, epochs=3)
    assert recipe["preprocess"] == {"image_size": SIDE_PX, "color": "grey"}


def only_a_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def change(name: str, **changes: Any) -> Callable[[Path], None]:
    return lambda folder: edit(folder / name, **changes)


BAD = {
    "truncated": (truncate, r"model\.safetensors: not a \.safetensors file, or damaged: .*; downl"),
    "no config": (remove("config.json"), r"config\.json: no such file; the folder needs config"),
    "no weights": (remove("model.safetensors"), r"model\.safetensors: no such file; the folder"),
    "no processor": (remove("preprocessor_config.json"), r"preprocessor_config\.json: no such fil"),
    "a pickle": (only_a_pickle, r"pytorch_model\.bin: a pickle, which can run code, .*\npython -c"),
    "no JSON": (lambda f: (f / "config.json").write_text("{"), r"config\.json: not JSON: Expect"),
    "no object": (lambda f: (f / "config.json").write_text("[]"), r"must be a JSON object \(got l"),
    "other library": (
        change("config.json", model_type=None, keras_version="3"),
        r"config\.json: has neither model_type, as those of transformers, nor architecture, as",
    ),
    "other task": (
        change("config.json", model_type="bert"),
        r"model_type bert is none of the \d+ that transformers \S+ has for classifying images",
    ),
    "remote code": (
        change("config.json", auto_map={"AutoModelForImageClassification": "own.Own"}),
        r"config\.json: names code of its authors \(auto_map\), which is never run; if",
    ),
    "other weights": (
        change("config.json", hidden_sizes=[8, 24]),
        r"the weights are not those of its config\.json: \d+ entries are missing or differ in sha",
    ),
    "wrong value": (
        change("config.json", depths="deep"),
        r"transformers \S+ cannot load it: .*Error: .*depths.*; download it again, or choose",
    ),
    "bad processor": (
        change("preprocessor_config.json", image_processor_type="Own"),
        r"preprocessor_config\.json: transformers \S+ cannot load it: ValueError: ",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_folders(tmp_path: Path, case: str) -> None:
    damage, message = BAD[case]
    folder = publish(tmp_path, "resnet")
    damage(folder)
    with pytest.raises(UserError, match=rf"(?s){message}"):
        load_pretrained(str(folder))


def test_the_conversion_of_a_pickle_can_be_adopted(tmp_path: Path, fresh_project: Project) -> None:
    folder = publish(tmp_path / "hub", "resnet")
    expected = load_pretrained(str(folder)).entries
    torch.save(dict(expected), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError) as caught:
        load_pretrained(str(folder))
    command = str(caught.value).splitlines()[-1]
    fresh_project.succeed("bash", "-c", command)
    converted = load_pretrained(str(folder)).entries
    assert all(torch.equal(expected[name], converted[name]) for name in expected)


def test_a_network_of_timm_from_its_folder(tmp_path: Path) -> None:
    folder = publish_timm(tmp_path / "hub")
    pretrained = load_pretrained(str(folder))
    assert pretrained.options == {"name": "test_resnet", "global_pool": "max"}
    head = choose_head(pretrained, DIGITS, can_reorder=False)
    recipe = make_recipe(pretrained, "own", head, DIGITS, epochs=3)
    assert recipe["train"] == {"epochs": 0}
    standard = timm.get_pretrained_cfg("test_resnet")
    statistics = {"mean": list(standard.mean), "std": list(standard.std)}
    assert recipe["model"]["standardize"] == statistics
    assert recipe["preprocess"]["image_size"] == standard.input_size[1]


def test_a_network_without_a_head(tmp_path: Path) -> None:
    folder = publish(tmp_path, "vit")
    entries = load_file(folder / "model.safetensors")
    body = {name: entry for name, entry in entries.items() if not name.startswith("classifier.")}
    save_file(body, folder / "model.safetensors", {"format": "pt"})
    pretrained = load_pretrained(str(folder))
    assert pretrained.fresh == ["classifier.bias", "classifier.weight"]
    head = choose_head(pretrained, DIGITS, can_reorder=False)
    assert head.note == "has none; a new one for 10 classes is trained"
    recipe = make_recipe(pretrained, "own", head, DIGITS, epochs=2)
    assert recipe["model"]["skip_weights"] == ["classifier.bias", "classifier.weight"]
    assert recipe["train"] == {"epochs": 2}
