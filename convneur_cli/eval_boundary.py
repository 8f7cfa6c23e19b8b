"""`convneur eval-boundary`."""

from pathlib import Path
from typing import Annotated

import typer

from convneur_cli.errors import existing_path
from convneur_cli.options import CommonOptions

__all__ = ["eval_boundary"]


def eval_boundary(
    predictions: Annotated[Path, typer.Argument(metavar="PREDS", help="Label map or folder of them.")],
    common: CommonOptions,
) -> int | None:
    """Placeholder."""
    existing_path(predictions)
    common.printer().json({})
    return 0
