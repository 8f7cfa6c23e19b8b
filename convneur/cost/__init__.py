"""The cost room: what a net executes, by which convention, how that grows with the image, how long it takes.

    net = NetCounter(VARIANTS["m1"])
    net.at(224, 224).macs                     # everything executed
    net.at(224, 224).macs_paper               # by the paper's convention
    count(any_module, torch.empty(1, 3, 224, 224, device="meta"))
    ForeignCounter(load_foreign("package.module:factory")).at(224, 224).macs

A multiply-add (MAC) is one; FLOPs are two per multiply-add; element-wise work stands apart from both.
"""

from convneur.cost.conventions import BRANCHES, Branch, Convention, branch_launches, branch_macs, in_convention
from convneur.cost.counter import (
    CostCount,
    CountingError,
    TrainingCount,
    Uncounted,
    Work,
    count,
    count_training,
)
from convneur.cost.foreign import ForeignCounter, ForeignNet, foreign_probe_sizes, load_foreign
from convneur.cost.fvcore_counter import CountDifference, count_differences, count_with_fvcore
from convneur.cost.latency import (
    BenchCase,
    BenchPlan,
    BenchResult,
    BenchSettings,
    Contender,
    Machine,
    RefusedCase,
    TimeSlope,
    Timing,
    describe_machine,
    matmul_peak,
    paired_ratio,
    plan_bench,
    run_bench,
    time_slope,
)
from convneur.cost.nets import (
    TWINS,
    ImageCost,
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
from convneur.cost.tables import PrintedCost, RowVerdict, TableName, TableRow, compare_printed, printed_costs

__all__ = [
    "BRANCHES",
    "PROBE_SIDE",
    "TWINS",
    "BenchCase",
    "BenchPlan",
    "BenchResult",
    "BenchSettings",
    "Branch",
    "Contender",
    "Convention",
    "CostCount",
    "CountDifference",
    "CountingError",
    "ForeignCounter",
    "ForeignNet",
    "ImageCost",
    "Machine",
    "NetCounter",
    "Prediction",
    "PrintedCost",
    "RefusedCase",
    "RefusedSize",
    "RowVerdict",
    "Scaling",
    "ScalingVerdict",
    "SizeCost",
    "TableName",
    "TableRow",
    "TimeSlope",
    "Timing",
    "TrainingCount",
    "TwinName",
    "Uncounted",
    "VerdictName",
    "Work",
    "WorkKind",
    "branch_launches",
    "branch_macs",
    "compare_printed",
    "count",
    "count_differences",
    "count_training",
    "count_with_fvcore",
    "describe_machine",
    "foreign_probe_sizes",
    "in_convention",
    "judge_scaling",
    "load_foreign",
    "local_slopes",
    "matmul_peak",
    "net_scaling",
    "paired_ratio",
    "plan_bench",
    "predict_largest",
    "printed_costs",
    "probe_sizes",
    "quadratic_shares",
    "run_bench",
    "time_slope",
    "twin_of",
]
