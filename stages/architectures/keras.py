"""A network that Keras 3 saved, with its weights: `weights: mine.keras`.

It runs on PyTorch; TensorFlow is not needed.
"""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stages.architectures.base import library
from stages.architectures.base.layout import Layout, layout_for
from stages.base.errors.user import UserError, shortened

os.environ["KERAS_BACKEND"] = "torch"  # goes before ~/.keras/keras.json
try:
    import keras
except ModuleNotFoundError as error:
    raise library.missing_extra("keras", error) from error

LIBRARY = "keras"
FILE_SUFFIX = ".keras"
_MOST_UNPACKED = 10  # times the size of the file; Keras does not compress
_SEED = "seed_generator_state"  # of dropout and other random layers

if keras.config.backend() != "torch":
    raise UserError(
        f"keras: was imported with the backend {keras.config.backend()}; set KERAS_BACKEND=torch "
        "before importing it"
    )


class KerasNetwork(nn.Module):
    """A Keras network as a PyTorch module that owns its weights.

    Trainable variables are parameters, all others (moving averages, seeds) are buffers. The mode of
    this module decides whether Keras trains. Keras computes in float32 whatever the input.

    Args:
        model: From Keras; with one input.
        layout: How the input takes images.
    """

    def __init__(self, model: Any, layout: Layout) -> None:
        super().__init__()
        self._layout = layout
        # A function, which copies of this module share: the model behind it keeps no state.
        self._call: Callable[..., Any] = lambda *values, **options: model.stateless_call(
            *values, **options
        )
        self._layers: Callable[[], list[Any]] = lambda: model.layers
        self._inner_layers: Callable[[], list[Any]] = lambda: model._flatten_layers()
        names = _names(model.variables)
        for variable in model.trainable_variables:
            self.register_parameter(names[id(variable)], nn.Parameter(variable.value.detach()))
        for variable in model.non_trainable_variables:
            value = variable.value.detach()
            if variable.name == _SEED:  # Keras draws another in each process
                value = torch.cat(
                    [torch.randint(2**31, (1,)), torch.zeros(1, dtype=torch.int64)]
                ).to(value)
            self.register_buffer(names[id(variable)], value)

    @property
    def layers(self) -> list[Any]:
        """The layers of Keras, by which the engine names places."""
        return self._layers()

    def share_batch_norm(self, moments: Callable[..., tuple[Tensor, ...]]) -> None:
        """Have batch norm in training use the statistics of the images of all ranks.

        Args:
            moments: Maps this rank's features and the axes to reduce to mean, variance, and more.
        """
        for layer in self._inner_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                axes = layer._reduction_axes
                layer._moments = lambda inputs, _, axes=axes: moments(inputs, axes)[:2]

    def forward(self, images: Tensor) -> Tensor:
        """Map (n, c, h, w) to logits (n, k)."""
        arranged = self._layout.arrange(images)
        # Not of the layers, which the engine registers while it reads the network.
        parameters, buffers = list(self.parameters(False)), list(self.buffers(False))
        logits: Tensor
        with keras.device(str(images.device)):  # where its constants go
            logits, updates = self._call(parameters, buffers, arranged, training=self.training)
        if self.training:
            with torch.no_grad():
                for buffer, update in zip(buffers, updates, strict=True):
                    buffer.copy_(update)
        return logits


def build(channels: int, image_size: tuple[int, int], n_classes: int, file: Path) -> nn.Module:
    """Read the network.

    Args:
        channels: 1 for grey images, 3 for colour.
        image_size: Height and width in pixels.
        n_classes: Number of outputs; `build_network` checks it.
        file: What Keras saved.

    Returns:
        Maps standardised images (n, channels, height, width) to logits (n, n_classes), without the
        softmax or sigmoid at the end.

    Raises:
        UserError: The file is damaged, contains code, or holds a network that is no classifier of
            such images.
    """
    with keras.device("cpu"):
        model = _loaded(file)
        _compute_in_float32(model, file)
        _remove_final_activation(model)
        layout = layout_for(model.inputs[0].shape[1:], channels, image_size, file)
        network = KerasNetwork(model, layout)
    return library.for_channels(channels, network) if layout.channels == 3 else network


def _loaded(file: Path) -> Any:
    """The model, if it has one input and one output, and nothing in the file is code."""
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise UserError(f"{file}: not a .keras file, or damaged: {error}; save it again") from None
    size = file.stat().st_size
    if unpacked > _MOST_UNPACKED * size:
        raise UserError(
            f"{file}: unpacks to {unpacked:,} bytes, more than {_MOST_UNPACKED} times its size of "
            f"{size:,}; Keras writes no such file: save it again with model.save('{file.name}')"
        )
    try:
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:  # Keras raises whatever the content of the file leads to
        reason = shortened(" ".join(str(error).split()))
        raise UserError(
            f"{file}: Keras cannot load it: {type(error).__name__}: {reason}; code in a file "
            "(Lambda layers, classes of your own) is never run: use layers of Keras, and save the "
            "model again"
        ) from None
    inputs, outputs = getattr(model, "inputs", None) or [], getattr(model, "outputs", None) or []
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(
            f"{file}: has {len(inputs)} inputs and {len(outputs)} outputs, expected one of each: "
            "save a keras.Model or keras.Sequential from images to classes"
        )
    return model


def _compute_in_float32(model: Any, file: Path) -> None:
    """Turn layers of mixed precision, whose weights are float32, into layers of float32."""
    layers = list(model._flatten_layers())
    policies = {layer.dtype_policy.name for layer in layers}
    others = sorted(policies - {"float32", "mixed_float16", "mixed_bfloat16"})
    if others or model.inputs[0].dtype != "float32":
        wrong = ", ".join(others) or f"{model.inputs[0].dtype} for its input"
        raise UserError(
            f"{file}: computes in {wrong}, expected float32; build the model again with "
            "keras.config.set_dtype_policy('float32'), then load its weights"
        )
    if policies != {"float32"}:
        print(f"{file}: is computed in float32 instead of mixed precision")
        for layer in layers:
            layer.dtype_policy = "float32"


def _remove_final_activation(model: Any) -> None:
    """Have the model return logits instead of probabilities."""
    last = model
    while hasattr(last, "outputs"):
        last = last.outputs[0]._keras_history.operation
    if getattr(last, "activation", None) in (keras.activations.softmax, keras.activations.sigmoid):
        last.activation = keras.activations.linear
    elif type(last).__name__ in ("Softmax", "Sigmoid"):  # a layer or an operation
        last.call = lambda inputs, **_: inputs


def _names(variables: list[Any]) -> dict[int, str]:
    """A name for each variable: its layer and its role; Keras numbers seeds by process."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for variable in variables:
        path = variable.path
        if variable.name == _SEED:
            path = variable.name
        name, number = path, 2
        while name in taken:
            name, number = f"{path}_{number}", number + 1
        taken.add(name)
        names[id(variable)] = name
    return names
