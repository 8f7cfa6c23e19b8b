"""Whose work counts: the paper's convention beside the full count, and the branch that each multiply-add is of.

Printed in the paper are multiply-adds, called FLOPs there. Derived from its figures: they hold every convolution,
every linear layer and the memory's read, and leave out the products of the memory's update and of self-attention.
"""

from collections.abc import Iterable
from typing import Literal

from torch import nn

from convneur.cost.counter import CostCount, Work
from convneur.model.attention import SelfAttention
from convneur.model.fusion import Addition, Concat, Gating
from convneur.model.global_branches import FoldedGlobalBranch, GlobalBranch
from convneur.model.layers import LocalBranch
from convneur.model.memory import MemoryWrite
from convneur.model.titans import SegmentAttention

__all__ = ["BRANCHES", "Branch", "Convention", "branch_launches", "branch_macs", "in_convention"]

Convention = Literal["all", "paper"]
Branch = Literal["local", "global", "fusion", "other"]
BRANCHES: tuple[Branch, ...] = ("local", "global", "fusion", "other")

_BRANCH_OF: dict[type[nn.Module], Branch] = {
    LocalBranch: "local",
    GlobalBranch: "global",
    FoldedGlobalBranch: "global",
    Gating: "fusion",
    Addition: "fusion",
    Concat: "fusion",
}


def in_convention(model: nn.Module, count: CostCount, convention: Convention) -> tuple[Work, ...]:
    """The work that a convention counts.

    Choice: all counts what is executed. Derived: paper leaves out the products that a memory's update or a
    self-attention computes itself; the linear layers inside them count.
    """
    if convention == "all":
        return count.work
    updates_and_attention = (MemoryWrite, SelfAttention, SegmentAttention)  # a non-local block's products do count
    left_out = {path for path, module in model.named_modules() if isinstance(module, updates_and_attention)}
    return tuple(entry for entry in count.work if entry.module not in left_out)


def branch_macs(model: nn.Module, work: tuple[Work, ...]) -> dict[Branch, int]:
    """Multiply-adds of the local branches, the global ones, the fusions, and of all else: stem, downsampling, head."""
    return _by_branch(model, ((entry.module, entry.macs) for entry in work))


def branch_launches(model: nn.Module, count: CostCount) -> dict[Branch, int] | None:
    """Operators launched, split likewise; None where the counter cannot see them."""
    return None if count.module_launches is None else _by_branch(model, count.module_launches.items())


def _by_branch(model: nn.Module, amounts: Iterable[tuple[str, int]]) -> dict[Branch, int]:
    """Amounts of modules, summed over the branch that each module is a part of."""
    roots = {path: _BRANCH_OF[type(module)] for path, module in model.named_modules() if type(module) in _BRANCH_OF}
    sums: dict[Branch, int] = dict.fromkeys(BRANCHES, 0)
    for module, amount in amounts:
        parts = module.split(".")
        above = (".".join(parts[:depth]) for depth in range(len(parts), 0, -1))
        sums[next((roots[path] for path in above if path in roots), "other")] += amount
    return sums
