"""ONNX models made node by node, and how tests read them."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from stages.networks.build import Classifier, Statistics, build_network
from tests.factory import dataset_info


def random(*shape: int) -> Any:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def whole(*numbers: int) -> Any:
    return np.array(numbers, dtype=np.int64)


def model_of(
    nodes: list[Any],
    arrays: list[Any],
    shape: list[Any],
    outputs: list[Any] | None,
    opset: int = 21,
) -> Any:
    """A model with input x and output y."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, outputs)],
        arrays,
    )
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def constant(name: str, value: Any) -> Any:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value, name))


def linear(*last: Any, opset: int = 21, n_classes: int = 10) -> Any:
    """Flatten and Gemm, with weights as Constant nodes; `last` reads `logits` and writes `y`."""
    nodes = [
        *(constant("w", random(3072, n_classes)), constant("b", random(n_classes))),
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"]),
        *(last or [helper.make_node("Identity", ["logits"], ["y"])]),
    ]
    return model_of(nodes, [], ["n", 3, 32, 32], ["n", n_classes], opset)


def saved(model: Any, folder: Path) -> Path:
    onnx.save(model, folder / "own.onnx")
    return folder / "own.onnx"


def network_from(file: Path, n_classes: int = 10, **info: Any) -> Classifier:
    about = dataset_info(
        [str(label) for label in range(n_classes)], **{"size": (32, 32), "channels": 3, **info}
    )
    statistics = Statistics((0.0,) * about.channels, (1 / 255,) * about.channels)
    return build_network("onnx", about, {}, statistics, file).eval()
