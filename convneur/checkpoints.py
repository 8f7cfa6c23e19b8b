"""Weights in and out: safetensors, with the config and where they come from inside the file. Never pickle."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch

from convneur.errors import InputError
from convneur.files import new_folder, new_text, refuse_existing
from convneur.model.global_branches import FoldedGlobalBranch
from convneur.model.network import ConvNeur
from convneur.packaged import FOLDER_CONFIG, FOLDER_WEIGHTS, weights_path
from convneur.schema import SchemaError, parsed, read_bytes, typed
from convneur.tensor_files import TensorFile, open_tensors, write_tensors
from convneur.variants import ConvNeurConfig

__all__ = [
    "DETECTOR_FORMAT",
    "FORMAT",
    "Checkpoint",
    "check_finite",
    "load_checkpoint",
    "provenance_text",
    "save_checkpoint",
    "save_folder",
]

FORMAT = "convneur.weights/1"
DETECTOR_FORMAT = "convneur.detector/1"  # of which a backbone is a part
_BACKBONE = "backbone."
MODEL_TYPE = "convneur"  # of a folder's config.json, by which other libraries tell theirs
CARD = "README.md"

_SAVE = "save the model with convneur.save_checkpoint"

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

    Raises: InputError: the file exists and `force` is off, or it cannot be written; ValueError: the model is folded, or
        is not what its config describes, so that the file could not be loaded: a stage removed, a head replaced.

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
    pool = getattr(model.head, "pool_type", "avg")  # of timm's models, which a config does not hold
    if pool != "avg" and model.config.head == "classifier":
        raise ValueError(f"its head pools by {pool or 'nothing'}, and what is loaded by avg: save it by timm")
    tensors = model.state_dict()
    wanted = _shapes(model.config)
    own = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    odd = sorted(name for name in own.keys() | wanted.keys() if own.get(name) != wanted.get(name))
    if odd:
        way_on = "give it back the form of its config; of timm's models, call `reset_classifier(0, reset_other=True)`"
        raise ValueError(f"not the model that its config describes ({odd[0]}), so it could not be loaded; {way_on}")
    metadata = {
        "format": FORMAT,
        "config": json.dumps(model.config.to_dict()),
        "provenance": provenance_text(provenance),
    }
    write_tensors(Path(path), tensors, metadata, force=force)


def provenance_text(provenance: Mapping[str, Any] | None) -> str:
    """What a file says of its weights' origin, as JSON. Raises: ValueError: what could not be read back.

    >>> provenance_text({"loss": float("nan")})
    Traceback (most recent call last):
    ValueError: provenance: holds NaN, which is not a JSON number; leave it out or give None
    """
    text = json.dumps(dict(provenance or {}))
    try:
        parsed(text)
    except SchemaError as error:
        raise ValueError(f"provenance: {error}; leave it out or give None") from None
    return text


def save_folder(
    model: ConvNeur,
    folder: str | Path,
    *,
    provenance: Mapping[str, Any] | None = None,
    card: str = "",
    force: bool = False,
) -> None:
    """Write a model as a folder of the form that the Hugging Face Hub has: config.json, model.safetensors, README.md.

    `load_checkpoint` and `convneur.load` read it by the folder's name.

    Args:   provenance: as of `save_checkpoint`; card: the text of README.md, which is not written without one.
    Raises: as `save_checkpoint`, before anything is written.

    >>> import tempfile
    >>> import convneur
    >>> model = convneur.create(ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_folder(model, folder, provenance={"seed": 0})
    ...     sorted(path.name for path in Path(folder).iterdir()), load_checkpoint(folder).provenance
    (['config.json', 'model.safetensors'], {'seed': 0})
    """
    folder = new_folder(Path(folder))
    config, weights, readme = folder / FOLDER_CONFIG, folder / FOLDER_WEIGHTS, folder / CARD
    refuse_existing(config, weights, *([readme] if card else []), force=force)
    origin = json.loads(provenance_text(provenance))
    said = {"model_type": MODEL_TYPE, "config": model.config.to_dict(), "provenance": origin}
    text = json.dumps(said, indent=2, sort_keys=True) + "\n"
    save_checkpoint(model, weights, provenance=provenance, force=force)
    if card:
        new_text(readme, card, force=force)
    new_text(config, text, force=force)


def load_checkpoint(path: str | Path, *, expect: Mapping[str, Any] | None = None) -> Checkpoint:
    """Build the model that a file describes and give it the file's weights, in eval mode on the CPU, in fp32.

    Args:
        path: a file, a folder as `save_folder` writes it, or packaged weights by name, such as photos. Of a detector's
            file its backbone is read; `convneur.detection.load_detector` reads all of it.
        expect: settings of `ConvNeurConfig` that the file's model must have.
    Choice: the header, its description of the model and the tensors' sizes are judged before any tensor is read.
    Raises: InputError: not a safetensors file (a pickle is never read), no ConvNeur's, tensors that do not fit its
        config, or another model than `expect`.

    >>> import convneur
    >>> model, provenance = convneur.load_checkpoint("photos")
    >>> model.config.num_classes, provenance["teacher"]
    (1000, 'EfficientNet-Lite0, classes of EfficientNet-Lite2')
    """
    path = weights_path(path)
    if path.is_dir():
        raise InputError(path, f"is a folder without {FOLDER_CONFIG} and {FOLDER_WEIGHTS}; name a file of weights")
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise InputError.unreadable(path, error) from None
    if path.suffix.lower() == ".pt2":
        raise InputError(path, "a graph of torch.export, which only torch.export.load reads; name the weights it is of")
    if start.startswith(_PICKLED):
        raise InputError(path, f"a pickled checkpoint can run code and is never loaded; {_SAVE}")
    found = open_tensors(path)
    config, provenance = _described(found)
    for name, value in (expect or {}).items():
        if getattr(config, name) != value:
            raise InputError(path, f"holds a model with {name} {getattr(config, name)}, not {value}")

    model = _meta(config)
    part = _BACKBONE if found.metadata.get("format") == DETECTOR_FORMAT else ""
    wanted = {f"{part}{name}": tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    misfit = found.misfit(wanted)
    if misfit is not None:
        raise InputError(path, f"{misfit}; the file is not of the model it describes")
    surplus = {name for name in found.shapes if name.startswith(part)} - wanted.keys()
    if surplus:
        raise InputError(path, f"holds {len(surplus)} tensors that its model lacks, {min(surplus)[:60]} among them")
    tensors = {name.removeprefix(part): tensor.float() for name, tensor in found.read(wanted).items()}
    model.load_state_dict(tensors, assign=True)
    return Checkpoint(model.eval(), provenance)


def _meta(config: ConvNeurConfig) -> ConvNeur:
    """The model without memory for its tensors."""
    with torch.device("meta"):
        return ConvNeur(config)


def _shapes(config: ConvNeurConfig) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in _meta(config).state_dict().items()}


@dataclass(frozen=True)
class _FolderConfig:
    """A folder's config.json. config is checked apart, since whatever else the Hub puts beside it is left aside."""

    model_type: object = None
    config: object = None
    provenance: dict[str, Any] = field(default_factory=dict)


def _described(found: TensorFile) -> tuple[ConvNeurConfig, Mapping[str, Any]]:
    """The model that a file is of, and its weights' origin: said by the file or by the config.json of its folder."""
    folder = _folder_config(found.path)
    if found.metadata.get("format") in (FORMAT, DETECTOR_FORMAT):
        config = _stated(found, "config", ConvNeurConfig)
        if folder is not None and folder[0] != config:
            other = ", ".join(key for key, value in config.to_dict().items() if folder[0].to_dict()[key] != value)
            beside = found.path.with_name(FOLDER_CONFIG)
            raise InputError(beside, f"describes another model than {FOLDER_WEIGHTS} ({other}); save the folder again")
        return config, _stated(found, "provenance", dict[str, Any])
    if folder is None:
        other = repr(found.metadata.get("format"))[:40]
        problem = f"not weights of a ConvNeur (its format is {other}, not {FORMAT!r})"
        raise InputError(found.path, f"{problem}; name the weights.safetensors of a run, or {_SAVE}")
    return folder


def _folder_config(weights: Path) -> tuple[ConvNeurConfig, Mapping[str, Any]] | None:
    """What the config.json beside a folder's weights says, None where there is none or it is of something else."""
    path = weights.with_name(FOLDER_CONFIG)
    if weights.name != FOLDER_WEIGHTS or not path.is_file():
        return None
    mend = "save the folder again"
    text = read_bytes(path, mend=mend)
    try:
        said = typed(parsed(text), _FolderConfig, strict=False)
        if said.model_type != MODEL_TYPE:
            return None
        return typed(said.config, ConvNeurConfig, "config"), said.provenance
    except SchemaError as error:
        raise InputError(path, f"{error}; {mend}") from None


def _stated(found: TensorFile, key: str, kind: type[_T]) -> _T:
    """What the file says of its model under a key."""
    broken = "its description of the model is broken"
    if key not in found.metadata:
        raise InputError(found.path, f"{broken} ({key}: is missing); write the file again")
    try:
        return typed(parsed(found.metadata[key]), kind, key)
    except SchemaError as error:
        raise InputError(found.path, f"{broken} ({error}); write the file again") from None


def check_finite(model: torch.nn.Module, name: str) -> None:
    """Raises: InputError: a weight is NaN or infinite; `name` says whose weights they are."""
    for key, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise InputError(name, f"weight {key} holds NaN or infinite values; the training diverged")
