"""Outputs are refused before the work begins."""

from pathlib import Path

from convneur.files import refuse_existing
from convneur_cli.errors import UsageError

__all__ = ["FIGURES", "check_outputs"]

FIGURES = (".png", ".svg", ".pdf")


def check_outputs(*outputs: tuple[str, Path | None, tuple[str, ...]], force: bool) -> None:
    """Refuse what cannot be written: (option, path, suffixes) each; None where the option was left out.

    Raises: UsageError: another suffix; InputError: as `refuse_existing`.
    """
    for option, path, suffixes in outputs:
        if path is not None and path.suffix.lower() not in suffixes:
            raise UsageError(f"{option} {path}: the name must end in {', '.join(suffixes)}")
    refuse_existing(*(path for _, path, _ in outputs if path is not None), force=force)
