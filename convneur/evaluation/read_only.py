"""Nested values that a result gives out, and the way back to plain data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

__all__ = ["plain", "read_only"]


def read_only(value: Any) -> Any:
    """Mappings and lists, nested, as read-only mappings and tuples."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: read_only(item) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return tuple(map(read_only, value))
    return value


def plain(value: Any) -> Any:
    """Read-only mappings and tuples, nested, as dicts and lists of their own."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value
