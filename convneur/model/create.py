"""A model by its name."""

from pathlib import Path
from typing import Any, Literal

from convneur.model.network import ConvNeur
from convneur.variants import ConvNeurConfig, find_config

__all__ = ["create"]


def create(
    model: str | Path | ConvNeurConfig = "m1",
    *,
    model_preset: Literal["classification", "dense"] | None = None,
    **settings: Any,
) -> ConvNeur:
    """Build a ConvNeur with random weights, in training mode as every new module is.

    Args:    as `convneur.variants.find_config`: a name in any case, then settings of `ConvNeurConfig`.
    Returns: the model; its config is `model.config`.
    Raises:  ConfigError: an unknown name or setting, a value that cannot be; InputError: a file that is no config.

    >>> import convneur
    >>> model = convneur.create("m1", num_classes=10, chunks=4)
    >>> model.config.num_classes
    10
    """
    return ConvNeur(find_config(model, model_preset=model_preset, **settings))
