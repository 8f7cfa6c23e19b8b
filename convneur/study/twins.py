"""What a study compares: twins by short names or by their settings, and seeds."""

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from convneur.errors import ConfigError
from convneur.study.runs import StudyRun
from convneur.variants import ConvNeurConfig, GlobalBranchName, Placement

__all__ = ["TWINS", "Twins", "read_seeds", "read_twins", "refuse_shared_folders", "same_models"]

_MOST_SEEDS = 1000
Twins = str | Sequence[str] | Mapping[str, Mapping[str, Any] | ConvNeurConfig]

TWINS = "none,per-stage,per-stage:min_chunks=4,self-attention"
_PLACEMENTS, _BRANCHES = get_args(Placement), get_args(GlobalBranchName)

_WHOLE = ("mem_dim", "min_chunks", "memory_layers", "kernel_size", "mlp_ratio", "num_heads")
_REAL = ("step_size", "max_state_norm")
_FOUR = ("chunk_length", "chunks")
_WORDS = ("memory", "global_branch", "fusion", "read", "order")
_OF_ALL = ("head", "num_classes", "in_channels", "drop_path_rate")  # that follow from the task, the data, the recipe


def read_twins(twins: Twins, base: ConvNeurConfig) -> dict[str, ConvNeurConfig]:
    """Each twin by its name.

    Args:
        twins: names such as none or per-stage:min_chunks=4, in a list or with commas between: `base` with a placement
            or a branch, and settings. Or a mapping of names of one's own to what is other than in `base`, or to whole
            models, which take `base`'s head and stochastic depth.
    Raises: ConfigError: names the twin: an unknown word, a value that no model can have, a setting that does nothing.

    >>> from convneur.variants import VARIANTS
    >>> read_twins("none,per-stage:chunks=4", VARIANTS["m1"])["per-stage:chunks=4"].chunks
    4
    >>> list(read_twins({"local": {"memory": "none"}, "memory": VARIANTS["m1"]}, VARIANTS["m1"]))
    ['local', 'memory']
    """
    if isinstance(twins, Mapping):
        found = {name: _given(name, each, base) for name, each in twins.items()}
    else:
        names = [name.strip() for name in (twins.split(",") if isinstance(twins, str) else twins)]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError("twins", "is there twice; leave one out", value=name)
        found = {name: _spelled(name, base) for name in names}
    if not found:
        raise ConfigError("twins", "name one at least", value="")
    refuse_shared_folders(found)
    return found


def refuse_shared_folders(names: Iterable[str]) -> None:
    """Raise ConfigError where runs of two twins would have one name."""
    folders: dict[str, str] = {}
    for name in names:
        folder = StudyRun(name, 0).name
        if folder in folders:
            raise ConfigError("twins", f"would share a folder with {folders[folder]}; rename one", value=name)
        folders[folder] = name


def _given(name: str, given: Mapping[str, Any] | ConvNeurConfig, base: ConvNeurConfig) -> ConvNeurConfig:
    if not re.fullmatch(r"\w[\w .:=/+-]*", name):
        raise ConfigError("twins", "is no name of a folder; take letters, digits, - and _", value=name)
    if isinstance(given, ConvNeurConfig):
        return given.replace(**{setting: getattr(base, setting) for setting in _OF_ALL})
    for setting in (setting for setting in _OF_ALL if setting in given):
        raise ConfigError("twins", f"{setting} is the same for all twins; leave it out", value=name)
    return _changed(name, given, base)


def _spelled(name: str, base: ConvNeurConfig) -> ConvNeurConfig:
    kind, *settings = name.split(":")
    changes: dict[str, Any]
    if kind in _PLACEMENTS:
        changes = {"memory": kind}
    elif kind in _BRANCHES:
        changes = {"global_branch": kind}
        if base.memory == "none":
            changes["memory"] = "per-stage"
    else:
        raise ConfigError(
            "twins",
            f"{kind or 'a name'} is not a twin; begin with {', '.join((*_PLACEMENTS, *_BRANCHES))}, then :key=value of "
            "model settings",
            value=name,
        )
    for setting in settings:
        key, equals, value = setting.partition("=")
        key = key.replace("-", "_")
        if not equals or key not in (*_WHOLE, *_REAL, *_FOUR, *_WORDS):
            keys = ", ".join((*_WORDS, *_WHOLE, *_FOUR, *_REAL))
            raise ConfigError("twins", f"{setting or 'nothing'}: write key=value, a key of {keys}", value=name)
        if key in changes:
            raise ConfigError("twins", f"{key} is set twice", value=name)
        changes[key] = _value(name, key, value)
    return _changed(name, changes, base)


def _value(name: str, key: str, typed: str) -> Any:
    kinds = {**dict.fromkeys(_WHOLE, "a whole number"), **dict.fromkeys(_REAL, "a number")}
    kinds |= dict.fromkeys(_FOUR, "a whole number, or four such as 196/196/98/49")
    try:
        if key in _WHOLE:
            return int(typed)
        if key in _REAL:
            return float(typed)
        if key in _FOUR:
            four = tuple(map(int, typed.split("/")))
            return four[0] if len(four) == 1 else four
    except ValueError:
        raise ConfigError("twins", f"{key} {typed or 'nothing'}: must be {kinds[key]}", value=name) from None
    return typed


def _changed(name: str, changes: Mapping[str, Any], base: ConvNeurConfig) -> ConvNeurConfig:
    """A setting that another one makes idle is a mistake, not a wish."""
    if changes.get("memory", base.memory) == "none":
        idle = [key for key in changes if key not in ("memory", "kernel_size", "mlp_ratio")]
        if idle:
            raise ConfigError("twins", f"without a memory {idle[0]} does nothing; leave it out", value=name)
    fixed = [key for key in ("chunk_length", "min_chunks") if key in changes]
    if "chunks" in changes and fixed:
        raise ConfigError("twins", f"chunks sets the chunks' length; leave out {fixed[0]}", value=name)
    try:
        return base.replace(**changes)
    except ConfigError as error:
        raise ConfigError("twins", str(error), value=name) from error


def read_seeds(seeds: int | str | Iterable[int]) -> tuple[int, ...]:
    """How many, 3 is 0, 1, 2; or which. As text, `3` is how many, `0,1,5` and `7,` are lists.

    Raises: ConfigError: neither.

    >>> read_seeds(3), read_seeds([0, 5]), read_seeds("7,")
    ((0, 1, 2), (0, 5), (7,))
    """
    given = seeds
    try:
        if isinstance(seeds, str):
            listed = [int(part) for part in seeds.removesuffix(",").split(",")]
            seeds = listed if len(listed) > 1 or seeds.endswith(",") else listed[0]
        many = isinstance(seeds, int) and seeds > _MOST_SEEDS
        found = tuple(range(0 if many else seeds)) if isinstance(seeds, int) else tuple(map(int, seeds))
        wrong = not found or min(found) < 0 or len(set(found)) < len(found)
    except (TypeError, ValueError):
        many, wrong = False, True
    if many:
        problem = f"asks for more than {_MOST_SEEDS} runs of each twin; the one seed {seeds} is written `{seeds},`"
        raise ConfigError("seeds", problem, value=given)
    if wrong:
        raise ConfigError("seeds", "give how many, such as 3, or a list, each once, such as 0,1,5", value=given)
    return found


def same_models(twins: Mapping[str, ConvNeurConfig]) -> list[tuple[str, str]]:
    """Pairs of names that are one model."""
    first: dict[str, str] = {}
    found = []
    for name, config in twins.items():
        key = repr(dataclasses.asdict(config))
        if key in first:
            found.append((first[key], name))
        first.setdefault(key, name)
    return found
