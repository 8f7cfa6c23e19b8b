"""What a caller may demand of a model's cost: subquadratic growth, and a formula for every operator."""

from collections.abc import Iterable

from convneur.cost.model_cost import ModelCost
from convneur.cost.model_counter import ImageCost

__all__ = ["growth_failures", "growth_warnings", "strict_failures"]


def growth_failures(models: Iterable[ModelCost]) -> tuple[str, ...]:
    """A line for each model whose cost is not known to be linear or subquadratic."""
    return tuple(
        f"{model.shown}: {model.scaling.verdict.verdict}: {model.scaling.verdict.why}"
        for model in models
        if not model.scaling.verdict.is_subquadratic
    )


def growth_warnings(models: Iterable[ModelCost]) -> tuple[str, ...]:
    """A line for each model that passes although a part of its work is not known to."""
    warnings = []
    for model in models:
        if not model.scaling.verdict.is_subquadratic:
            continue
        if model.hidden is not None:
            hidden = model.hidden.verdict
            warnings.append(f"{model.shown}: holds for multiply-adds alone; element-wise results: {hidden}")
        taken = [cost for cost in (*model.counted.values(), *model.probes.values()) if isinstance(cost, ImageCost)]
        names = sorted({entry.operator for cost in taken for entry in cost.count.uncounted})
        if names:
            warnings.append(f"{model.shown}: holds apart from {', '.join(names)}, which no formula covers")
    return tuple(warnings)


def strict_failures(models: Iterable[ModelCost]) -> tuple[str, ...]:
    """A line for each model with operators that no formula covers, or on which the counters differ."""
    failures = []
    for model in models:
        forward = {entry.operator for cost in model.counted.values() for entry in cost.count.uncounted}
        names = sorted(forward | {entry.operator for cost in model.trained.values() for entry in cost.uncounted})
        if names:
            failures.append(f"{model.shown}: no formula for {', '.join(names)}")
        if model.counters is not None and model.counters.differences:
            failures.append(f"{model.shown}: the counters differ at {', '.join(model.counters.differences)}")
    return tuple(failures)
