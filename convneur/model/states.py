"""A model whose memories read from other states than the image's own: what the image's context is worth.

    with recorded_states(model) as own:
        model(image)
    with given_states(model, of_another_image):
        model(image)  # the queries are this image's, the states another's

The states are recorded in an unchanged pass and then given at all stages at once.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from convneur.model.memory import NeuralMemory

__all__ = ["States", "given_states", "recorded_states", "start_states"]

States = Mapping[str, Tensor]
"""By the name of each memory in its model: (B, U, m, m), as `NeuralMemory.states` gives them."""


@contextmanager
def recorded_states(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Keep the states that the reads of the next run see; what the model gives stays what it is, bit for bit.

    >>> import torch
    >>> memory = NeuralMemory(8, chunks=2, read="final")
    >>> with recorded_states(memory) as states:
    ...     _ = memory(torch.zeros(1, 12, 8))
    >>> states[""].shape
    torch.Size([1, 1, 8, 8])
    """
    found: dict[str, Tensor] = {}

    def recorder(name: str) -> Callable[..., None]:
        def record(memory: NeuralMemory, given: tuple[Any, ...], output: Tensor) -> None:
            found[name] = memory.states(given[0])

        return record

    with _hooked(model, recorder):
        yield found


@contextmanager
def given_states(model: nn.Module, states: States) -> Iterator[None]:
    """Have each memory read from these states in place of the image's.

    Raises: KeyError: a memory without a state; ValueError, when the model runs: states of another number of chunks.

    >>> import torch
    >>> memory = NeuralMemory(8, chunks=2, read="final")
    >>> x = torch.randn(1, 12, 8)
    >>> with given_states(memory, start_states(memory)):
    ...     bool(torch.equal(memory(x), memory.read_from(x, memory.initial[None, None])))
    True
    """

    def reader(name: str) -> Callable[..., Tensor]:
        return lambda memory, given, output: memory.read_from(given[0], states[name])

    with _hooked(model, reader):
        yield


def start_states(model: nn.Module) -> States:
    """M_0 of each memory: a context that no image has written to, which no training has seen either.

    >>> list(start_states(NeuralMemory(8)))
    ['']
    """
    return {name: memory.initial.detach()[None, None] for name, memory in _memories(model)}


def _memories(model: nn.Module) -> list[tuple[str, NeuralMemory]]:
    return [(name, module) for name, module in model.named_modules() if isinstance(module, NeuralMemory)]


@contextmanager
def _hooked(model: nn.Module, hook: Callable[[str], Callable[..., Any]]) -> Iterator[None]:
    hooks = [memory.register_forward_hook(hook(name)) for name, memory in _memories(model)]
    try:
        yield
    finally:
        for each in hooks:
            each.remove()
