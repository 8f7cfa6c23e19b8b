"""The engine, Hugging Face Accelerate: the device, the processes, and what they tell each other."""

from typing import Any, Literal, get_args

import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast_object_list

from convneur.errors import ConfigError

__all__ = ["Device", "anyone", "is_main_process", "shared", "start_engine"]

Device = Literal["auto", "cpu"]


def start_engine(device: Device = "auto") -> Accelerator:
    """The engine of this process: alone, or one of those that its launcher (or torchrun) started.

    Args:   device: auto takes an accelerator if there is one.
    Raises: ConfigError: another device.

    >>> start_engine("cpu").device.type
    'cpu'
    """
    if device not in get_args(Device):
        raise ConfigError("device", f"choose {', '.join(get_args(Device))}", value=device)
    return Accelerator(cpu=device == "cpu", mixed_precision="no")


def shared(accelerator: Accelerator, value: Any) -> Any:
    """What the main process has, in every process."""
    return broadcast_object_list([value])[0] if accelerator.num_processes > 1 else value


def anyone(accelerator: Accelerator, yes: bool) -> bool:
    """Whether any process says so; all of them hear it."""
    if accelerator.num_processes == 1:
        return yes
    return bool(accelerator.reduce(torch.tensor(float(yes), device=accelerator.device), "sum") > 0)


def is_main_process() -> bool:
    """Whether this process is the one that writes and speaks, of those that a launcher started.

    >>> is_main_process()
    True
    """
    return bool(PartialState().is_main_process)
