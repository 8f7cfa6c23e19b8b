"""Weights as they are typed: a file, or packaged ones by name."""

from pathlib import Path

from convneur.packaged import packaged_weights, weights_path
from convneur_cli.errors import UsageError

__all__ = ["weights_file"]


def weights_file(option: str, typed: str) -> Path:
    """Raises: UsageError: neither a file nor a name of packaged weights."""
    path = weights_path(typed)
    if not path.exists():
        raise UsageError(f"{option} {typed}: no such file; packaged weights are {', '.join(packaged_weights())}")
    return path
