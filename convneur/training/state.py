"""What a run needs to go on as if it had never stopped: one safetensors file, replaced whole.

Choice: random states are not in it, since order, views and dropout follow from the seed and the step; the place in the
data is the step. Engines' own checkpoints are not used: reading them unpickles.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from convneur.errors import InputError
from convneur.files import new_file
from convneur.training.folder import STATE

__all__ = ["load_state", "read_progress", "save_state", "steps_done"]

_FORMAT = "convneur.training-state/1"


def save_state(
    path: Path,
    *,
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer | None,
    progress: dict[str, Any],
) -> None:
    """Write weights, their moving average, the optimizer's moments (None: before the first step) and the progress.

    Args:   progress: plain JSON data.

    Raises: InputError: the file cannot be written; the one before it is untouched.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for name, parameter in model.named_parameters():
        moments = {} if optimizer is None else optimizer.state.get(parameter, {})
        tensors |= {f"optimizer.{key}.{name}": tensor for key, tensor in moments.items()}
    # Each tensor on its own: safetensors refuses views of shared storage.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with new_file(path, force=True) as temporary:
        try:
            save_file(plain, temporary, metadata={"format": _FORMAT, "progress": json.dumps(progress)})
        except SafetensorError as error:  # a full disk comes as one of these
            raise InputError(path, f"could not be written ({error}); the state before it is kept") from None


def read_progress(path: Path) -> dict[str, Any]:
    """The progress alone. Raises: InputError: no such file, or a damaged one."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(path, f"cannot be read ({error}); begin again with `force`") from None
    if metadata.get("format") != _FORMAT:
        raise InputError(path, "is no training state; begin again with `force`")
    return json.loads(metadata["progress"])


def steps_done(folder: Path) -> int:
    """How far the run in a folder has come by its state, 0 without one.

    >>> steps_done(Path("runs/none"))
    0
    """
    path = folder / STATE
    return int(read_progress(path)["step"]) if path.exists() else 0


def load_state(path: Path, *, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Put everything back where `save_state` took it, bit for bit and in the same memory layout; the progress.

    Raises: InputError: no such file, a damaged one, or another model's.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(path, f"cannot be read ({error}); begin again with `force`") from None
    if metadata.get("format") != _FORMAT:
        raise InputError(path, "is no training state; begin again with `force`")
    with torch.no_grad():
        for place, module in (("model", model), ("average", average)):
            for name, tensor in module.state_dict().items():
                saved = tensors.get(f"{place}.{name}")
                if saved is None or saved.shape != tensor.shape:
                    raise InputError(path, f"is of another model ({name} differs); begin again with `force`")
                tensor.copy_(saved)
        for name, parameter in model.named_parameters():
            moments = {}
            for key in ("step", "exp_avg", "exp_avg_sq"):
                saved = tensors.get(f"optimizer.{key}.{name}")
                if saved is not None:
                    # As AdamW made it: the layout decides the order of rounding.
                    moments[key] = saved if saved.ndim == 0 else torch.empty_like(parameter).copy_(saved)
            if moments:
                optimizer.state[parameter] = moments
    return json.loads(metadata["progress"])
