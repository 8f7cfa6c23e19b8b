"""Whether a model is being written down as a graph, for another program to run."""

import torch

__all__ = ["is_exporting", "is_open", "is_traced"]


def is_exporting() -> bool:
    """Inside torch.export or what builds on it, where sizes may be left open."""
    return bool(getattr(torch.compiler, "is_exporting", bool)())


def is_open(side: object) -> bool:
    """Whether a size has no number: the graph takes any."""
    return isinstance(side, torch.SymInt)


def is_traced() -> bool:
    """Inside torch.export or torch.jit.trace: the graph should hold operators that every reader knows."""
    return is_exporting() or torch.jit.is_tracing()  # type: ignore[attr-defined]  # not in torch's stubs
