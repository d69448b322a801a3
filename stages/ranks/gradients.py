"""Training in several ranks, each on a slice of every batch, with the same result as in one.

In a single process these functions do nothing. Only dropout differs between one and several ranks:
each rank draws its own, since the draws for a whole batch cannot be split.
"""

import contextlib
import math
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
def connected_ranks(device: torch.device) -> Iterator[None]:
    """Connect the ranks, through NCCL between GPUs, else through gloo; gives each its own seed.

    Raises:
        UserError: The connection to another rank is lost.
    """
    if n_ranks() == 1:
        yield
        return
    try:
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
        if rank() > 0:
            torch.manual_seed(torch.initial_seed() + rank())  # else all would draw the same dropout
        with _SynchronizedBatchNorm():
            yield
        distributed.destroy_process_group()
    except RuntimeError as error:
        if not any(name in str(error) for name in ("gloo", "NCCL", "TCPStore")):
            raise
        raise UserError(f"rank {rank()} {LOST}") from error


def with_averaged_gradients(network: nn.Module, device: torch.device) -> nn.Module:
    """The network, with gradients averaged over all ranks; shares batch norm of other libraries."""
    if n_ranks() == 1:
        return network
    for module in network.modules():
        share: Any = getattr(module, "share_batch_norm", None)  # networks of Keras have it
        if share is not None:
            share(moments_over_ranks)
    return DistributedDataParallel(
        network,
        device_ids=[local_rank()] if device.type == "cuda" else None,
        find_unused_parameters=True,  # allowed in a user's network
    )


def require_images_for_every_rank(
    network: nn.Module, images: Tensor, batch_size: int, n_validation: int
) -> None:
    """Reject batches and validation splits with fewer images than ranks.

    Some ranks then get no image, which is fine if the network accepts empty batches.

    Raises:
        UserError: The network rejects an empty batch; names the parameters to change.
    """
    smallest = min(len(images) % batch_size or batch_size, n_validation)
    if smallest >= n_ranks():
        return
    try:
        with torch.no_grad():
            network.eval()(images[:0])
    except Exception as error:  # networks are user code: any exception is possible
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"train.batch_size: {len(images):,} images in batches of {batch_size} leave "
            f"{len(images) % batch_size or batch_size} for the last batch, and the validation "
            f"split has {n_validation}, so one of {n_ranks()} ranks has none, and this network "
            f"does not accept an empty batch ({type(error).__name__}: {error}); change it or "
            "preprocess.validation_fraction, or use fewer ranks"
        ) from error


def own_slice(n: int) -> slice:
    """The slice of n images for this rank; slices may differ by one in length, and may be empty."""
    return slice(n * rank() // n_ranks(), n * (rank() + 1) // n_ranks())


def sum_over_ranks(tensor: Tensor) -> Tensor:
    """The sum over all ranks, identical on every rank to the last bit."""
    if n_ranks() > 1:
        tensor = tensor.clone()
        distributed.all_reduce(tensor)
    return tensor


def from_first_rank(make: Callable[[], T]) -> T:
    """The first rank's value, on every rank."""
    if n_ranks() == 1:
        return make()
    made: list[Any] = [make() if rank() == 0 else None]
    distributed.broadcast_object_list(made)
    value: T = made[0]
    return value


def from_all_ranks(value: T) -> list[T]:
    """The values of all ranks, on every rank."""
    if n_ranks() == 1:
        return [value]
    values: list[Any] = [None] * n_ranks()
    distributed.all_gather_object(values, value)
    return values


def moments_over_ranks(features: Tensor, axes: tuple[int, ...]) -> tuple[Tensor, Tensor, Tensor]:
    """Statistics over some axes of this rank's features together with those of all others.

    Returns:
        Mean and variance (divided by the number of values), without these axes; and that number.

    Raises:
        ValueError: All ranks together have only one value.
    """
    n_own = math.prod(features.shape[axis] for axis in axes)
    total = features.sum(axes)
    sums, n = _sums_over_ranks(total.flatten(), features.new_tensor([n_own]))
    if n <= 1:
        raise ValueError("Expected more than 1 value per channel when training")  # torch's message
    mean = (sums / n).view(total.shape)
    around = mean
    for axis in sorted(axes):
        around = around.unsqueeze(axis)
    squares = (features - around).square().sum(axes)
    (joined,) = _sums_over_ranks(squares.flatten())
    return mean, (joined / n).view(total.shape), n


class _DifferentiableSum(torch.autograd.Function):
    """`sum_over_ranks` for tensors that the loss of every rank depends on."""

    @staticmethod
    def forward(_: Any, tensor: Tensor) -> Tensor:
        return sum_over_ranks(tensor)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return sum_over_ranks(gradient)


class _SynchronizedBatchNorm(TorchFunctionMode):
    """A context in which batch norm in training uses the statistics of the whole batch.

    torch.nn.SyncBatchNorm runs only on GPUs and replaces only PyTorch's own modules. Those of other
    libraries, too, call the function that this mode intercepts.
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
    """Torch's batch_norm in training, for this rank's slice (n, c, …) of a batch."""
    wide = features.to(torch.promote_types(features.dtype, torch.float32))
    shape = (1, -1, *[1] * (wide.dim() - 2))
    axes = tuple(axis for axis in range(wide.dim()) if axis != 1)
    mean, variance, n = moments_over_ranks(wide, axes)
    with torch.no_grad():
        for running, value in ((running_mean, mean), (running_var, variance * (n / (n - 1)))):
            if running is not None:
                running.lerp_(value.to(running.dtype), options["momentum"])
    normal = (wide - mean.view(shape)) * (variance + options["eps"]).rsqrt().view(shape)
    if weight is not None:
        normal = normal * weight.view(shape)
    if bias is not None:
        normal = normal + bias.view(shape)
    return normal.to(features.dtype)


def _sums_over_ranks(*tensors: Tensor) -> Sequence[Tensor]:
    """Differentiable sums over all ranks, in one exchange."""
    joined: Tensor = _DifferentiableSum.apply(torch.cat(tensors))
    sums: Sequence[Tensor] = joined.split([len(tensor) for tensor in tensors])
    return sums
