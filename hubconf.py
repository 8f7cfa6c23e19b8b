"""ConvNeur through torch.hub: `torch.hub.load(PLACE, "convneur_m1", weights="photos")`.

PLACE is a GitHub repository as `owner/name`, or a checkout's folder with `source="local"`. What pyproject.toml lists as
dependencies must be installed; the package itself need not be.
"""

from pathlib import Path
from typing import Any

import convneur

dependencies = ["torch", "safetensors", "numpy"]


def _model(name: str, weights: str | Path | None, **settings: Any) -> convneur.ConvNeur:
    if weights is None:
        return convneur.create(name, **settings)
    for setting in settings:
        raise convneur.ConfigError(setting, "comes with the weights; leave it out")
    return convneur.load_checkpoint(weights, expect={"dims": convneur.VARIANTS[name].dims}).model


def convneur_m1(weights: str | Path | None = None, **settings: Any) -> convneur.ConvNeur:
    """m1. weights: packaged ones by name (photos, camvid, ...), a file, or a folder; None: random ones, and then
    settings are those of `convneur.create`, such as num_classes=10."""
    return _model("m1", weights, **settings)


def convneur_m2(weights: str | Path | None = None, **settings: Any) -> convneur.ConvNeur:
    """m2; see convneur_m1."""
    return _model("m2", weights, **settings)


def convneur_m3(weights: str | Path | None = None, **settings: Any) -> convneur.ConvNeur:
    """m3; see convneur_m1."""
    return _model("m3", weights, **settings)


def convneur_m4(weights: str | Path | None = None, **settings: Any) -> convneur.ConvNeur:
    """m4; see convneur_m1."""
    return _model("m4", weights, **settings)
