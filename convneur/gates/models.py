"""Which model is looked into, and which one without a global path it is compared with."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from torch import nn

from convneur.checkpoints import check_finite, load_checkpoint
from convneur.data.normalisation import Normalisation
from convneur.errors import ConfigError
from convneur.formats import as_text
from convneur.gates.capture import check_block, reconfigured, untrained
from convneur.gates.sources import VARIANT_FIELDS, WeightsSource, sha256_of
from convneur.model.network import MIN_SIDE, ConvNeur
from convneur.packaged import local_twin, packaged_weights, weights_path
from convneur.variants import CHUNK_SETTINGS, PRESETS, VARIANTS, ConvNeurConfig, check_used, find_config

__all__ = ["Weights", "check_gates", "find_against", "find_local_only", "find_model"]

Weights = str | Path | ConvNeur

_DEFAULT = "photos"
_MOST_SEED = 2**63 - 1
_NOT_DRAWN = ("head", "num_classes", "drop_path_rate")


def find_model(
    weights: Weights | None,
    model: str | Path | ConvNeurConfig | None,
    seed: int | None,
    settings: Mapping[str, Any],
) -> tuple[ConvNeur, WeightsSource, str | None]:
    """The model, where its weights come from, and the packaged weights of its local-only twin, if there are any.

    Choice: without `weights` the packaged ones, unless what else was asked for is a model that they are not; then an
        untrained one. Chunk settings act on any weights.
    Raises: as `convneur.gates.inspect`.
    """
    if isinstance(model, nn.Module):
        raise ConfigError("model", "has weights already; pass it as `weights`")
    config = find_config("m1" if model is None else model, **settings)
    typed = dict(settings)
    preset = typed.pop("model_preset", None)
    typed = {**(PRESETS[preset] if preset else {}), **typed}
    for name in _NOT_DRAWN:
        typed.pop(name, None)
    if seed is not None:
        if not 0 <= seed <= _MOST_SEED:
            raise ConfigError("seed", "must be 0 to 2^63 - 1", value=seed)
        if weights is not None and weights != "none":
            what = weights if isinstance(weights, (str, Path)) else "of a module"
            raise ConfigError(
                "seed", f"is of an untrained model, and `weights {what}` is a trained one; leave one out", value=seed
            )
    typed = {**_stated(model, config), **typed}
    chunks = {key: value for key, value in typed.items() if key in CHUNK_SETTINGS}
    if "chunks" not in chunks and {"chunk_length", "min_chunks"} & chunks.keys():
        chunks["chunks"] = None  # a fixed number, which the weights may have been trained with, would win
    asked = [*(VARIANT_FIELDS if model is not None else ()), *(key for key in typed if key not in CHUNK_SETTINGS)]
    expect = {name: getattr(config, name) for name in asked}

    if isinstance(weights, nn.Module):
        found, source = _given("weights", weights, expect)
    elif weights == "none":
        return _untrained(config, seed)
    else:
        found, source = _from_file("weights", weights or _DEFAULT, {} if weights is None else expect)
        other = any(getattr(found.config, key) != value for key, value in expect.items())
        if other or seed is not None:  # of a file that was asked for neither can be
            return _untrained(config, seed)
    check_used(found.config, settings)
    if chunks:
        found = reconfigured(found, **chunks)
        source = replace(source, config=found.config)
    twin = None if isinstance(weights, nn.Module) else local_twin(str(weights or _DEFAULT))
    return found, source, twin


def _stated(model: str | Path | ConvNeurConfig | None, config: ConvNeurConfig) -> dict[str, Any]:
    """What a file of settings, or a config, says beyond a variant: its settings that are not the default ones."""
    if model is None or str(model).lower() in VARIANTS:
        return {}
    default = VARIANTS["m1"]
    names = [each.name for each in fields(config) if each.name not in (*VARIANT_FIELDS, *_NOT_DRAWN)]
    return {name: getattr(config, name) for name in names if getattr(config, name) != getattr(default, name)}


def find_local_only(
    local_weights: Weights | None, twin: str | None, model: ConvNeur
) -> tuple[ConvNeur, WeightsSource | None]:
    """The model of row 1 and where its weights come from: None where it is `model` with its global path off."""
    chosen = local_weights or twin or "same"
    if isinstance(chosen, nn.Module):
        return _given("local_weights", chosen, {"memory": "none", "output_stride": model.config.output_stride})
    if chosen == "same":
        return reconfigured(model, memory="none"), None
    return _from_file("local_weights", chosen, {"memory": "none", "output_stride": model.config.output_stride})


def find_against(against: Weights, model: ConvNeur, chunks: Mapping[str, Any]) -> tuple[ConvNeur, WeightsSource]:
    """The model that `model` is compared with; "none" is `model` as it was before any training, of seed 0.

    Args:   chunks: settings that act on any weights.
    Raises: as `convneur.gates.inspect`.
    """
    if isinstance(against, nn.Module):
        found, source = _given("against", against, {})
    elif against == "none":
        found, source, _ = _untrained(model.config, 0)
    else:
        found, source = _from_file("against", against, {})
    chunks = {key: value for key, value in chunks.items() if key in CHUNK_SETTINGS}
    if chunks and found.config.memory != "none":
        found = reconfigured(found, setting="against", **chunks)
        source = replace(source, config=found.config)
    return found, source


def _untrained(config: ConvNeurConfig, seed: int | None) -> tuple[ConvNeur, WeightsSource, None]:
    found = untrained(config, seed or 0)
    _check_channels("model", found)
    return found, WeightsSource(config, seed=seed or 0), None


def _from_file(setting: str, name: str | Path, expect: Mapping[str, Any]) -> tuple[ConvNeur, WeightsSource]:
    path = weights_path(name)
    if not path.exists():
        raise ConfigError(setting, f"no such file; packaged weights are {', '.join(packaged_weights())}", value=name)
    model, provenance = load_checkpoint(path, expect=expect)
    _check_channels(setting, model, name)
    check_finite(model, str(path))
    source = WeightsSource(
        model.config,
        as_text(Path(path.name)),
        sha256_of(path),
        provenance=provenance,
        normalisation=Normalisation.stated(path, provenance),
    )
    seen = source.validated
    if seen is not None and min(seen.crop) >= MIN_SIDE:
        source = replace(source, unreached=tuple(model.unreached(*seen.crop).items()))
    return model, source


def _given(setting: str, model: nn.Module, expect: Mapping[str, Any]) -> tuple[ConvNeur, WeightsSource]:
    """A module of the caller's, which is left as it is: one in training mode is looked at through its tensors."""
    if not isinstance(model, ConvNeur):
        raise ConfigError(setting, f"{type(model).__name__} is no ConvNeur; only ConvNeur's gates can be looked at")
    for name, value in expect.items():
        if getattr(model.config, name) != value:
            raise ConfigError(setting, f"the model has {name} {getattr(model.config, name)}, not {value}")
    _check_channels(setting, model)
    check_finite(model, setting)
    return reconfigured(model) if model.training else model, WeightsSource(model.config)


def _check_channels(setting: str, model: ConvNeur, name: str | Path | None = None) -> None:
    if model.config.in_channels != 3:
        problem = f"the model takes {model.config.in_channels} channels, and an image has 3; choose another model"
        raise ConfigError(setting, problem) if name is None else ConfigError(setting, problem, value=name)


def check_gates(
    source: WeightsSource,
    *,
    stages: Sequence[int],
    block: int,
    needs_gate: bool = True,
    instead: str = "",
    setting: str = "weights",
) -> None:
    """`check_block` of a model. Raises: ConfigError: as that; what trained weights fix is said of them."""
    try:
        check_block(source.config, stages=stages, block=block, needs_gate=needs_gate, instead=instead)
    except ConfigError as error:
        if setting == "weights" and (source.seed is not None or error.setting == "block"):
            raise
        raise ConfigError(setting, f"{error}", value=source.file or "of a module") from None
