"""A network in an ONNX file, as PyTorch, tf2onnx and others export it: `weights: mine.onnx`.

Each operator is one function of PyTorch, see `base/onnx_operators.py`; shapes and whole numbers
stay in NumPy. Training is without dropout, and batch norm's statistics stay as they are.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from stages.architectures.base import library
from stages.architectures.base.layout import Layout, layout_for
from stages.architectures.base.onnx_operators import NUMBERS_BEHIND_FIRST, OPERATORS
from stages.base.errors.user import UserError, shortened

try:
    import onnx
    import onnx.inliner
    from onnx.reference import ReferenceEvaluator
except ModuleNotFoundError as error:
    raise library.missing_extra("onnx", error) from error

LIBRARY = "onnx"
FILE_SUFFIX = ".onnx"
_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)


@dataclass(frozen=True)
class _Step:
    """A node that runs for each batch: on tensors, or on the numbers of shapes.

    Attributes:
        kind: The operator.
        inputs: Names; "" for an omitted one.
        outputs: Names.
        function: Maps a list of values, None for an omitted one, to the outputs.
        n_tensors: Number of inputs that are tensors if they are floats; all others stay in NumPy.
    """

    kind: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    function: Callable[[list[Any]], Sequence[Any]]
    n_tensors: int


class OnnxNetwork(nn.Module):
    """A graph as a PyTorch module, computed in float32.

    Float arrays are parameters, except for single numbers and batch norm's statistics.

    Args:
        model: From `onnx.load`; its operators are in `OPERATORS`.
        layout: How the input takes images.
    """

    def __init__(self, model: Any, layout: Layout) -> None:
        super().__init__()
        graph = model.graph
        self._layout = layout
        self._input, self._output = _input_of(graph).name, _logits_of(graph)
        self._for_one_image = _input_of(graph).type.tensor_type.shape.dim[0].dim_value == 1
        self._arrays = {
            array.name: onnx.numpy_helper.to_array(array) for array in graph.initializer
        }
        self._tensors: dict[str, str] = {}
        self._steps: list[_Step] = []
        versions = _versions(model)
        for node, on_images in _needed(graph, self._input, self._output):
            step = _tensor_step(node, versions[""]) if on_images else _shape_step(node, versions)
            if all(name in self._arrays for name in node.input if name):
                results = step.function([self._arrays.get(name) for name in node.input])
                self._arrays.update(zip(node.output, results, strict=True))
            else:
                self._steps.append(step)
                self._register(step)
        self._arrays = {
            name: array
            for name, array in self._arrays.items()
            if name not in self._tensors or array.size == 1
        }

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, c, h, w) to logits (n, k)."""
        values: dict[str, Any] = {**self._arrays, self._input: self._layout.arrange(images)}
        tensors = {**self._parameters, **self._buffers}
        for step in self._steps:
            inputs: list[Any] = [values.get(name) for name in step.inputs]
            for position, name in enumerate(step.inputs[: step.n_tensors]):
                if name in self._tensors:
                    inputs[position] = tensors[self._tensors[name]]
                elif _is_float_array(inputs[position]):
                    inputs[position] = torch.tensor(inputs[position].astype("f4")).to(images.device)
            if step.kind == "Reshape" and self._for_one_image:
                inputs[1] = _for_images(inputs[0], inputs[1], len(images))
            values.update(zip(step.outputs, step.function(inputs), strict=False))
        logits: Tensor = values[self._output]
        return logits

    def _register(self, step: _Step) -> None:
        """Make the constant float inputs of a step parameters or buffers."""
        for position, name in enumerate(step.inputs[: step.n_tensors]):
            array = self._arrays.get(name)
            if name in self._tensors or not _is_float_array(array):
                continue
            self._tensors[name] = name.replace(".", "/")  # a parameter's name has no dots
            tensor = torch.tensor(array.astype("f4"))
            if array.ndim == 0 or (step.kind == "BatchNormalization" and position > 2):
                self.register_buffer(self._tensors[name], tensor)
            else:
                self.register_parameter(self._tensors[name], nn.Parameter(tensor))


def build(channels: int, image_size: tuple[int, int], n_classes: int, file: Path) -> nn.Module:
    """Read the network.

    Args:
        channels: 1 for grey images, 3 for colour.
        image_size: Height and width in pixels.
        n_classes: Number of outputs; `build_network` checks it.
        file: In ONNX's format, with its weights inside.

    Returns:
        Maps standardised images (n, channels, height, width) to logits (n, n_classes), without the
        softmax or sigmoid at the end.

    Raises:
        UserError: The file is damaged, or holds a network that is no classifier of such images or
            that has operators which this reader lacks.
    """
    model = _loaded(file)
    _require_operators(model, file)
    batch, *accepted = (
        axis.dim_value or None for axis in _input_of(model.graph).type.tensor_type.shape.dim
    )
    layout = layout_for(accepted, channels, image_size, file)
    network = OnnxNetwork(model, layout)
    if batch is not None:
        _require_independent_images(network, (layout.channels, *image_size), file)
    return library.for_channels(channels, network) if layout.channels == 3 else network


def _loaded(file: Path) -> Any:
    """The model, checked, with local functions written out."""
    try:
        model = onnx.load(file, load_external_data=False)
        arrays = [*model.graph.initializer, *(a.t for n in model.graph.node for a in n.attribute)]
        if any(array.data_location == onnx.TensorProto.EXTERNAL for array in arrays):
            raise UserError(
                f"{file}: keeps weights in other files, which DVC would not track; write them into "
                f"it: python -c \"import onnx; onnx.save(onnx.load('{file}'), '{file}')\""
            )
        onnx.checker.check_model(model)
        model = onnx.inliner.inline_local_functions(model)
    except (UserError, MemoryError, OSError):
        raise
    except Exception as error:  # protobuf and the checker have exceptions of their own
        reason = shortened(" ".join(str(error).split()))
        raise UserError(
            f"{file}: not an ONNX file, or damaged: {reason}; export it again"
        ) from None
    inputs, outputs = _inputs_of(model.graph), _float_outputs_of(model.graph)
    if len(inputs) != 1 or not outputs:
        raise UserError(
            f"{file}: has {len(inputs)} inputs and {len(outputs)} outputs of floats, expected one "
            "input and at least one such output; export a network from images to classes"
        )
    return model


def _versions(model: Any) -> dict[str, int]:
    """The version of each domain of operators; "" is ONNX's own."""
    found = {entry.domain.removeprefix("ai.onnx"): entry.version for entry in model.opset_import}
    return {"": 1, **found}


def _inputs_of(graph: Any) -> list[Any]:
    weights = {array.name for array in graph.initializer}
    return [entry for entry in graph.input if entry.name not in weights]


def _input_of(graph: Any) -> Any:
    return _inputs_of(graph)[0]


def _float_outputs_of(graph: Any) -> list[Any]:
    return [entry for entry in graph.output if entry.type.tensor_type.elem_type in _FLOATS]


def _logits_of(graph: Any) -> str:
    """The first output, or what a softmax or sigmoid at the end reads."""
    name = str(_float_outputs_of(graph)[0].name)
    producers = {output: node for node in graph.node for output in node.output}
    while name in producers and producers[name].op_type in ("Identity", "Sigmoid", "Softmax"):
        last = producers[name]
        name = str(last.input[0])
        if last.op_type != "Identity":
            break
    return name


def _needed(graph: Any, source: str, sink: str) -> list[tuple[Any, bool]]:
    """The nodes that an output depends on, in order, and whether each reads an image's values."""
    wanted, needed = {sink}, []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            needed.append(node)
            wanted.update(node.input)
    on_images, found = {source}, []
    for node in reversed(needed):
        reads = node.op_type not in ("Shape", "Size") and bool(on_images.intersection(node.input))
        reads = reads or any(entry.HasField("g") for entry in node.attribute)  # a nested graph
        on_images.update(node.output if reads else ())
        found.append((node, reads))
    return found


def _require_operators(model: Any, file: Path) -> None:
    """Name all operators and attributes without a function."""
    graph, lacking = model.graph, set()
    version = _versions(model)[""]
    for node, on_images in _needed(graph, _input_of(graph).name, _logits_of(graph)):
        known = node.domain in ("", "ai.onnx") and node.op_type in OPERATORS
        if on_images and not known:
            lacking.add(".".join(filter(None, (node.domain, node.op_type))))
        elif on_images:
            lacking.update(_unknown_attributes(node, version))
    if lacking:
        raise UserError(
            f"{file}: has operators that this reader lacks: {', '.join(sorted(lacking))}; export "
            "the network without them, or write it in PyTorch (stages/architectures/<name>.py)"
        )


def _unknown_attributes(node: Any, version: int) -> list[str]:
    try:
        parameters = inspect.signature(OPERATORS[node.op_type]).parameters
    except ValueError:  # a function of PyTorch's own, of an operator without attributes
        return []
    return [f"{node.op_type} ({n})" for n in _attributes(node, version) if n not in parameters]


def _attributes(node: Any, version: int) -> dict[str, Any]:
    """By name, with the defaults of the operator's version."""
    values = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    found = {k: v.decode() if isinstance(v, bytes) else v for k, v in values.items()}
    if node.op_type == "Split":
        found.setdefault("num_outputs", len(node.output))
    if node.op_type == "Softmax" and version < 13:
        found = {"axis": 1, "flatten": True, **found}
    return found


def _tensor_step(node: Any, version: int) -> _Step:
    attributes, operator = _attributes(node, version), OPERATORS[node.op_type]

    def run(inputs: list[Any]) -> Sequence[Any]:
        outputs = operator(*inputs, **attributes)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    n_tensors = 1 if node.op_type in NUMBERS_BEHIND_FIRST else len(node.input)
    return _Step(node.op_type, list(node.input), list(node.output), run, n_tensors)


def _shape_step(node: Any, versions: dict[str, int]) -> _Step:
    evaluator = ReferenceEvaluator(node, opsets=versions)

    def run(inputs: list[Any]) -> Sequence[Any]:
        if isinstance(inputs[0] if inputs else None, Tensor):  # Shape or Size
            inputs = [np.broadcast_to(np.float32(0), tuple(inputs[0].shape))]
        named = zip(node.input, inputs, strict=True)
        return list(evaluator.run(None, {n: v for n, v in named if n}))

    return _Step(node.op_type, list(node.input), list(node.output), run, 0)


def _is_float_array(value: Any) -> TypeGuard[NDArray[Any]]:
    return isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f"


def _for_images(x: Tensor, shape: NDArray[np.int64], n_images: int) -> NDArray[np.int64]:
    """The shape for several images, from one that was written for one image."""
    sides = [
        side or x.shape[axis] // (n_images if axis == 0 else 1) for axis, side in enumerate(shape)
    ]
    if -1 in sides:
        sides[sides.index(-1)] = x.numel() // n_images // -int(np.prod(sides))
    return np.array([sides[0] * n_images, *sides[1:]])


def _require_independent_images(
    network: OnnxNetwork, shape: tuple[int, int, int], file: Path
) -> None:
    """Check that a network which was exported for one image computes the same for several."""
    images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(0))
    problem = ""
    try:
        together, alone = network(images), torch.cat([network(image[None]) for image in images])
        if not torch.allclose(together, alone, rtol=1e-3, atol=1e-4 * float(alone.abs().max())):
            problem = "images of a batch influence each other"
    except (RuntimeError, IndexError, ValueError) as error:
        problem = str(error)
    if problem:
        raise UserError(
            f"{file}: was exported for a batch of fixed size, and does not work for another "
            f"({shortened(problem)}); export it with a batch axis of any length (dynamic_shapes)"
        )
