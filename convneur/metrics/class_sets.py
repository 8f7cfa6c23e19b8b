"""Which classes a mean is over: all, those of the foreground, or those of a named group."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from convneur.errors import ConfigError
from convneur.metrics.settings import BoundarySettings

__all__ = ["OVERALL", "class_sets", "with_ids"]

BoolArray = npt.NDArray[np.bool_]

OVERALL = ""
"""The name of the set that `overall` is the mean over; those of groups are not empty."""


def with_ids(settings: BoundarySettings, names: Sequence[str]) -> BoundarySettings:
    """The same settings with ids in place of the classes' names.

    Raises: ConfigError: a name or an id that no class has.

    >>> with_ids(BoundarySettings(num_classes=3, groups={"water": ["sea", 2]}), ["sky", "sea", "lake"]).groups
    (('water', (1, 2)),)
    """
    if settings.mean_over == "all" and not settings.groups:
        return settings
    return dataclasses.replace(
        settings,
        mean_over=_ids("mean_over", "", settings.mean_over, names),
        groups=tuple((group, _ids("groups", f"{group}: ", chosen, names)) for group, chosen in settings.groups),
    )


def _ids(
    setting: str, of: str, chosen: str | tuple[int | str, ...], names: Sequence[str]
) -> str | tuple[int | str, ...]:
    if isinstance(chosen, str):
        return chosen
    found: dict[int, None] = {}
    for label in chosen:
        if isinstance(label, str) and label in names:
            found[names.index(label)] = None
        elif str(label).isdecimal() and int(label) < len(names):
            found[int(label)] = None
        else:
            listed = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
            known = f"classes are 0 to {len(names) - 1}"
            if list(names) != list(map(str, range(len(names)))):
                known += f": {listed}"
            raise ConfigError(setting, f"{of}no class {label}; {known}")
    return tuple(found)


def class_sets(settings: BoundarySettings, count: int) -> dict[str, BoolArray]:
    """Set -> which of so many classes are in it, (count,): that of `overall`, then the groups.

    >>> class_sets(BoundarySettings(mean_over="foreground"), 3)[OVERALL].tolist()
    [False, True, True]
    """
    return {
        name: _mask(chosen, settings.background, count)
        for name, chosen in ((OVERALL, settings.mean_over), *settings.groups)
    }


def _mask(chosen: str | tuple[int | str, ...], background: int, count: int) -> BoolArray:
    if isinstance(chosen, str):
        return np.arange(count) != background if chosen == "foreground" else np.ones(count, bool)
    mask = np.zeros(count, bool)
    mask[[int(label) for label in chosen]] = True
    return mask
