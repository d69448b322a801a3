"""Networks that Keras saved: the same outputs as in Keras, explained and trained, or refused."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from stages.architectures.keras import keras
from stages.base.errors.user import UserError
from stages.explainers import deep
from stages.networks.build import Statistics, build_network
from stages.networks.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from stages.networks.predict import predict
from tests.architectures.keras_models import convnet, network_from, saved
from tests.factory import dataset_info

layers = keras.layers

IMAGES = torch.randint(256, (5, 1, 28, 28), generator=torch.Generator().manual_seed(0)).float()
BACKGROUND = torch.randint(256, (8, 1, 28, 28), generator=torch.Generator().manual_seed(1)).float()
UNSCALED = Statistics((0.0,), (1.0,))  # `standardize: none`: pixels in [0, 1]


def by_keras(model: Any, images: Tensor) -> Any:
    """What Keras predicts for pixels in [0, 1]."""
    return model.predict(images.permute(0, 2, 3, 1).numpy() / 255, verbose=0)


def copied_to_pytorch(model: Any) -> nn.Module:
    """`convnet` written in PyTorch, with the weights of the Keras network."""
    (k1, b1), (k2, b2), (k3, b3) = (
        [torch.from_numpy(array) for array in layer.get_weights()]
        for layer in model.layers
        if layer.get_weights()
    )
    kernel = k3.reshape(5, 5, 64, 10).permute(2, 0, 1, 3).flatten(0, 2)  # channels first
    network = nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(1600, 10)),
    )
    ours = (k1.permute(3, 2, 0, 1), b1, k2.permute(3, 2, 0, 1), b2, kernel.T, b3)
    with torch.no_grad():
        for parameter, values in zip(network.parameters(), ours, strict=True):
            parameter.copy_(values)
    return network.requires_grad_(False).eval()


def attributions(network: nn.Module) -> Any:
    network = network.eval().requires_grad_(False)
    classes = torch.arange(10).expand(len(IMAGES), 10)
    return deep.build(network, BACKGROUND, seed=0)(IMAGES, classes).values


def test_a_keras_network_equals_the_same_network_in_pytorch(tmp_path: Path) -> None:
    model = convnet()
    network = network_from(saved(model, tmp_path)).eval().requires_grad_(False)
    assert sum(tensor.numel() for tensor in network[1].state_dict().values()) == 34_826 + 2
    written = nn.Sequential(network[0], copied_to_pytorch(model)).eval()
    logits = network(IMAGES)
    torch.testing.assert_close(logits, written(IMAGES), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(logits.softmax(1), by_keras(model, IMAGES), atol=1e-6)

    ours, theirs = attributions(network), attributions(written)
    np.testing.assert_allclose(ours, theirs, atol=3e-7 * np.abs(theirs).max(), rtol=0)
    exact = written.double()
    change = exact(IMAGES.double()) - exact(BACKGROUND.double()).mean(0)
    error = np.abs(ours.sum((1, 2, 3), dtype=np.float64) - change.numpy())
    assert (error <= 1e-6 * np.abs(ours).sum((1, 2, 3))).all()


ENDS = {
    "a softmax of the last layer": [layers.Dense(3, activation="softmax")],
    "a softmax layer": [layers.Dense(3), layers.Softmax()],
    "a softmax as an activation layer": [layers.Dense(3), layers.Activation("softmax")],
    "a sigmoid for each class": [layers.Dense(3, activation="sigmoid")],
    "no activation": [layers.Dense(3)],
}


@pytest.mark.parametrize("name", ENDS)
def test_the_last_activation_is_kept_apart(name: str, tmp_path: Path) -> None:
    parts = [type(layer).from_config(layer.get_config()) for layer in ENDS[name]]
    model = keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), *parts])
    network = network_from(saved(model, tmp_path), 3).eval()
    kernel, bias = (torch.from_numpy(array) for array in model.get_weights())
    expected = (IMAGES / 255).flatten(1) @ kernel + bias
    torch.testing.assert_close(network(IMAGES), expected, rtol=1e-5, atol=1e-5)


def test_a_softmax_inside_a_nested_model_or_as_a_function_is_kept_apart(tmp_path: Path) -> None:
    image = keras.Input((28, 28, 1))
    inner = keras.Sequential([keras.Input((784,)), layers.Dense(4, activation="softmax")])
    nested = keras.Model(image, inner(layers.Flatten()(image)))
    function = keras.Model(image, keras.ops.softmax(layers.Dense(4)(layers.Flatten()(image))))
    for model in (nested, function):
        network = network_from(saved(model, tmp_path), 4).eval()
        kernel, bias = (torch.from_numpy(array) for array in model.get_weights())
        expected = (IMAGES / 255).flatten(1) @ kernel + bias
        torch.testing.assert_close(network(IMAGES), expected, rtol=1e-5, atol=1e-5)


def test_one_sigmoid_unit_becomes_two_logits(tmp_path: Path) -> None:
    model = convnet(n_classes=1, last="sigmoid")
    logits = network_from(saved(model, tmp_path), 2).eval()(IMAGES)
    assert not logits[:, 0].any()
    np.testing.assert_allclose(logits[:, 1:].sigmoid().detach(), by_keras(model, IMAGES), atol=1e-6)


def test_pixels_up_to_255_need_a_standardization_of_their_own(tmp_path: Path) -> None:
    """What the guide says about networks that rescale by themselves."""
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(10)]
    )
    about, file = dataset_info(), saved(model, tmp_path)
    network = build_network("keras", about, {}, Statistics((0.0,), (1 / 255,)), file).eval()
    expected = model.predict(IMAGES.permute(0, 2, 3, 1).numpy(), verbose=0)
    np.testing.assert_allclose(network(IMAGES).detach(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        ((None, None, 1), 1),
        ((28, 28), 1),
        ((784,), 1),
        ((28, 28, 3), 1),
        ((28, 28, 3), 3),
        ((2352,), 3),
    ],
)
def test_shapes_in_which_a_network_may_take_images(
    shape: tuple[int | None, ...], channels: int, tmp_path: Path
) -> None:
    keras.utils.set_random_seed(1)
    inner = [layers.GlobalAveragePooling2D()] if None in shape else [layers.Flatten()]
    model = keras.Sequential([keras.Input(shape), *inner, layers.Dense(10)])
    images = torch.randint(256, (4, channels, 28, 28)).float()
    arranged = images.permute(0, 2, 3, 1).numpy() / 255
    if shape == (28, 28, 3):
        arranged = np.broadcast_to(arranged, (4, *shape))
    elif None not in shape:
        arranged = arranged.reshape(4, *shape)
    network = network_from(saved(model, tmp_path), 10, channels).eval()
    expected = model.predict(arranged, verbose=0)
    np.testing.assert_allclose(network(images).detach(), expected, rtol=1e-5, atol=1e-5)


def rich_model() -> Any:
    """Batch norm, both kinds of dropout, a residual sum, separable convolutions."""
    keras.utils.set_random_seed(0)
    image = keras.Input((28, 28, 1))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="conv")(image)
    x = layers.BatchNormalization(momentum=0.5, name="norm")(x)
    x = layers.Activation("swish")(x)
    y = layers.DepthwiseConv2D(3, padding="same")(x)
    y = layers.LayerNormalization()(y)
    x = layers.Add()([x, layers.LeakyReLU()(y)])
    x = layers.SpatialDropout2D(0.1, seed=3)(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def test_a_richer_network_is_additive(tmp_path: Path) -> None:
    network = network_from(saved(rich_model(), tmp_path)).eval().requires_grad_(False)
    values = attributions(network)
    change = (network(IMAGES) - network(BACKGROUND).mean(0)).numpy()
    error = np.abs(values.sum((1, 2, 3)) - change)
    assert (error <= 1e-5 * np.abs(values).sum((1, 2, 3))).all()


def test_a_refusal_names_the_layer_of_keras(tmp_path: Path) -> None:
    bins = layers.Discretization([0.2, 0.5], name="bins")
    block = keras.Sequential([bins, layers.Rescaling(0.5)], name="block")
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layers.ReLU(), block, layers.Flatten(), layers.Dense(10)]
    )
    network = network_from(saved(model, tmp_path)).eval().requires_grad_(False)
    with pytest.raises(UserError, match=r"own\.keras: block\.bins \(Discretization\): bucketize: "):
        deep.build(network, BACKGROUND, seed=0)
    assert list(network[1].children()) == []


def test_the_mode_of_the_module_decides(tmp_path: Path) -> None:
    network = network_from(saved(rich_model(), tmp_path))
    body = network[1]
    mean = body.get_buffer("norm/moving_mean")
    before = mean.clone()
    with torch.no_grad():
        assert torch.equal(network.eval()(IMAGES), network(IMAGES))
        assert torch.equal(mean, before)
        assert torch.equal(copy.deepcopy(network)(IMAGES), network(IMAGES))
        trained = network.train()(IMAGES)
    assert not torch.equal(trained, network.eval()(IMAGES))
    # Keras: moving = 0.5 · moving + 0.5 · mean of the batch, from 0.
    kernel = body.get_parameter("conv/kernel").permute(3, 2, 0, 1)
    features = nn.functional.conv2d(nn.functional.pad(IMAGES / 255, (0, 1, 0, 1)), kernel, stride=2)
    torch.testing.assert_close(mean, 0.5 * features.mean((0, 2, 3)))


def test_training_moves_the_weights_of_this_copy_alone(tmp_path: Path) -> None:
    network = network_from(saved(rich_model(), tmp_path))
    other = copy.deepcopy(network)

    def losses() -> list[float]:
        torch.manual_seed(0)
        found = []
        optimizer = torch.optim.Adam(network.parameters(), 1e-2)
        for _ in range(5):
            loss = cross_entropy(network.train()(IMAGES), torch.arange(5))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    untouched = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    first = losses()
    assert first[-1] < first[0]
    assert all(torch.equal(tensor, untouched[name]) for name, tensor in other.state_dict().items())
    changed = {
        n for n, tensor in network.state_dict().items() if not torch.equal(tensor, untouched[n])
    }
    assert {name for name, _ in network.named_parameters()} <= changed
    network.load_state_dict(untouched)
    assert losses() == first  # dropout draws from PyTorch's seed, or from its own in the state


def test_the_checkpoint_has_the_file_and_the_trained_weights(tmp_path: Path) -> None:
    file = saved(rich_model(), tmp_path)
    network = network_from(file)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.rand_like(parameter))
    save_checkpoint(Checkpoint(network, "keras", {}, dataset_info(), {}), tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        *("weights.safetensors", "network.json", "network.keras")
    }
    file.rename(tmp_path / "moved.keras")
    loaded = load_checkpoint(torch.device("cpu"), tmp_path / "model").network
    network[0].load_state_dict(loaded[0].state_dict())  # of the data set
    assert torch.equal(predict(loaded, IMAGES), predict(network.eval(), IMAGES))


def test_mixed_precision_becomes_float32(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = convnet()
    finally:
        keras.config.set_dtype_policy("float32")
    file = saved(model, tmp_path)
    network = network_from(file).eval()
    assert f"{file}: is computed in float32 instead of mixed precision" in capsys.readouterr().out
    plain = convnet()
    plain.set_weights(model.get_weights())
    np.testing.assert_allclose(
        network(IMAGES).softmax(1).detach(), by_keras(plain, IMAGES), atol=1e-6
    )
