"""The network for programs without PyTorch, such as the explorer page."""

from torch import Tensor, nn

from deepshap import UnsupportedOperation, portable_operations
from stages.artifacts.portable import PortableNetwork
from stages.base.errors.memory import is_out_of_memory
from stages.networks.build import source_location

MAX_WEIGHTS = 1_500_000  # the explorer page has no room for more


def portable_network(network: nn.Module, image: Tensor) -> PortableNetwork:
    """The network as plain operations, or the reason why it cannot be written so.

    Args:
        network: Maps images to the explained output.
        image: Any image (1, c, h, w).
    """
    n_weights = sum(weights.numel() for weights in network.parameters())
    if n_weights > MAX_WEIGHTS:
        return PortableNetwork(
            reason=f"it has {n_weights:,} weights, and this page has room for {MAX_WEIGHTS:,}"
        )
    try:
        operations = portable_operations(network, image)
    except UnsupportedOperation as error:
        if is_out_of_memory(error):
            raise
        return PortableNetwork(
            reason=f"this page cannot compute {error.operation}, "
            f"{source_location(network, error.module_path)}"
        )
    arrays, described = {}, []
    for number, operation in enumerate(operations, 1):
        names = {role: f"{number}_{role}" for role in operation.arrays}
        arrays.update({names[role]: array.numpy() for role, array in operation.arrays.items()})
        described.append({**vars(operation), "arrays": names})
    return PortableNetwork(described, arrays)
