"""The cost room: what a net executes, by which convention it is counted, and how it grows with the image.

    net = NetCounter(VARIANTS["m1"])
    net.at(224, 224).macs                     # everything executed
    net.at(224, 224).macs_paper               # by the paper's convention
    count(any_module, torch.empty(1, 3, 224, 224, device="meta"))

A multiply-add (MAC) is one; FLOPs are two per multiply-add; element-wise work stands apart from both.
"""

from convneur.cost.conventions import BRANCHES, Branch, Convention, branch_macs, in_convention
from convneur.cost.counter import CostCount, CountingError, Uncounted, Work, count
from convneur.cost.fvcore_counter import CountDifference, count_differences, count_with_fvcore
from convneur.cost.nets import (
    TWINS,
    NetCounter,
    RefusedSize,
    Scaling,
    SizeCost,
    TwinName,
    net_scaling,
    probe_sizes,
    twin_of,
)
from convneur.cost.operators import WorkKind
from convneur.cost.scaling import (
    PROBE_SIDE,
    Prediction,
    ScalingVerdict,
    VerdictName,
    judge_scaling,
    local_slopes,
    predict_largest,
    quadratic_shares,
)

__all__ = [
    "BRANCHES",
    "PROBE_SIDE",
    "TWINS",
    "Branch",
    "Convention",
    "CostCount",
    "CountDifference",
    "CountingError",
    "NetCounter",
    "Prediction",
    "RefusedSize",
    "Scaling",
    "ScalingVerdict",
    "SizeCost",
    "TwinName",
    "Uncounted",
    "VerdictName",
    "Work",
    "WorkKind",
    "branch_macs",
    "count",
    "count_differences",
    "count_with_fvcore",
    "in_convention",
    "judge_scaling",
    "local_slopes",
    "net_scaling",
    "predict_largest",
    "probe_sizes",
    "quadratic_shares",
    "twin_of",
]
