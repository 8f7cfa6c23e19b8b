"""How pixels become what a model takes: with the mean and standard deviation that its weights were trained with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.data.images import MEAN, STD, normalise
from convneur.errors import ConfigError, InputError
from convneur.schema import SchemaError, typed

__all__ = ["Normalisation"]

_Channels = tuple[float, float, float]

_LEAST_STD = 0.001  # of values in 0..1


@dataclass(frozen=True)
class Normalisation:
    """mean, std: of each channel of RGB in 0..1; None where a file of weights does not say, which means ImageNet's.

    Raises: ConfigError: values that pixels of 0..1 cannot have.

    >>> Normalisation(mean=(0.5, 0.5, 0.5)).values
    ((0.5, 0.5, 0.5), (0.229, 0.224, 0.225))
    """

    mean: _Channels | None = None
    std: _Channels | None = None

    def __post_init__(self) -> None:
        if self.mean is not None and not 0 <= min(self.mean) <= max(self.mean) <= 1:
            raise ConfigError("mean", "must be from 0 to 1", value=self.mean)
        if self.std is not None and not _LEAST_STD <= min(self.std) <= max(self.std) <= 1:
            raise ConfigError("std", f"must be from {_LEAST_STD} to 1", value=self.std)

    @classmethod
    def stated(cls, path: Path, provenance: Mapping[str, Any]) -> "Normalisation":
        """What a file of weights says in its provenance. Raises: InputError: something else than mean and std."""
        try:
            return typed({key: provenance[key] for key in ("mean", "std") if key in provenance}, cls, "provenance")
        except (SchemaError, ConfigError) as error:
            problem = f"what it says of its training is not as `convneur train` writes it ({error})"
            raise InputError(path, problem) from None

    @property
    def values(self) -> tuple[_Channels, _Channels]:
        """mean and std, ImageNet's where none is stated."""
        return self.mean or MEAN, self.std or STD

    def applied(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(H, W, 3) uint8 RGB as (3, H, W) float32; see `normalise`."""
        return normalise(pixels, *self.values)
