"""ONNX files that are damaged, hostile, or no classifier of such images."""

import os
import pickle
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from stages.base.errors.user import UserError
from tests.architectures.onnx_models import linear, model_of, network_from, random, saved


class Hostile:
    def __reduce__(self) -> Any:

        return os.system, ("touch ran",)


def another_domain() -> Any:
    model = linear(helper.make_node("Own", ["logits"], ["y"], domain="com.example"))
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    return model


def two_inputs() -> Any:
    model = linear()
    model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n"]))
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: linear(helper.make_node("Hardmax", ["logits"], ["h"]),
                        helper.make_node("CumSum", ["h", "w"], ["y"])),
         "has operators that this reader lacks: CumSum, Hardmax; export the network without them"),
        (another_domain,
         "has operators that this reader lacks: com.example.Own"),
        (lambda: linear(helper.make_node("Elu", ["logits"], ["y"], other=1)),
         "not an ONNX file, or damaged: .*other"),
        (lambda: linear(n_classes=7), r"shape \(1, 7\), expected shape \(1, 10\), one logit per "
         "class; choose another model.weights"),
        (lambda: model_of([helper.make_node("Flatten", ["x"], ["y"])], [],
                          ["n", 1, 9, 9], ["n", 81]),
         r"takes images of 1×9×9, got 32×32 pixels with 3 channels; set preprocess"),
        (two_inputs, "has 2 inputs and 1 outputs of floats, expected one input"),
    ],
)  # fmt: skip
def test_networks_that_cannot_be_read(model: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"own.onnx: .*{message}"):
        network_from(saved(model(), tmp_path))


@pytest.mark.parametrize("location", ["own.onnx.data", "../own.data"])
def test_weights_outside_the_file_are_refused(location: str, here: Path) -> None:
    model = linear()
    model.graph.node.pop(0)
    model.graph.initializer.append(numpy_helper.from_array(random(3072, 10), "w"))
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], location)
    model.graph.initializer[0].ClearField("raw_data")
    file = Path("own.onnx")
    file.write_bytes(model.SerializeToString())
    message = r"^own.onnx: keeps weights in other files, .*: (python -c \"[^\"]*\")$"
    with pytest.raises(UserError, match=message):
        network_from(file)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        pickle.dumps(Hostile()),
        b"PK\x03\x04" + bytes(100),
        linear().SerializeToString()[:-2000],
        linear().SerializeToString()[:50_000],
        linear().SerializeToString().replace(b"Gemm", b"Germ"),
    ],
)
def test_bad_files_are_refused_and_nothing_in_them_runs(content: bytes, here: Path) -> None:
    Path("own.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"^own.onnx: not an ONNX file, or damaged"):
        network_from(Path("own.onnx"))
    assert not Path("ran").exists()


def test_a_shape_larger_than_its_data_is_refused(here: Path) -> None:
    model = linear()
    model.graph.node[0].attribute[0].t.dims[0] = 10**12
    Path("own.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match=r"^own.onnx: "):
        network_from(Path("own.onnx"))
