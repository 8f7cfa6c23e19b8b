"""fvcore as a second, independent counter: it traces the module with TorchScript, so it computes on real tensors.

It counts multiply-adds, though it calls them flops. It knows convolutions and matrix products; attention through
`scaled_dot_product_attention` and whatever else it has no formula for it lists and leaves out.
"""

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from convneur.cost.counter import CostCount, Uncounted, Work, counting_error, in_eval_mode
from convneur.cost.operators import WorkKind, describe_operator

__all__ = ["CountDifference", "count_differences", "count_with_fvcore"]

# fvcore's names; what it counts for norms, pooling and interpolation is element-wise work, which stands apart.
_KINDS: Mapping[str, WorkKind] = {
    "conv": "convolution",
    "linear": "matmul",
    "matmul": "matmul",
    "mm": "matmul",
    "addmm": "matmul",
    "bmm": "matmul",
    "einsum": "matmul",
}


def count_with_fvcore(model: nn.Module, *inputs: Tensor) -> CostCount:
    """Multiply-adds of `model(*inputs)` as fvcore counts them, without gradients and in eval mode.

    The model is afterwards as it was, also after an error. Time and memory are those of running it, and more.

    Args:    model, inputs: on a device that computes; meta will not do.
    Returns: peak memory and modules None: fvcore does not see them.
    Raises:  CountingError: the model refused the inputs, or cannot be traced.
    """
    with warnings.catch_warnings():
        # It imports and calls what torch has deprecated, and traces sizes as constants, which is what is wanted.
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis

        analysis = FlopCountAnalysis(model, inputs).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        analysis.set_op_handle("aten::_convolution_mode", _padded_convolution)
        try:
            with _hooks_kept(model), in_eval_mode(model), torch.no_grad():
                counted = analysis.by_module_and_operator()
        except Exception as error:
            raise counting_error(error, inputs) from error
    unsupported = {path: analysis.unsupported_ops(path) for path in counted}
    return CostCount(
        params=sum(parameter.numel() for parameter in model.parameters()),
        work=tuple(
            Work(path, operator, _KINDS[operator], calls=None, macs=round(macs))
            for path, operators in _own(counted).items()
            for operator, macs in operators.items()
            if operator in _KINDS
        ),
        uncounted=tuple(
            Uncounted(path, operator.removeprefix("aten::"), calls)
            for path, operators in _own(unsupported).items()
            for operator, calls in operators.items()
            if _has_work(operator)
        ),
        peak_activation_bytes=None,
        modules=None,
    )


def _padded_convolution(inputs: list[Any], outputs: list[Any]) -> "Counter[str]":
    """fvcore's formula for a convolution, of one whose padding is "same" or "valid", which it does not know."""
    from fvcore.nn.jit_handles import conv_flop_count, get_shape

    image, weight, result = (get_shape(value) for value in (*inputs[:2], outputs[0]))
    return Counter({"conv": conv_flop_count(image, weight, result)})


@dataclass(frozen=True)
class CountDifference:
    """Multiply-adds of one kind inside one module on which two counters differ."""

    module: str
    kind: WorkKind
    dispatch: int
    fvcore: int


def count_differences(dispatch: CostCount, fvcore: CostCount) -> tuple[CountDifference, ...]:
    """Where two counts of the same pass differ on convolution and matmul work, module by module; empty if nowhere."""

    def tally(count: CostCount) -> Counter[tuple[str, WorkKind]]:
        macs: Counter[tuple[str, WorkKind]] = Counter()
        for entry in count.work:
            if entry.kind != "attention":
                macs[entry.module, entry.kind] += entry.macs
        return macs

    first, second = tally(dispatch), tally(fvcore)
    return tuple(
        CountDifference(*place, first[place], second[place])
        for place in dict.fromkeys([*first, *second])
        if first[place] != second[place]
    )


def _own(inclusive: Mapping[str, "Counter[str]"]) -> dict[str, "Counter[str]"]:
    """Each module's counts without its children's, from counts that hold them."""
    own = {path: Counter(counts) for path, counts in inclusive.items()}
    for path, counts in inclusive.items():
        parent, _, _ = path.rpartition(".")
        while path and parent not in own:  # a shared module's owner may go by another name
            parent, _, _ = parent.rpartition(".")
        if path:
            own[parent].subtract(counts)
    return {path: +counts for path, counts in own.items()}


def _has_work(operator: str) -> bool:
    """Whether an operator that fvcore has no formula for is more than element-wise work, movement or a view."""
    namespace, _, name = operator.partition("::")
    packet = getattr(getattr(torch.ops, namespace), name, None) if namespace == "aten" else None
    if packet is None:
        return True
    kinds = {describe_operator(getattr(packet, overload)).kind for overload in packet.overloads()}
    return not kinds <= {"elementwise", "movement"}


@contextmanager
def _hooks_kept(model: nn.Module) -> Iterator[None]:
    """Remove the hooks that fvcore leaves behind when the trace fails."""

    def hooks() -> list[Any]:
        return [kept for module in model.modules() for kept in (module._forward_pre_hooks, module._forward_hooks)]

    before = [set(kept) for kept in hooks()]
    try:
        yield
    finally:
        for kept, known in zip(hooks(), before, strict=True):
            for number in kept.keys() - known:
                del kept[number]
