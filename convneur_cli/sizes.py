"""Image sizes as typed: a side, or HEIGHTxWIDTH."""

from convneur.errors import ConfigError
from convneur.sizes import find_size
from convneur_cli.errors import UsageError

__all__ = ["parse_size"]


def parse_size(option: str, typed: str) -> tuple[int, int]:
    """Height and width of `224` or `512x2048`. Raises: UsageError: as `find_size`."""
    try:
        return find_size(typed)
    except ConfigError as error:
        raise UsageError(f"{option} {error.value}: {error.problem}") from None
