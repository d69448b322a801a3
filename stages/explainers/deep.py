"""The deepshap engine: values of shap.DeepExplainer, faster, and additive for more networks."""

from torch import Tensor, nn

from deepshap import DeepShap, UnsupportedOperation
from stages.base.errors.memory import is_out_of_memory
from stages.base.errors.user import UserError
from stages.explainers.base.contract import Attribute, Attributions
from stages.networks.build import source_location
from stages.sampling.background import group_sizes

VALUES = (
    "share of the output's change from its base value: output units per pixel; they sum to "
    "output minus base value, up to rounding"
)
ADDS_UP = True


def build(network: nn.Module, background: Tensor, seed: int) -> Attribute:
    """Prepare the method; `seed` is unused, since nothing is sampled."""
    try:
        explainer = DeepShap(network, background)
    except UnsupportedOperation as error:
        if is_out_of_memory(error):
            raise
        raise UserError(
            f"{source_location(network, error.module_path)}: {error.operation}: {error.advice}; or "
            "choose another explain.method (got deep)"
        ) from error
    n_groups = len(group_sizes(len(background)))

    def attribute(images: Tensor, classes: Tensor) -> Attributions:
        # The same classes for all images allow sharing much of the work.
        alike = bool((classes == classes[0]).all())
        outputs = classes[0] if alike else classes
        values, means = explainer.attribute_by_group(images, outputs, max(1, n_groups))
        return Attributions(values.cpu().numpy(), means.cpu().numpy() if n_groups else None)

    return attribute
