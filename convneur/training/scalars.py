"""The records of metrics.jsonl as scalars for TensorBoard."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["scalar_writer", "scalars_of"]


@contextmanager
def scalar_writer(folder: Path, step: int) -> Iterator[Callable[[Mapping[str, Any]], object]]:
    """What writes records to TensorBoard's files in a folder. Args: step: from which what is there counts no more."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder, purge_step=step + 1) as writer:

        def write(record: Mapping[str, Any]) -> None:
            for name, value in scalars_of(record).items():
                writer.add_scalar(name, value, record["step"])

        yield write


def scalars_of(record: Mapping[str, Any]) -> dict[str, float]:
    """A record's numbers by name: iou/road for a class, memory_norm/stage 1 for a stage; without undefined ones."""
    found: dict[str, float] = {}
    for name, value in record.items():
        if isinstance(value, Mapping):
            found |= {f"{name}/{key}": each for key, each in value.items() if each is not None}
        elif isinstance(value, (list, tuple)):
            found |= {f"{name}/stage {number}": each for number, each in enumerate(value, start=1) if each is not None}
        elif name != "step" and value is not None:
            found[name] = value
    return found
