"""Whatever goes wrong while a network is read is a refusal that names the place and what to do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from deepshap import DeepShap, UnsupportedOperation
from deepshap.rules.base import Call, Rule
from deepshap.rules.linear import Unchanged
from deepshap.rules.table import OPERATIONS, RuleOf

from ..networks import Function, behind, images

F32 = torch.float32


def scripted(network: nn.Module) -> nn.Module:
    return torch.jit.script(network)


def traced(network: nn.Module) -> nn.Module:
    return torch.jit.trace(network, images(1, F32))


def inside(make: Callable[[nn.Module], nn.Module]) -> Callable[[nn.Module], nn.Module]:
    return lambda network: nn.Sequential(nn.Identity(), nn.Sequential(make(network))).eval()


def quantized(network: nn.Module) -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(network, {nn.Linear}).eval()


COMPILED = {
    "a hidden scripted part": (
        lambda network: nn.Sequential(nn.Identity(), Hiding(scripted(network))).eval(),
        r"1 \(Hiding\): .* ScriptModule; use the module",
    ),
    "script": (scripted, r"RecursiveScriptModule\.forward: .* ScriptModule; use the module"),
    "trace": (traced, r"TopLevelTracedModule\.forward: .* ScriptModule; use the module"),
    "a scripted part": (inside(scripted), r"1\.0 \(RecursiveScriptModule\): .*; use the module"),
    "a traced part": (inside(traced), r"1\.0 \(TopLevelTracedModule\): .*; use the module"),
    "quantised": (quantized, r"3 \(Linear\): it computes with quantised weights; use the network"),
}


class Hiding(nn.Module):
    """Holds a module that is no part of it."""

    def __init__(self, hidden: nn.Module) -> None:
        super().__init__()
        self.hidden = [hidden]

    def forward(self, x: Tensor) -> Tensor:
        return self.hidden[0](x)


@pytest.mark.parametrize("name", COMPILED)
def test_compiled_and_quantised_parts_are_refused_with_their_path(name: str) -> None:
    make, message = COMPILED[name]
    with warnings.catch_warnings():  # they are deprecated
        warnings.simplefilter("ignore")
        network = make(behind(nn.ReLU()).eval())
        with pytest.raises(UnsupportedOperation, match=f"^forward at {message}"):
            DeepShap(network, images(3, F32))


class Overwriting(torch.autograd.Function):
    """Computes in memory that it makes itself, as hand-written Functions do."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        result = x.new_empty(0)
        result.resize_as_(x)
        result.copy_(x).mul_(2)
        row = result.select(1, 0)
        row.add_(1)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return 2 * gradient


def test_functions_that_replace_memory_are_refused_in_plain_words() -> None:
    module = Function(lambda net, x: Overwriting.apply(x))
    network = nn.Sequential(behind(nn.ReLU())[0], nn.Sequential(module), nn.Flatten()).eval()
    with pytest.raises(
        UnsupportedOperation, match=r"at 1\.0 \(Function\): .*operations that return new tensors$"
    ):
        DeepShap(network, images(3, F32))


def test_a_factor_made_of_the_image_is_refused_by_name() -> None:
    network = Function(lambda net, x: net.head(x * x.max().item()), head=nn.Conv2d(2, 4, 3))
    network = nn.Sequential(network, nn.Flatten()).eval()
    with pytest.raises(UnsupportedOperation, match=r"^item at 0 \(Function\): it turns a value"):
        DeepShap(network, images(3, F32))


def broken(call: Call) -> Rule:
    raise TypeError("unexpected argument")


class BrokenForward(Unchanged):
    def forward(self, *inputs: Any) -> Any:
        raise IndexError("no such axis")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (broken, r"no rule for this use of it \(unexpected argument\)"),
        (BrokenForward, r"its rule fails \(no such axis\)"),
    ],
)
def test_rules_that_fail_name_their_operation(
    rule: RuleOf, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPERATIONS, "tanh", rule)
    with pytest.raises(UnsupportedOperation, match=rf"^tanh at 1 \(Tanh\): {message}; "):
        DeepShap(behind(nn.Tanh()).eval(), images(3, F32))


@dataclass
class Output:
    logits: Tensor
    loss: Tensor | None = None


STRUCTURES: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "a dataclass": (Output, r"Output, .*one of output\.logits \(1, 3\), .*: output\.logits\)"),
    "a dictionary": (
        lambda y: {"features": y[..., None], "out": y},
        r"dict, .*output\['features'\] \(1, 3, 1\), output\['out'\] .*: output\['out'\]\)",
    ),
    "a tuple": (lambda y: (y.mean(), y), r"tuple, .*: output\[1\]\)"),
    "a generator": (iter, r"must return one tensor \(n, k\)$"),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structure_is_refused_with_the_tensor_to_pick(name: str) -> None:
    make, message = STRUCTURES[name]
    network = Function(lambda net, x: make(net.head(x.flatten(1))), head=nn.Linear(200, 3)).eval()
    with pytest.raises(
        UnsupportedOperation, match=f"^forward at Function.*: it returns .*{message}"
    ):
        DeepShap(network, images(3, F32))


def test_the_hook_that_a_refusal_proposes_makes_the_network_explainable() -> None:
    network = Function(lambda net, x: Output(net.head(x.flatten(1))), head=nn.Linear(200, 3)).eval()
    network.register_forward_hook(lambda module, inputs, output: output.logits)
    DeepShap(network, images(3, F32))


class WithTable(nn.Module):
    def forward(self, image: Tensor, table: Tensor) -> Tensor:
        return image.flatten(1) + table


FAILING: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "two inputs": (WithTable, r"WithTable\.forward: .*'table'; it must take one tensor"),
    "wrong size": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(7, 3)),
        r"1 \(Linear\): it fails on images \(1, 2, 10, 10\) of torch.float32: mat1 and mat2",
    ),
    "wrong dtype": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(200, 3)).double(),
        r"1 \(Linear\): it fails on images .* of torch.float32",
    ),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_network_that_fails_is_refused_with_the_place(name: str) -> None:
    make, message = FAILING[name]
    with pytest.raises(UnsupportedOperation, match=f"^forward at {message}"):
        DeepShap(make().eval(), images(3, F32))


NOT_READY: dict[str, tuple[Callable[[], Any], str]] = {
    "a function": (lambda: torch.relu, "expected a torch.nn.Module, got builtin_function"),
    "a program": (
        lambda: torch.export.export(behind(nn.ReLU()).eval(), (images(1, F32),)),
        r"got ExportedProgram; pass program.module\(\)",
    ),
    "no shape yet": (
        lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(3)).eval(),
        r"1\.weight has no shape yet; call network\(images\) once first",
    ),
    "no values": (lambda: behind(nn.ReLU()).eval().to("meta"), r"0\.weight is on the device meta"),
    "infinite outputs": (
        lambda: Function(lambda net, x: x.flatten(1) / 0).eval(),
        "its outputs for images of the background are infinite or NaN",
    ),
}


@pytest.mark.parametrize("name", NOT_READY)
def test_networks_that_are_not_ready_are_refused(name: str) -> None:
    make, message = NOT_READY[name]
    with pytest.raises(ValueError, match=f"^network: .*{message}"):
        DeepShap(make(), images(3, F32))


def test_a_module_with_an_exported_part_is_put_into_eval_mode_by_its_attribute() -> None:
    batches = ({0: torch.export.Dim.AUTO},)
    program = torch.export.export(
        behind(nn.ReLU()).eval(), (images(2, F32),), dynamic_shapes=batches
    )
    network = nn.Sequential(nn.Identity(), program.module())
    with pytest.raises(NotImplementedError, match=r"Calling train\(\) is not supported"):
        network.eval()
    network[0].train()
    network.training = False
    with pytest.raises(ValueError, match=r"0 is in training mode; set its attribute training to F"):
        DeepShap(network, images(3, F32))
    network[0].training = False
    DeepShap(network, images(3, F32))


class Unbuilt(nn.Module):
    """Makes its layer at its first call, as unbuilt Keras models do."""

    def forward(self, x: Tensor) -> Tensor:
        if not hasattr(self, "head"):
            self.head = nn.Linear(200, 3).eval()
        return self.head(x.flatten(1))


def test_weights_made_at_the_first_call_are_refused_before_it() -> None:
    network = Unbuilt().eval()
    with pytest.raises(ValueError, match="makes its weights at its first call; call it once"):
        DeepShap(network, images(3, F32))
    network(images(1, F32))
    DeepShap(network, images(3, F32))


def test_images_that_are_not_tensors_are_refused_with_the_call_that_makes_one() -> None:
    network, background = behind(nn.ReLU()).eval(), images(3, F32)
    explainer = DeepShap(network, background)
    for given, call in [
        (background.tolist(), r"list; pass torch\.tensor"),
        (list(background), r"list; pass torch\.stack"),
        (background.numpy(), r"ndarray; pass torch\.tensor"),
    ]:
        with pytest.raises(ValueError, match=rf"^background: expected a tensor, got {call}"):
            DeepShap(network, given)
        with pytest.raises(ValueError, match=rf"^images: expected a tensor, got {call}"):
            explainer.attribute(given)


def test_tensors_without_values_are_refused() -> None:
    network, background = behind(nn.ReLU()).eval(), images(3, F32)
    for given, kind in [
        (background.to("meta"), "device meta"),
        (background.to_sparse(), r"layout torch\.sparse_coo"),
    ]:
        with pytest.raises(ValueError, match=rf"^background: has the {kind}, expected a dense"):
            DeepShap(network, given)


def test_outputs_that_are_no_numbers_are_refused() -> None:
    explainer = DeepShap(behind(nn.ReLU()).eval(), images(3, F32))
    with pytest.raises(ValueError, match=r"^outputs: expected integers"):
        explainer.attribute(images(1, F32), "cat")


def test_a_background_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^background: has pixels that are infinite or NaN"):
        DeepShap(behind(nn.ReLU()).eval(), images(3, F32) / 0)
