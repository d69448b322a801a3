"""Training in several ranks: each takes a part of every batch; together they do what one would.

Alone, a process is the only rank, and nothing here does anything. Dropout alone differs: each rank
draws its own, since what one process draws for a whole batch cannot be drawn in parts.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import batch_norm
from torch.nn.parallel import DistributedDataParallel
from torch.overrides import TorchFunctionMode

from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError
from stages.base.run.rank import local_rank, n_ranks, rank
from stages.ranks.launch import LOST

T = TypeVar("T")


@contextlib.contextmanager
def joined_ranks(device: torch.device) -> Iterator[None]:
    """Connect the ranks: through NCCL between GPUs, else through gloo.

    Raises:
        UserError: The connection to another rank is lost.
    """
    if n_ranks() == 1:
        yield
        return
    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        if rank() > 0:
            torch.manual_seed(torch.initial_seed() + rank())  # else dropout would be the same
        with _SynchronizedBatchNorm():
            yield
        distributed.destroy_process_group()
    except RuntimeError as error:
        if not any(name in str(error) for name in ("gloo", "NCCL", "TCPStore")):
            raise
        raise UserError(f"rank {rank()} {LOST}") from error


def in_step(network: nn.Module, device: torch.device) -> nn.Module:
    """The network, with gradients that are the means over those of all ranks."""
    if n_ranks() == 1:
        return network
    return DistributedDataParallel(
        network,
        device_ids=[local_rank()] if device.type == "cuda" else None,
        find_unused_parameters=True,  # a user's network may have some
    )


def require_no_empty_part(
    network: nn.Module, images: Tensor, batch_size: int, n_validation: int
) -> None:
    """Refuse fewer images than ranks at a time, in training or validation, if the network cannot.

    Raises:
        UserError: It cannot take none; names the parameters to change.
    """
    smallest = min(len(images) % batch_size or batch_size, n_validation)
    if smallest >= n_ranks():
        return
    try:
        with torch.no_grad():
            network.eval()(images[:0])
    except Exception as error:  # a network is a user's code: it may fail in any way
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"train.batch_size: of {len(images):,} images in batches of {batch_size} the last has "
            f"{len(images) % batch_size or batch_size}, and the validation split {n_validation}, "
            f"so one of {n_ranks()} ranks has none, and this network cannot take none "
            f"({type(error).__name__}: {error}); choose another, another "
            "preprocess.validation_fraction, or fewer ranks"
        ) from error


def part(n: int) -> slice:
    """Which of n images are this rank's; parts may differ by one, and may be empty."""
    return slice(n * rank() // n_ranks(), n * (rank() + 1) // n_ranks())


def total(tensor: Tensor) -> Tensor:
    """The sum over all ranks, on every rank the same to the last bit."""
    if n_ranks() > 1:
        tensor = tensor.clone()
        distributed.all_reduce(tensor)
    return tensor


def from_first_rank(make: Callable[[], T]) -> T:
    """What the first rank makes, on every rank."""
    if n_ranks() == 1:
        return make()
    made: list[Any] = [make() if rank() == 0 else None]
    distributed.broadcast_object_list(made)
    value: T = made[0]
    return value


def from_all_ranks(value: T) -> list[T]:
    """The value of each rank, on every rank."""
    if n_ranks() == 1:
        return [value]
    values: list[Any] = [None] * n_ranks()
    distributed.all_gather_object(values, value)
    return values


class _Total(torch.autograd.Function):
    """As `total`, for tensors that the loss of every rank depends on."""

    @staticmethod
    def forward(_: Any, tensor: Tensor) -> Tensor:
        return total(tensor)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return total(gradient)


class _SynchronizedBatchNorm(TorchFunctionMode):
    """While it is on, batch norm in training takes the statistics of the whole batch.

    torch.nn.SyncBatchNorm runs on GPUs alone, and replaces modules, of which libraries have their
    own. They all call this function.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is batch_norm and kwargs.get("training"):
            return _batch_norm(*args, **kwargs)
        return func(*args, **kwargs)


def _batch_norm(
    features: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    **options: float,
) -> Tensor:
    """As torch's batch_norm in training, for this rank's part (n, c, …) of a batch."""
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    shape = (1, -1, *[1] * (wide.dim() - 2))
    axes = [axis for axis in range(wide.dim()) if axis != 1]
    n_own = wide.numel() // wide.shape[1]
    *sums, n = _total_of(wide.sum(axes), wide.new_tensor([n_own]))
    if n <= 1:
        raise ValueError("Expected more than 1 value per channel when training")  # torch's words
    mean = sums[0] / n
    centred = wide - mean.view(shape)
    (squares,) = _total_of(centred.square().sum(axes))
    with torch.no_grad():
        for running, value in ((running_mean, mean), (running_var, squares / (n - 1))):
            if running is not None:
                running.lerp_(value.to(running.dtype), options["momentum"])
    normal = centred * (squares / n + options["eps"]).rsqrt().view(shape)
    if weight is not None:
        normal = normal * weight.view(shape)
    if bias is not None:
        normal = normal + bias.view(shape)
    return normal.to(features.dtype)


def _total_of(*tensors: Tensor) -> Sequence[Tensor]:
    """Sums over all ranks that can be differentiated, in one exchange."""
    joined: Tensor = _Total.apply(torch.cat(tensors))
    parts: Sequence[Tensor] = joined.split([len(tensor) for tensor in tensors])
    return parts
