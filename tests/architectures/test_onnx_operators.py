"""Each operator of an ONNX file, against onnxruntime."""

from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper

from stages.architectures.base.layout import Layout
from stages.architectures.onnx import OnnxNetwork
from tests.architectures.onnx_models import model_of, random, whole

# Each operator alone: attributes, weights, and the shape of the images it takes.
Case = tuple[str, dict[str, Any], list[Any]]
POOL = {"kernel_shape": [3, 3], "strides": [2, 2]}
PLAIN = (
    *("Abs", "Celu", "Cos", "Elu", "Erf", "Exp", "Gelu", "HardSwish", "Identity", "LeakyRelu"),
    *("Mish", "Neg", "Relu", "Selu", "Sigmoid", "Sin", "Softplus", "Softsign", "Tanh"),
)
CASES: list[Case] = [
    *((kind, {}, []) for kind in PLAIN),
    ("HardSigmoid", {"alpha": 0.3, "beta": 0.4}, []),
    ("Elu", {"alpha": 0.7}, []),
    ("Gelu", {"approximate": "tanh"}, []),
    ("PRelu", {}, [random(3, 1, 1)]),
    ("Clip", {}, [np.float32(-0.2), np.float32(0.7)]),
    ("Clip", {}, [None, np.float32(0.7)]),
    ("Pow", {}, [np.float32(2)]),
    *((kind, {}, [random(3, 1, 1)]) for kind in ("Add", "Sub", "Mul", "Max", "Min")),
    ("Div", {}, [np.abs(random(3, 1, 1)) + 1]),
    ("Sum", {}, [random(1), random(3, 1, 1)]),
    ("Conv", {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, [random(4, 3, 3, 3), random(4)]),
    ("Conv", {"auto_pad": "SAME_LOWER", "strides": [2, 2]}, [random(4, 3, 2, 2)]),
    ("Conv", {"pads": [0, 1, 2, 1], "dilations": [2, 1]}, [random(4, 3, 3, 3)]),
    ("Conv", {"group": 3, "auto_pad": "VALID"}, [random(6, 1, 3, 3)]),
    ("ConvTranspose", {"strides": [2, 2], "pads": [1, 0, 0, 1]}, [random(3, 2, 3, 3), random(2)]),
    ("ConvTranspose", {"strides": [2, 2], "output_padding": [1, 1]}, [random(3, 2, 3, 3)]),
    ("MaxPool", {**POOL, "auto_pad": "SAME_UPPER"}, []),
    ("MaxPool", {**POOL, "pads": [1, 1, 0, 0]}, []),
    ("MaxPool", {**POOL, "ceil_mode": 1, "pads": [1, 1, 1, 1]}, []),
    ("MaxPool", {**POOL, "dilations": [2, 2]}, []),
    ("AveragePool", {**POOL, "auto_pad": "SAME_UPPER"}, []),
    ("AveragePool", {**POOL, "pads": [1, 0, 0, 0]}, []),
    ("AveragePool", {**POOL, "pads": [1, 0, 0, 0], "count_include_pad": 1}, []),
    ("AveragePool", {**POOL, "ceil_mode": 1, "pads": [1, 1, 1, 1]}, []),
    ("GlobalAveragePool", {}, []),
    ("GlobalMaxPool", {}, []),
    ("BatchNormalization", {"epsilon": 1e-3}, [*(random(3),) * 3, np.abs(random(3))]),
    ("InstanceNormalization", {}, [random(3), random(3)]),
    ("LayerNormalization", {"axis": 2}, [random(8, 6), random(8, 6)]),
    ("GroupNormalization", {"num_groups": 3}, [random(3), random(3)]),
    ("LRN", {"size": 3, "alpha": 0.1, "bias": 2.0}, []),
    ("LpNormalization", {"axis": 1}, []),
    ("Softmax", {"axis": 1}, []),
    ("LogSoftmax", {"axis": 1}, []),
    ("Flatten", {"axis": 2}, []),
    ("Reshape", {}, [whole(0, -1, 4)]),
    ("Transpose", {"perm": [0, 2, 3, 1]}, []),
    ("Slice", {}, [whole(1, -1), whole(7, -99), whole(2, 3), whole(2, -2)]),
    ("Gather", {"axis": 2}, [whole(1, -1)]),
    ("Gather", {"axis": 1}, [np.int64(2)]),
    ("Gather", {"axis": 2}, [whole(0, 1, 2, 3).reshape(2, 2)]),
    ("Unsqueeze", {}, [whole(1, -1)]),
    ("Expand", {}, [whole(1, 3, 8, 6)]),
    ("Tile", {}, [whole(1, 2, 1, 1)]),
    *(
        ("Pad", {"mode": mode}, [whole(0, 0, 1, 2, 0, 0, 3, 1)])
        for mode in ("constant", "reflect", "edge")
    ),
    ("Pad", {}, [whole(1, 2), np.float32(0.5), whole(2)]),
    ("Resize", {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
     [None, np.array([1, 1, 2, 3], np.float32)]),
    ("Resize", {}, [None, None, whole(2, 3, 16, 12)]),
    ("Resize", {"mode": "linear"}, [None, None, whole(2, 3, 20, 9)]),
    ("Resize", {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
     [None, np.array([1, 1, 2, 2], np.float32)]),
    ("Resize", {"mode": "cubic"}, [None, None, whole(2, 3, 16, 12)]),
    *(
        (f"Reduce{kind}", {"keepdims": 0}, [whole(1, -1)])
        for kind in ["L1", "L2", "LogSumExp", "Max", "Mean", "Min", "Sum", "SumSquare"]
    ),
    ("ReduceMean", {}, [whole(2)]),
    ("Where", {}, []),
    ("CastLike", {}, [random(1)]),
    ("Split", {"axis": 2, "num_outputs": 3}, []),
    ("Einsum", {"equation": "nchw->nhcw"}, []),
]  # fmt: skip


@pytest.mark.parametrize(
    "number", range(len(CASES)), ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)]
)
def test_an_operator_computes_what_onnxruntime_does(number: int) -> None:

    kind, attributes, weights = CASES[number]
    inputs = ["x", *(f"w{i}" if w is not None else "" for i, w in enumerate(weights))]
    arrays = [
        numpy_helper.from_array(np.asarray(w), f"w{i}")
        for i, w in enumerate(weights)
        if w is not None
    ]
    if kind == "Where":
        inputs = ["w0", "x", "w1"]
        arrays = [
            numpy_helper.from_array(random(8, 6) > 0, "w0"),
            numpy_helper.from_array(random(1), "w1"),
        ]
    outputs = ["y", "y1", "y2"] if kind == "Split" else ["y"]
    node = helper.make_node(kind, inputs, outputs, **attributes)
    model = model_of([node], arrays, [2, 3, 8, 6], None, opset=22)
    x = torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(number))
    expected = onnxruntime.InferenceSession(model.SerializeToString()).run(["y"], {"x": x.numpy()})[
        0
    ]
    if kind in ("Sigmoid", "Softmax"):  # left out at the end of a network
        model.graph.node.append(helper.make_node("Neg", ["y"], ["z"]))
        model.graph.output[0].name, expected = "z", -expected
    network = OnnxNetwork(model, Layout((3, 8, 6), 3, channels_last=False))
    with torch.no_grad():
        ours = network(x)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)
