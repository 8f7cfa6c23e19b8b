"""What a run needs to go on as if it had never stopped: one safetensors file, replaced whole.

Choice: random states are not in it, since order, views and dropout follow from the seed and the step; the place in the
data is the step. Engines' own checkpoints are not used: reading them unpickles.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NotRequired, TypedDict

import torch
from torch import nn

from convneur.data.examples import Task
from convneur.detection import DetectorSettings, new_detector
from convneur.errors import InputError
from convneur.model.network import ConvNeur
from convneur.schema import SchemaError, parsed, typed
from convneur.tensor_files import TensorFile, open_tensors, write_tensors
from convneur.training.folder import STATE
from convneur.variants import ConvNeurConfig

__all__ = ["RunProgress", "Validation", "load_state", "read_progress", "save_state", "steps_done"]

_FORMAT = "convneur.training-state/1"
_MEND = "begin again with `force`"
_SCORES: Mapping[Task, tuple[str, ...]] = {
    "segmentation": ("miou", "pixel_accuracy"),
    "classification": ("top1",),
    "detection": ("box_ap", "box_ap50"),
}


class Validation(TypedDict):
    """A validation's record, see `TrainingTask.record`: of classification top1, of segmentation the next three, of
    detection the others, those of masks where objects have them."""

    step: int
    score: float
    top1: NotRequired[float]
    miou: NotRequired[float]
    pixel_accuracy: NotRequired[float]
    iou: NotRequired[dict[str, float | None]]
    box_ap: NotRequired[float]
    box_ap50: NotRequired[float]
    mask_ap: NotRequired[float]
    mask_ap50: NotRequired[float]


class RunProgress(TypedDict):
    """How far a run has come. losses: since the last record; validations: in order."""

    step: int
    losses: list[float]
    validations: list[Validation]


def save_state(
    path: Path,
    *,
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    progress: RunProgress,
) -> None:
    """Write weights, their moving average, the optimizer's moments (None: before the first step) and the progress.

    Raises: InputError: the file cannot be written; the one before it is untouched.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for name, parameter in model.named_parameters():
        moments = {} if optimizer is None else optimizer.state.get(parameter, {})
        tensors |= {f"optimizer.{key}.{name}": tensor for key, tensor in moments.items()}
    write_tensors(path, tensors, {"format": _FORMAT, "progress": json.dumps(progress)}, force=True)


def read_progress(path: Path, steps: int | None = None, task: Task | None = None) -> RunProgress:
    """The progress alone. Args: steps, task: of the run that it must be of.

    Raises: InputError: no such file, a damaged one, or another run's.
    """
    return _progress(_opened(path), steps, task)


def steps_done(folder: Path) -> int:
    """How far the run in a folder has come by its state, 0 without one.

    >>> steps_done(Path("runs/none"))
    0
    """
    path = folder / STATE
    return read_progress(path)["step"] if path.exists() else 0


def refuse_other_model(path: Path, config: ConvNeurConfig, detector: DetectorSettings | None = None) -> None:
    """Compare a state's header with a config, before a model of its size is made. Raises: InputError: another's."""
    model: nn.Module
    with torch.device("meta"):
        model = ConvNeur(config) if detector is None else new_detector(config, detector)
    _refuse_misfit(_opened(path), {f"model.{name}": tuple(each.shape) for name, each in model.state_dict().items()})


def _refuse_misfit(file: TensorFile, wanted: Mapping[str, tuple[int, ...]]) -> None:
    misfit = file.misfit(wanted)
    if misfit is not None:
        raise InputError(file.path, f"is of another model ({misfit}); {_MEND}")


def load_state(
    path: Path,
    *,
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
    steps: int | None = None,
    task: Task | None = None,
) -> RunProgress:
    """Put everything back where `save_state` took it, bit for bit and in the same memory layout; the progress.

    Args:   steps, task: see `read_progress`.
    Raises: InputError: no such file, a damaged one, or another model's or run's.
    """
    file = _opened(path)
    progress = _progress(file, steps, task)
    modules = {"model": model, "average": average}
    wanted = {
        f"{place}.{name}": tuple(tensor.shape)
        for place, module in modules.items()
        for name, tensor in module.state_dict().items()
    }
    for name, parameter in model.named_parameters():  # those that had no gradient have no moments
        for key, shape in (("step", ()), ("exp_avg", parameter.shape), ("exp_avg_sq", parameter.shape)):
            if f"optimizer.step.{name}" in file.shapes:
                wanted[f"optimizer.{key}.{name}"] = tuple(shape)
    _refuse_misfit(file, wanted)
    tensors = file.read(wanted)
    with torch.no_grad():
        for place, module in modules.items():
            for name, tensor in module.state_dict().items():
                tensor.copy_(tensors[f"{place}.{name}"])
        for name, parameter in model.named_parameters():
            if f"optimizer.step.{name}" in tensors:
                # As AdamW made them: the layout decides the order of rounding.
                moments = {key: tensors[f"optimizer.{key}.{name}"] for key in ("exp_avg", "exp_avg_sq")}
                optimizer.state[parameter] = {
                    "step": tensors[f"optimizer.step.{name}"],
                    **{key: torch.empty_like(parameter).copy_(saved) for key, saved in moments.items()},
                }
    return progress


def _opened(path: Path) -> TensorFile:
    try:
        file = open_tensors(path)
    except InputError as error:
        problem = error.problem.partition("; ")[0]  # another mend
        raise InputError(path, f"cannot be read ({problem}); {_MEND}") from None
    if file.metadata.get("format") != _FORMAT:
        raise InputError(path, f"is no training state; {_MEND}")
    return file


def _progress(file: TensorFile, steps: int | None, task: Task | None) -> RunProgress:
    try:
        if "progress" not in file.metadata:
            raise SchemaError("progress", "is missing")
        progress = typed(parsed(file.metadata["progress"]), RunProgress, "progress")
        validated = [record["step"] for record in progress["validations"]]
        if validated != sorted(set(validated)) or not 0 <= max(validated, default=0) <= progress["step"]:
            raise SchemaError("progress.validations", "are not in the order of their steps")
        for at, record in enumerate(progress["validations"]):
            for key in _SCORES[task] if task else ():
                if key not in record:
                    raise SchemaError(f"progress.validations[{at}].{key}", "is missing")
        if steps is not None and (progress["step"] > steps or (progress["step"] == steps and steps not in validated)):
            raise SchemaError("progress.step", f"{progress['step']} is not of a run of {steps} steps")
        return progress
    except SchemaError as error:
        raise InputError(file.path, f"is damaged ({error}); {_MEND}") from None
