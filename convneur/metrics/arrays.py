"""Label maps and masks as callers have them: NumPy arrays, nested lists, or tensors on any device."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["as_array"]


def as_array(values: Any) -> npt.NDArray[Any]:
    """The values as a NumPy array; a tensor is known by its methods, so that nothing here loads its library."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values)
