"""What diverges first: the memory's state and the map that becomes the gate.

A model whose memory grows can train with a falling loss, for the sigmoid saturates; it shows at larger images as NaN.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from convneur.model.global_branches import GlobalBranch
from convneur.model.memory import NeuralMemory
from convneur.model.network import ConvNeur, ConvNeurBlock

__all__ = ["FREE", "LARGEST", "SATURATED", "Diagnostics", "excess", "read_diagnostics", "watched_contexts"]

# Choice: float32's sigmoid is 1 from 17 on; a model whose gates had long saturated was still far below 1000 in both.
SATURATED = 30.0
FREE = 4.0  # Choice: up to here the sigmoid still moves: .982, with a slope of .018
LARGEST = 1000.0


class Diagnostics(NamedTuple):
    """The largest values over the images and blocks of each stage, None where a stage has no such thing.

    memory: ||M||_F of the state after the last chunk. context: |G|, before the sigmoid.
    """

    memory: tuple[float | None, ...]
    context: tuple[float | None, ...]

    @property
    def largest(self) -> float:
        """Of both, over all stages; 0 for a model without a global branch. NaN counts as infinite."""
        return _largest((*self.memory, *self.context))

    @property
    def largest_context(self) -> float:
        """The largest |G| over all stages; 0 for a model without a global branch. NaN counts as infinite."""
        return _largest(self.context)


def _largest(values: Iterable[float | None]) -> float:
    known = (value for value in values if value is not None)
    return max((value if value == value else float("inf") for value in known), default=0.0)


@torch.no_grad()
def read_diagnostics(model: ConvNeur, x: Tensor) -> Diagnostics:
    """Walk a batch through the backbone and read each stage. x: (B, C, H, W)."""
    memory: list[float | None] = []
    context: list[float | None] = []
    for stage, blocks in enumerate(model.stages):
        x = model.stem(x) if stage == 0 else model.downsamples[stage - 1](x)
        norms: list[float] = []
        largest: list[float] = []
        block: ConvNeurBlock
        for block in blocks:  # type: ignore[attr-defined]
            branch = block.global_branch
            if isinstance(branch, GlobalBranch):  # not a folded one: this model is being trained
                largest.append(float(branch(x).abs().max()))
                mixer = branch.mixer
                if isinstance(mixer, NeuralMemory):
                    tokens = branch.reduce(x).flatten(2).transpose(1, 2)  # B m H W -> B N m
                    state = mixer.stream(tokens).state
                    norms.append(float(torch.linalg.matrix_norm(state.memory.float()).max()))
            x = block(x)
        memory.append(_max(norms))
        context.append(_max(largest))
    return Diagnostics(tuple(memory), tuple(context))


@contextmanager
def watched_contexts(model: nn.Module) -> Iterator[list[Tensor]]:
    """A list that fills with G of each global branch, (B, C, H, W), in the forward passes inside the block."""
    seen: list[Tensor] = []
    handles = [
        module.register_forward_hook(lambda branch, taken, g: seen.append(g))
        for module in model.modules()
        if isinstance(module, GlobalBranch)
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def excess(contexts: list[Tensor]) -> Tensor:
    """The mean of (|G| - FREE)^2 where |G| is above FREE, over images, channels, positions and branches; in float32.

    Choice: none below. A penalty on all of G^2 wins, under AdamW, over the faint gradients that reach shallow gates: in
    a thousand steps on images (weight 3e-3) it emptied the memories of stages 1 and 2: ||M||_F below .02.
    """
    return torch.stack([(g.float().abs() - FREE).clamp(min=0).square().mean() for g in contexts]).mean()


def _max(values: list[float]) -> float | None:
    # max() of Python passes NaN over or not by its place.
    return None if not values else float(torch.tensor(values).max())
