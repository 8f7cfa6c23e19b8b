"""Weights as they are typed: a file, or packaged ones by name."""

from pathlib import Path

from convneur.packaged import find_weights

__all__ = ["weights_file"]


def weights_file(option: str, typed: str) -> Path:
    """Raises: ConfigError: neither a file nor a name of packaged weights."""
    return find_weights(typed, setting=option.removeprefix("--").replace("-", "_"))
