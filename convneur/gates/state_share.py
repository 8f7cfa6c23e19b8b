"""How much of a gate's variance is the state's, and how much of that is one factor for all positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # at run time a result needs no torch
    from torch import Tensor

    from convneur.model.global_branches import GlobalBranch

__all__ = ["MOST_IMAGES", "StateShare", "StateShares"]

MOST_IMAGES = 16
"""Choice: every image's queries meet every state, so work grows with their square; those taken are spread evenly."""

_POSITIONS = 256  # Choice: of each image, spread evenly


@dataclass(frozen=True)
class StateShare:
    """Of a stage's gate, over all pairs of an image's queries and an image's state.

    share: of its variance, what is the state's: sum over channels of the variance over states, mean over images and
    positions, over the variance over all; 0 to 1. uniform: the part of that which is the same at all positions, as a
    squeeze-and-excitation would act. images: of how many. Both are None below two images, or of a
    constant gate.

    >>> StateShare(1, share=0.25, uniform=0.125, images=16).record()
    {'share': 0.25, 'uniform': 0.125, 'images': 16}
    """

    stage: int
    share: float | None
    uniform: float | None
    images: int

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return {"share": self.share, "uniform": self.uniform, "images": self.images}


class _Seen(NamedTuple):
    """An image at one stage: q (P, m) of its positions; states (P, rows, m), those that they read, or (1, rows, m)."""

    q: "Tensor"
    states: "Tensor"


class StateShares:
    """Takes image after image and keeps of up to `MOST_IMAGES` their queries and states.

    Args: branches: each stage's global branch around a neural memory.
    """

    def __init__(self, branches: "Mapping[int, GlobalBranch]") -> None:
        self._branches = branches
        self._seen: dict[int, list[_Seen]] = {stage: [] for stage in branches}

    def add(self, reduced: "Mapping[int, Tensor]") -> None:
        """Take an image. reduced: each stage's (1, m, h, w), what the branch's first convolution made of it."""
        import torch

        from convneur.model.memory import NeuralMemory, unit_length

        with torch.inference_mode():
            for stage, branch in self._branches.items():
                memory = branch.mixer
                assert isinstance(memory, NeuralMemory)
                x = reduced[stage].flatten(2).transpose(1, 2)
                count = x.shape[1]
                places = torch.linspace(0, count - 1, min(count, _POSITIONS), dtype=torch.float64).round().long()
                q = unit_length(memory.qkv(x[0, places])[:, : memory.mem_dim])
                states = memory.states(x)[0]
                if len(states) > 1:
                    states = states[memory.chunk_of_tokens(count)[places]]
                known = self._seen[stage]
                if len(known) < MOST_IMAGES and (not known or known[0].states.shape == states.shape):
                    known.append(_Seen(q, states))

    def found(self) -> tuple[StateShare, ...]:
        """The shares of each stage."""
        return tuple(_share(stage, branch, self._seen[stage]) for stage, branch in self._branches.items())


def _share(stage: int, branch: "GlobalBranch", seen: Sequence[_Seen]) -> StateShare:
    import torch

    from convneur.model.memory import recall

    if len(seen) < 2:
        return StateShare(stage, None, None, len(seen))
    found: list[tuple[Tensor, ...]] = []
    with torch.inference_mode():
        weight, bias = branch.expand.weight.flatten(1), branch.expand.bias
        for q, _ in seen:
            # J P 1 m: a query may have a state of its own.
            y = torch.stack([recall(q[:, None], states.to(q.dtype)) for _, states in seen])
            gates = torch.nn.functional.linear(y.squeeze(2), weight, bias).sigmoid().double()  # J P C
            by_state, uniform = gates.var(0, correction=0).sum(1).mean(), gates.mean(1).var(0, correction=0).sum()
            found.append((by_state, uniform, gates.mean((0, 1)), gates.square().mean((0, 1))))
        by_state, uniform, mean, square = (torch.stack(parts).mean(0) for parts in zip(*found, strict=True))
        total = float((square - mean.square()).sum())
    if total <= 0:
        return StateShare(stage, None, None, len(seen))
    return StateShare(stage, float(by_state) / total, float(uniform) / total, len(seen))
