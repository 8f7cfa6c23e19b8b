"""What the evaluations of objects share: paths as given, what could not be scored, values as people read them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convneur.data.folders import some
from convneur.errors import ConfigError, InputError
from convneur.formats import plural

__all__ = ["Failure", "check_choice", "check_shapes", "existing_file", "shown", "unpaired"]


@dataclass(frozen=True)
class Failure:
    """An image or a sequence that could not be scored. name: its own; why: what is wrong, with the file.

    >>> Failure("image 7 (street.png)", "its runs have 5 pixels, its image 4 (2x2)").name
    'image 7 (street.png)'
    """

    name: str
    why: str


def existing_file(setting: str, path: str | Path) -> Path:
    """Raise ConfigError for a path that is not there: a typing mistake, not a broken file."""
    path = Path(path)
    if not path.exists():
        raise ConfigError(setting, "no such file or folder", value=path)
    return path


def check_choice(setting: str, value: object, choices: Sequence[str]) -> None:
    """Raise ConfigError for what is none of the choices."""
    if value not in choices:
        raise ConfigError(setting, f"must be {' or '.join(choices)}", value=value)


def check_shapes(path: object, pred: Sequence[int], gt: Sequence[int]) -> None:
    """Raise InputError for a prediction of another size. path: of the prediction."""
    if tuple(pred) != tuple(gt):
        sizes = " but the ground truth ".join(f"{height}x{width}" for height, width in (pred, gt))
        raise InputError(path, f"the prediction is {sizes} (height x width)")


def unpaired(path: Path, pred: Mapping[Any, object], gt: Mapping[Any, object], noun: str, *, missing: str) -> list[str]:
    """What one side lacks, in words. path: of the predictions; pred, gt: name of each by what it is paired by.

    Raises: InputError: a prediction is missing, unless those are skipped, or all of them.
    """
    without = [each for key, each in gt.items() if key not in pred]
    others = [each for key, each in pred.items() if key not in gt]
    if without and (missing == "error" or len(without) == len(gt)):
        mend = f"; it has {some(others)}" if others else ""
        mend += "" if len(without) == len(gt) else '; `missing="skip"` leaves these out'
        raise InputError(path, f"no prediction for {len(without)} of {plural(len(gt), noun)} ({some(without)}){mend}")
    said = []
    if without:
        said.append(f"{plural(len(without), noun)} without a prediction, skipped: {some(without)}")
    if others:
        said.append(f"{plural(len(others), noun)} without a ground truth, ignored: {some(others)}")
    return said


def shown(value: float) -> str:
    """A value between 0 and 1 in a table; - where it is undefined."""
    return "-" if math.isnan(value) else f"{value:.4f}"
