"""What `convneur study` compares: nets by short names, and seeds."""

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

from convneur.errors import ConfigError
from convneur.variants import ConvNeurConfig, GlobalBranchName, Placement
from convneur_cli.errors import UsageError

__all__ = ["TWINS", "read_seeds", "read_twins", "same_nets"]

TWINS = "none,per-stage,per-stage:min_chunks=4,self-attention"
_PLACEMENTS, _BRANCHES = get_args(Placement), get_args(GlobalBranchName)

_WHOLE = ("mem_dim", "min_chunks", "memory_layers", "kernel_size", "mlp_ratio", "num_heads")
_REAL = ("step_size", "max_state_norm")
_FOUR = ("chunk_length", "chunks")
_WORDS = ("memory", "global_branch", "fusion", "read", "order")


def read_twins(typed: str, base: ConvNeurConfig) -> dict[str, ConvNeurConfig]:
    """Each twin by its name as typed: `base` with a placement or a branch, and options.

    Raises: UsageError: names the twin: an unknown word, a value that no net can have, an option that does nothing.
    """
    twins: dict[str, ConvNeurConfig] = {}
    for name in (part.strip() for part in typed.split(",")):
        if name in twins:
            raise UsageError(f"--twins {name}: is there twice; leave one out")
        twins[name] = _twin(name, base)
    return twins


def _twin(name: str, base: ConvNeurConfig) -> ConvNeurConfig:
    kind, *options = name.split(":")
    changes: dict[str, Any]
    if kind in _PLACEMENTS:
        changes = {"memory": kind}
    elif kind in _BRANCHES:
        changes = {"global_branch": kind}
        if base.memory == "none":
            changes["memory"] = "per-stage"
    else:
        raise UsageError(
            f"--twins {name}: {kind or 'a name'} is no twin; begin with {', '.join((*_PLACEMENTS, *_BRANCHES))}, then "
            ":key=value of model options"
        )
    for option in options:
        key, equals, value = option.partition("=")
        key = key.replace("-", "_")
        if not equals or key not in (*_WHOLE, *_REAL, *_FOUR, *_WORDS):
            raise UsageError(
                f"--twins {name}: {option or 'nothing'}: write key=value, a key of "
                f"{', '.join((*_WORDS, *_WHOLE, *_FOUR, *_REAL))}"
            )
        if key in changes:
            raise UsageError(f"--twins {name}: {key} is set twice")
        changes[key] = _value(name, key, value)
    _refuse_idle(name, changes, base)
    try:
        return base.replace(**changes)
    except ConfigError as error:
        raise UsageError(f"--twins {name}: {error}") from error


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
        raise UsageError(f"--twins {name}: {key} {typed or 'nothing'}: must be {kinds[key]}") from None
    return typed


def _refuse_idle(name: str, changes: Mapping[str, Any], base: ConvNeurConfig) -> None:
    """An option that another one makes idle is a mistake, not a wish."""
    if changes.get("memory", base.memory) == "none":
        idle = [key for key in changes if key not in ("memory", "kernel_size", "mlp_ratio")]
        if idle:
            raise UsageError(f"--twins {name}: without a memory {idle[0]} does nothing; leave it out")
    fixed = [key for key in ("chunk_length", "min_chunks") if key in changes]
    if "chunks" in changes and fixed:
        raise UsageError(f"--twins {name}: chunks sets the chunks' length; leave out {fixed[0]}")


def read_seeds(typed: str) -> tuple[int, ...]:
    """`3` is 0, 1, 2; a list is itself. Raises: UsageError: neither."""
    parts = typed.removesuffix(",").split(",")
    try:
        seeds = [int(part) for part in parts]
    except ValueError:
        seeds = []
    if len(seeds) == 1 and not typed.endswith(","):
        seeds = list(range(seeds[0]))
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UsageError(f"--seeds {typed}: give how many, such as 3, or a list, each once, such as 0,1,5")
    return tuple(seeds)


def same_nets(twins: Mapping[str, ConvNeurConfig]) -> list[tuple[str, str]]:
    """Pairs of names that are one net."""
    first: dict[str, str] = {}
    found = []
    for name, net in twins.items():
        key = repr(dataclasses.asdict(net))
        if key in first:
            found.append((first[key], name))
        first.setdefault(key, name)
    return found
