"""Weights in and out: safetensors, with the config and where they come from inside the file. Never pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch

from convneur.errors import InputError
from convneur.model.global_branches import FoldedGlobalBranch
from convneur.model.network import ConvNeur
from convneur.packaged import weights_path
from convneur.schema import SchemaError, parsed, typed
from convneur.tensor_files import open_tensors, write_tensors
from convneur.variants import ConvNeurConfig

__all__ = ["FORMAT", "Checkpoint", "check_finite", "load_checkpoint", "save_checkpoint"]

FORMAT = "convneur.weights/1"

_T = TypeVar("_T")

# Zip and the pickle protocols 2 to 5: what torch.save and pickle.dump write.
_PICKLED = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


class Checkpoint(NamedTuple):
    """model: in eval mode, its config as `model.config`; provenance: what the file says of its weights' origin."""

    model: ConvNeur
    provenance: Mapping[str, Any]


def save_checkpoint(
    model: ConvNeur, path: str | Path, *, provenance: Mapping[str, Any] | None = None, force: bool = False
) -> None:
    """Write a model's weights with its config and provenance (data, recipe, seed, scores: plain JSON data).

    Raises: InputError: the file exists and `force` is off, or it cannot be written; ValueError: the model is folded.

    >>> import tempfile
    >>> import convneur
    >>> model = convneur.create(ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(model, Path(folder) / "tiny.safetensors", provenance={"seed": 0})
    ...     load_checkpoint(Path(folder) / "tiny.safetensors").provenance["seed"]
    0
    """
    if any(isinstance(module, FoldedGlobalBranch) for module in model.modules()):
        raise ValueError("a folded model cannot be saved: save the one it was folded from, and fold what is loaded")
    metadata = {
        "format": FORMAT,
        "config": json.dumps(model.config.to_dict()),
        "provenance": json.dumps(dict(provenance or {})),
    }
    write_tensors(Path(path), model.state_dict(), metadata, force=force)


def load_checkpoint(path: str | Path, *, expect: Mapping[str, Any] | None = None) -> Checkpoint:
    """Build the model that a file describes and give it the file's weights, in eval mode on the CPU, in fp32.

    Args:
        path: a file, or packaged weights by name, such as photos.
        expect: settings of `ConvNeurConfig` that the file's model must have.
    Choice: the header, its description of the model and the tensors' sizes are judged before any tensor is read.
    Raises: InputError: not a safetensors file (a pickle is never read), no ConvNeur's, tensors that do not fit its
        config, or another model than `expect`.

    >>> import convneur
    >>> model, provenance = convneur.load_checkpoint("photos")
    >>> model.config.num_classes, provenance["teacher"]
    (1000, 'EfficientNet-Lite0')
    """
    path = weights_path(path)
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from None
    if start.startswith(_PICKLED):
        raise InputError(path, "a pickled checkpoint can run code and is never loaded; save it as safetensors")
    found = open_tensors(path)
    if found.metadata.get("format") != FORMAT:
        other = repr(found.metadata.get("format"))[:40]
        raise InputError(path, f"not weights of a ConvNeur (its format is {other}, not {FORMAT!r})")
    config = _described(path, found.metadata, "config", ConvNeurConfig)
    provenance = _described(path, found.metadata, "provenance", dict[str, Any])
    for name, value in (expect or {}).items():
        if getattr(config, name) != value:
            raise InputError(path, f"holds a model with {name} {getattr(config, name)}, not {value}")

    with torch.device("meta"):
        model = ConvNeur(config)
    wanted = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    misfit = found.misfit(wanted)
    if misfit is not None:
        raise InputError(path, f"{misfit}; the file is not of the model it describes")
    surplus = found.shapes.keys() - wanted.keys()
    if surplus:
        raise InputError(path, f"holds {len(surplus)} tensors that its model lacks, {min(surplus)[:60]} among them")
    tensors = {name: tensor.float() for name, tensor in found.read(wanted).items()}
    model.load_state_dict(tensors, assign=True)
    return Checkpoint(model.eval(), provenance)


def _described(path: Path, metadata: Mapping[str, str], key: str, kind: type[_T]) -> _T:
    """What the file says of its model under a key."""
    if key not in metadata:
        raise InputError(path, f"its description of the model is broken ({key}: is missing); write the file again")
    try:
        return typed(parsed(metadata[key]), kind, key)
    except SchemaError as error:
        raise InputError(path, f"its description of the model is broken ({error}); write the file again") from None


def check_finite(model: ConvNeur, name: str) -> None:
    """Raises: InputError: a weight is NaN or infinite; `name` says whose weights they are."""
    for key, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise InputError(name, f"weight {key} holds NaN or infinite values; the training diverged")
