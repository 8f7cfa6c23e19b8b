"""How a model begins: at random, or from another's weights with a report of what it took."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from convneur.checkpoints import check_finite, load_checkpoint
from convneur.data.normalisation import Normalisation
from convneur.detection import Detector, DetectorSettings, is_detector, load_detector, new_detector
from convneur.errors import InputError
from convneur.model.network import ConvNeur
from convneur.progress import Progress, silent
from convneur.training.task import Trainable
from convneur.variants import CHUNK_SETTINGS, ConvNeurConfig

__all__ = ["StartReport", "new_model", "start_from"]


def new_model(
    config: ConvNeurConfig,
    seed: int,
    *,
    detector: DetectorSettings | None = None,
    init: str | Path | None = None,
    progress: Progress = silent,
) -> Trainable:
    """A model with its random start, or with the weights in a file where they fit; says which of them it took.

    Args: detector: what follows the backbone of a detector.
    Raises: InputError: see `start_from`.

    >>> from convneur.variants import find_config
    >>> new_model(find_config("m1", num_classes=2), seed=0).config.num_classes
    2
    """
    torch.manual_seed(seed)
    model = ConvNeur(config) if detector is None else new_detector(config, detector)
    if init is None:
        return model
    path = Path(init)
    report = start_from(model, path)
    progress.note(f"{path}: {len(report.taken)} of {len(report.taken) + len(report.fresh)} tensors taken")
    for names, what in ((report.fresh, "begin at random"), (report.unused, "of the file are not used")):
        if names:
            progress.note(f"  {len(names)} {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}")
    for setting, (theirs, ours) in report.otherwise.items():
        keep = f"; `{setting} {theirs}` keeps it" if setting in CHUNK_SETTINGS and theirs is not None else ""
        own = "none" if ours is None else ours
        progress.warn(f"{path.name} was trained with {setting} {theirs}, this model has {own}{keep}")
    return model


@dataclass(frozen=True)
class StartReport:
    """What a model took from a file, and what not.

    taken: tensors that came from the file. fresh: those that keep their random start. unused: left in the file.
    otherwise: settings under which the file's weights were trained and the model's are not, by name (file's, model's).
    """

    taken: tuple[str, ...]
    fresh: tuple[str, ...]
    unused: tuple[str, ...]
    otherwise: Mapping[str, tuple[Any, Any]]


def start_from(model: Trainable, path: Path) -> StartReport:
    """Copy from a file every tensor that the model has too, by name; a head of other classes stays as it started.

    A detector takes a backbone from a file of another task, and gives its own to a model of one.

    Raises: InputError: no ConvNeur's weights, or a backbone of other widths.
    """
    whole = isinstance(model, Detector) and is_detector(path)
    source, provenance = load_detector(path) if whole else load_checkpoint(path)
    check_finite(source, str(path))
    theirs, ours = source.state_dict(), model.state_dict()
    if isinstance(model, Detector) and not isinstance(source, Detector):
        theirs = {f"backbone.{name}": tensor for name, tensor in theirs.items()}
    of_backbone = "backbone." if isinstance(model, Detector) else ("stem.", "downsamples.", "stages.")
    shared = [name for name in ours if name in theirs]
    for name in shared:
        if name.startswith(of_backbone) and theirs[name].shape != ours[name].shape:
            raise InputError(path, f"{_other_widths(source.config, model.config)} ({name} differs)")
    taken = [name for name in shared if theirs[name].shape == ours[name].shape]
    with torch.no_grad():
        for name in taken:
            ours[name].copy_(theirs[name])
    fresh = tuple(name for name in ours if name not in taken)
    unused = tuple(name for name in theirs if name not in taken)
    otherwise = _normalised_otherwise(path, provenance)
    if any(".global_branch." in name for name in taken):
        pairs = {name: (getattr(source.config, name), getattr(model.config, name)) for name in CHUNK_SETTINGS}
        otherwise |= {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return StartReport(tuple(taken), fresh, unused, otherwise)


def _other_widths(theirs: ConvNeurConfig, ours: ConvNeurConfig) -> str:
    """The first setting in which two backbones differ that changes the sizes of their tensors."""
    free = ("head", "num_classes", "in_channels", "drop_path_rate", *CHUNK_SETTINGS)
    names = [name for name in theirs.to_dict() if name not in free]
    setting = next((name for name in names if getattr(theirs, name) != getattr(ours, name)), "in_channels")
    then, now = getattr(theirs, setting), getattr(ours, setting)
    return f"holds a model of {setting} {then}, this one has {now}; choose the same `model` and settings"


def _normalised_otherwise(path: Path, provenance: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """mean and std of the pixels that the file's weights were trained on, where training's own are others."""
    theirs, ours = Normalisation.stated(path, provenance), Normalisation()
    pairs = zip(("mean", "std"), theirs.values, ours.values, strict=True)
    return {name: (stated, own) for name, stated, own in pairs if stated != own}
