"""Weights in and out: safetensors, with the config and where they come from inside the file. Never pickle."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from convneur.errors import ConfigError, InputError
from convneur.files import new_file
from convneur.model.global_branches import FoldedGlobalBranch
from convneur.model.network import ConvNeur
from convneur.packaged import weights_path
from convneur.variants import ConvNeurConfig

__all__ = ["FORMAT", "Checkpoint", "check_finite", "load_checkpoint", "save_checkpoint"]

FORMAT = "convneur.weights/1"

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
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(model.config.to_dict()),
        "provenance": json.dumps(dict(provenance or {})),
    }
    with new_file(Path(path), force=force) as temporary:
        try:
            save_file(tensors, temporary, metadata=metadata)
        except SafetensorError as error:  # a full disk comes as one of these
            raise InputError(path, f"could not be written ({error})") from None


def load_checkpoint(path: str | Path, *, expect: Mapping[str, Any] | None = None) -> Checkpoint:
    """Build the model that a file describes and give it the file's weights, in eval mode on the CPU, in fp32.

    Args:
        path: a file, or packaged weights by name, such as photos.
        expect: settings of `ConvNeurConfig` that the file's model must have.
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
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            # Cloned: on some processors a product's last bit depends on where in memory a weight begins.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  (not a dict)
    except (SafetensorError, OSError) as error:
        raise InputError(path, f"not a readable safetensors file ({error})") from None

    if metadata.get("format") != FORMAT:
        raise InputError(path, f"not weights of a ConvNeur (its format is {metadata.get('format')!r}, not {FORMAT!r})")
    try:
        config = ConvNeurConfig.from_dict(json.loads(metadata["config"]))
        provenance = json.loads(metadata["provenance"])
    except (KeyError, json.JSONDecodeError, ConfigError) as error:
        raise InputError(path, f"its description of the model is broken ({error})") from None
    for name, value in (expect or {}).items():
        if getattr(config, name) != value:
            raise InputError(path, f"holds a model with {name} {getattr(config, name)}, not {value}")

    with torch.device("meta"):
        model = ConvNeur(config)
    wanted = model.state_dict()
    for name, tensor in wanted.items():
        if name not in tensors:
            raise InputError(path, f"tensor {name} is missing; the file is not of the model it describes")
        if tensors[name].shape != tensor.shape:
            raise InputError(path, f"tensor {name} is {tuple(tensors[name].shape)}, not {tuple(tensor.shape)}")
    surplus = tensors.keys() - wanted.keys()
    if surplus:
        raise InputError(path, f"holds {len(surplus)} tensors that its model lacks, {min(surplus)} among them")
    model.load_state_dict({name: tensor.float() for name, tensor in tensors.items()}, assign=True)
    return Checkpoint(model.eval(), provenance)


def check_finite(model: ConvNeur, name: str) -> None:
    """Raises: InputError: a weight is NaN or infinite; `name` says whose weights they are."""
    for key, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise InputError(name, f"weight {key} holds NaN or infinite values; the training diverged")
