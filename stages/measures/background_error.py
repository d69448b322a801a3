"""Background error: what another draw of the background would change."""

import numpy as np
from numpy.typing import NDArray


def background_error(
    errors: NDArray[np.floating], maps: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Standard error of an attribution over the background, as a share of the attribution.

    Args:
        errors: Standard errors of the attributions to the predicted class (n, h, w).
        maps: The attributions (n, h, w), NaN where there are none.

    Returns:
        (n,): root mean square over the pixels of the one over that of the other; lower is better;
        NaN where all attributions are 0 or there are none.
    """
    # One by one, since all may be larger than memory.
    variance, power = (
        np.array([(image.astype(np.float64) ** 2).mean() for image in part])
        for part in (errors, maps)
    )
    known = power > 0
    return np.sqrt(np.where(known, variance / np.where(known, power, 1), np.nan))
