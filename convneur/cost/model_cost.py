"""What was found of one model: its cost at each size, how that grows, its twins, and all of it as JSON."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from convneur.cost.conventions import BRANCHES, Branch
from convneur.cost.counter import CostCount, TrainingCount, Uncounted
from convneur.cost.fvcore_counter import CountDifference, count_differences
from convneur.cost.inputs import Sweep
from convneur.cost.model_counter import ImageCost, RefusedSize, Scaling, SizeCost, TwinName
from convneur.cost.operators import WorkKind
from convneur.cost.scaling import ScalingVerdict
from convneur.variants import ConvNeurConfig

__all__ = ["By", "CounterCheck", "ModelCost", "compare_counters", "model_name", "places_of", "split_by"]

By = Literal["branch", "module", "operator"]

_KINDS: tuple[WorkKind, ...] = ("convolution", "matmul", "attention")
_BY: Mapping[By, Callable[[ImageCost], Mapping[str, int]]] = {
    "branch": lambda cost: {str(branch): macs for branch, macs in _branches(cost).items()},
    "module": ImageCost.by_module,
    "operator": ImageCost.by_operator,
}
_COUNTED = (
    "macs",
    "flops",
    "macs_paper",
    "macs_per_pixel",
    "branches",
    "peak_activation_bytes",
    "chunks",
    "uncounted_operators",
    "uncounted_in",
    "launches",
    "branch_launches",
    "fft_flops",
)


@dataclass(frozen=True)
class CounterCheck:
    """Two counters' multiply-adds by kind of work, for each size by its name.

    dispatch and differences are None where fvcore counted alone; unseen: operators that fvcore leaves out, with calls.
    """

    dispatch: Mapping[str, Mapping[WorkKind, int]] | None
    fvcore: Mapping[str, Mapping[WorkKind, int]]
    differences: Mapping[str, tuple[CountDifference, ...]] | None
    unseen: Mapping[str, int]


@dataclass(frozen=True)
class ModelCost:
    """One model, counted.

    name: as it was asked for. twin: None for the model itself. config: None for a model that is no ConvNeur. params:
    None where such a model was refused at every size. source: where such a model comes from, None for a ConvNeur.
    ran_on_zeros: the meta device could not run it. built_for_real: why its weights were made for real before they were
    dropped for the meta device; None where they were not. built_per_size: it is another model, with other parameters,
    at each size. reads_before_write: its first chunk sees the learned M_0 alone. sizes, probes and training are by a
    size's name; training: None where the backward pass was not asked for. problems: what was refused, a line each.
    sweep: the axis in which the sizes differ, None for the image's own: a count's height is its value then, and its
    width 1.

    >>> import convneur
    >>> report = convneur.cost.analyze("m1", sizes=64, memory="none")
    >>> report.models[0].sizes["64"].macs
    46027520
    """

    name: str
    twin: TwinName | None
    config: ConvNeurConfig | None
    params: int | None
    source: str | None
    ran_on_zeros: bool
    built_for_real: str | None
    built_per_size: bool
    reads_before_write: bool
    sizes: Mapping[str, ImageCost | RefusedSize]
    probes: Mapping[str, ImageCost | RefusedSize]
    scaling: Scaling
    training: Mapping[str, TrainingCount | RefusedSize] | None
    counters: CounterCheck | None
    problems: tuple[str, ...]
    twins: "tuple[ModelCost, ...]" = ()
    sweep: Sweep | None = None

    @property
    def shown(self) -> str:
        """How it is called in a sentence."""
        return model_name(self.name, self.twin)

    @property
    def by_fvcore(self) -> bool:
        """Whether fvcore alone counted the sizes."""
        return self.counters is not None and self.counters.dispatch is None

    @property
    def hidden(self) -> ScalingVerdict | None:
        """The verdict on element-wise results, where that on multiply-adds is good and this is not."""
        elementwise = self.scaling.elementwise
        hides = elementwise is not None and not elementwise.is_subquadratic and self.scaling.verdict.is_subquadratic
        return elementwise if hides else None

    @property
    def counted(self) -> dict[str, ImageCost]:
        """The sizes that were not refused."""
        return {size: cost for size, cost in self.sizes.items() if isinstance(cost, ImageCost)}

    @property
    def trained(self) -> dict[str, TrainingCount]:
        """Likewise the sizes counted forward and backward."""
        return {size: cost for size, cost in (self.training or {}).items() if isinstance(cost, TrainingCount)}

    def to_dict(self, by: By | None = None, depth: int | None = None) -> dict[str, Any]:
        """The model's part of the schema convneur.flops/1."""
        scaling, verdict, predicted = self.scaling, self.scaling.verdict, self.scaling.predicted
        values: dict[str, Any] = {
            "name": self.twin or self.name,
            "config": None if self.config is None else self.config.to_dict(),
            "params": self.params,
            **({"params_at": next(iter(self.counted), None)} if self.built_per_size else {}),
            "ran_on_zeros": self.ran_on_zeros,
            "built_for_real": self.built_for_real,
            "sizes": [_size_dict(cost, self.sweep) for cost in self.sizes.values()],
            "scaling": {
                "verdict": verdict.verdict,
                "class": verdict.growth_class,
                "order": verdict.order,
                "quadratic_share": scaling.quadratic_share,
                "macs_per_pixel": verdict.macs_per_pixel,
                "elementwise": scaling.elementwise
                and {
                    "verdict": scaling.elementwise.verdict,
                    "class": scaling.elementwise.growth_class,
                    "order": scaling.elementwise.order,
                    "results_per_pixel": scaling.elementwise.macs_per_pixel,
                },
                "with_fft": scaling.with_fft
                and {
                    "verdict": scaling.with_fft.verdict,
                    "class": scaling.with_fft.growth_class,
                    "order": scaling.with_fft.order,
                },
                "local_slopes": scaling.local_slopes,
                "global_local_slopes": scaling.global_local_slopes,
                "predicted": predicted
                and {"pixels": predicted.pixels, "macs": predicted.macs, "relative_error": predicted.error},
            },
        }
        if self.twins:
            values["twins"] = [twin.to_dict(by, depth) for twin in self.twins]
        if self.counters is not None:
            differences = self.counters.differences
            values["counters"] = {
                "dispatch": self.counters.dispatch,
                "fvcore": self.counters.fvcore,
                "differences": None
                if differences is None
                else [
                    {"size": size, "module": d.module, "work": d.kind, "dispatch": d.dispatch, "fvcore": d.fvcore}
                    for size, found in differences.items()
                    for d in found
                ],
            }
        if by is not None:
            values["by"] = {by: {size: split_by(cost, by) for size, cost in self.counted.items()}}
        if depth is not None:
            trees = {size: cost.tree(depth) for size, cost in self.counted.items()}
            values["tree"] = {size: [row.to_dict() for row in tree.rows] for size, tree in trees.items() if tree}
        if self.training is not None:
            values["backward"] = {size: _training_dict(cost) for size, cost in self.training.items()}
        return values

    def records(self) -> list[dict[str, Any]]:
        """A row for each size; the columns are the JSON's keys."""
        rows: list[dict[str, Any]] = []
        for size, cost in self.sizes.items():
            values = _size_dict(cost, self.sweep)
            values.pop("swept", None)
            branches = values.pop("branches") or {}
            launches = values.pop("branch_launches") or {}
            del values["uncounted_in"]
            values["uncounted_operators"] = list(values["uncounted_operators"] or ())
            params = cost.count.params if isinstance(cost, ImageCost) else self.params
            row = (
                {"model": self.name, "twin": self.twin, "size": size, "params": params}
                | values
                | {branch: branches.get(branch) for branch in BRANCHES}
                | {f"{branch}_launches": launches.get(branch) for branch in BRANCHES}
                | {"verdict": self.scaling.verdict.verdict, "order": self.scaling.verdict.order}
            )
            if self.training is not None:
                training = _training_dict(self.training[size])
                training["uncounted_operators"] = list(training["uncounted_operators"] or ())
                row |= {f"backward_{key}": value for key, value in training.items()}
            rows.append(row)
        return rows


def model_name(name: str, twin: TwinName | None) -> str:
    """How a model is called in a sentence."""
    return name if twin is None else f"{name}'s {twin} twin"


def compare_counters(
    dispatch: Mapping[str, ImageCost | RefusedSize] | None, fvcore: Mapping[str, ImageCost | RefusedSize]
) -> CounterCheck:
    """Set fvcore's counts beside the dispatch counter's, None where only fvcore was asked for."""

    def by_kind(count: CostCount) -> dict[WorkKind, int]:
        return {kind: sum(entry.macs for entry in count.work if entry.kind == kind) for kind in _KINDS}

    second = {size: cost.count for size, cost in fvcore.items() if isinstance(cost, ImageCost)}
    unseen: dict[str, int] = {}
    for count in second.values():
        for operator, calls in count.uncounted_operators().items():
            unseen[operator] = unseen.get(operator, 0) + calls
    first = None
    differences = None
    if dispatch is not None:
        first = {size: cost.count for size, cost in dispatch.items() if isinstance(cost, ImageCost)}
        compared = {size: count_differences(first[size], second[size]) for size in first.keys() & second.keys()}
        differences = {size: compared[size] for size in first if compared.get(size)}
    return CounterCheck(
        dispatch=None if first is None else {size: by_kind(count) for size, count in first.items()},
        fvcore={size: by_kind(count) for size, count in second.items()},
        differences=differences,
        unseen=unseen,
    )


def split_by(cost: ImageCost, by: By) -> Mapping[str, int]:
    """Multiply-adds of each branch, module or operator; their sum is the cost's own."""
    return _BY[by](cost)


def places_of(uncounted: Iterable[Uncounted]) -> dict[str, list[str]]:
    """The modules, by path, in which each operator without a formula ran."""
    places: dict[str, list[str]] = {}
    for entry in uncounted:
        of_operator = places.setdefault(entry.operator, [])
        if entry.module not in of_operator:
            of_operator.append(entry.module)
    return places


def _size_dict(cost: ImageCost | RefusedSize, sweep: Sweep | None) -> dict[str, Any]:
    """A size's part of the schema convneur.flops/1."""
    values: dict[str, Any] = {"height": cost.height, "width": cost.width}
    if sweep is not None:
        values = {"height": sweep.image[0], "width": sweep.image[1], "swept": {sweep.axis: cost.height}}
    if isinstance(cost, RefusedSize):
        return values | dict.fromkeys(_COUNTED) | {"error": cost.error}
    own = cost if isinstance(cost, SizeCost) else None
    found = (
        cost.macs,
        cost.flops,
        None if own is None else own.macs_paper,
        cost.macs_per_pixel,
        None if own is None else own.branches,
        cost.count.peak_activation_bytes,
        None if own is None else own.chunks,
        cost.count.uncounted_operators(),
        places_of(cost.count.uncounted),
        cost.count.launches,
        None if own is None else own.branch_launches,
        cost.count.fft_flops,
    )
    return values | dict(zip(_COUNTED, found, strict=True)) | {"error": None}


def _training_dict(cost: TrainingCount | RefusedSize) -> dict[str, Any]:
    keys = ("macs", "flops", "saved_bytes", "peak_bytes", "parameter_bytes")
    if isinstance(cost, RefusedSize):
        return dict.fromkeys((*keys, "uncounted_operators")) | {"error": cost.error}
    return {key: getattr(cost, key) for key in keys} | {
        "uncounted_operators": cost.uncounted_operators(),
        "error": None,
    }


def _branches(cost: ImageCost) -> dict[Branch, int]:
    return cost.branches if isinstance(cost, SizeCost) else {}
