"""Write the trained network for other programs: `python -m tools.export [--output FOLDER]`.

`model.safetensors` has the weights under their original names. Its metadata has the key `network`
with JSON: `architecture` and `options` to build the network, `class_names`, `image_size`, and
`mean` and `std` of each channel, on the scale [0, 1], to standardise images; `pixel_range` has the
values that become 0 and 255 in images of more than 8 bits, null for 0 and 65,535; `labels` is
`multiple` if each class has a probability of its own, the sigmoid of its logit.
`model.onnx` is the whole network: from `images`, raw pixels (n, c, h, w) in uint8, to `logits`
(n, k), for any n. onnxruntime's outputs are compared with the network's before it is written.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import nn

from stages.artifacts.splits import DatasetInfo
from stages.base.errors.user import UserError
from stages.base.files.atomic import new_file
from stages.networks.build import as_published
from stages.networks.checkpoint import Checkpoint, load_checkpoint
from stages.training.initial.network import first_layer
from tools.command import run_command

INSTALL = "python -m pip install --constraint constraints.txt --editable '.[onnx]'"
TOLERANCE = 1e-4  # of the largest logit; other kernels add in another order
N_CHECKED = 3  # images; another number than the exporter uses


def main(arguments: Sequence[str]) -> None:
    """Load, convert, check, write."""
    parser = argparse.ArgumentParser(prog="python -m tools.export", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("export"), metavar="FOLDER")
    folder = parser.parse_args(arguments).output
    try:
        checkpoint = load_checkpoint(torch.device("cpu"))
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file; run dvc repro train first") from None
    onnx = to_onnx(checkpoint.network, checkpoint.info)
    difference = require_same(onnx, checkpoint.network, checkpoint.info)
    with new_file(folder / "model.safetensors") as file:
        weights = as_published(checkpoint.network).state_dict()
        contiguous = {name: tensor.contiguous().clone() for name, tensor in weights.items()}
        file.write_bytes(save(contiguous, {"network": describe(checkpoint)}))
    with new_file(folder / "model.onnx") as file:
        file.write_bytes(onnx)
    print(f"{folder}/model.safetensors: {len(weights)} entries")
    print(f"{folder}/model.onnx: same logits to within {difference:.1g} of the largest")


def describe(checkpoint: Checkpoint) -> str:
    """Everything needed to use the weights elsewhere, as JSON."""
    statistics = first_layer(checkpoint.parameters["model"]["standardize"], checkpoint.info)
    content = {
        "architecture": checkpoint.architecture,
        "options": checkpoint.options,
        "class_names": checkpoint.info.class_names,
        **({"labels": "multiple"} if checkpoint.info.multiple else {}),
        "image_size": checkpoint.info.image_size,
        "pixel_range": checkpoint.info.pixel_range,
        **statistics._asdict(),
    }
    return json.dumps(content, sort_keys=True, ensure_ascii=False)


def to_onnx(network: nn.Module, info: DatasetInfo) -> bytes:
    """The network as an ONNX model, without paths of this machine.

    Raises:
        UserError: The packages are missing, or PyTorch cannot convert the network.
    """
    try:
        import onnxscript  # noqa: F401, torch.onnx needs it
    except ModuleNotFoundError as error:
        raise UserError(f"export: {error}; install what ONNX needs with {INSTALL}") from None
    images = torch.zeros(2, info.channels, *info.image_size, dtype=torch.uint8)
    try:
        program = torch.onnx.export(
            network,
            (images,),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:
        raise UserError(f"export: PyTorch cannot convert this network to ONNX: {error}") from error
    assert program is not None
    model = program.model_proto
    for node in [*model.graph.node, *(node for f in model.functions for node in f.node)]:
        del node.metadata_props[:]
    serialised: bytes = model.SerializeToString(deterministic=True)
    return serialised


def require_same(onnx: bytes, network: nn.Module, info: DatasetInfo) -> float:
    """Largest error of onnxruntime's logits, relative to the network's largest logit.

    Raises:
        UserError: onnxruntime is missing, or the difference is larger than `TOLERANCE`.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        raise UserError(f"export: {error}; install what ONNX needs with {INSTALL}") from None
    shape = (N_CHECKED, info.channels, *info.image_size)
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    (exported,) = session.run(None, {"images": images})
    with torch.no_grad():
        expected: NDArray[np.float32] = network(torch.from_numpy(images)).numpy()
    difference = float(np.abs(exported - expected).max() / np.abs(expected).max())
    if not difference <= TOLERANCE:
        raise UserError(
            f"export: onnxruntime's logits differ by {difference:.2g} of the largest, more than "
            f"{TOLERANCE:g}; nothing was written. Try another model.architecture, or another "
            "version of PyTorch"
        )
    return difference


if __name__ == "__main__":
    run_command(main)
