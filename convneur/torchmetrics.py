"""Boundary metrics as a `torchmetrics.Metric`, for Lightning and whatever else works with those.

Needs torchmetrics (the extra `torchmetrics`); `convneur.metrics.BoundaryMetrics` counts the same without it.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from convneur.metrics import BoundaryMetrics, BoundarySettings, BoundarySummary
from convneur.metrics.tables import leaves

__all__ = ["BoundaryMetric"]


class BoundaryMetric(Metric):
    """Boundary metrics of batches of label maps, gathered over the processes of a distributed run.

    Choice: the state is the whole numbers of `BoundaryMetrics`, which torchmetrics adds up. So `compute()` in several
        processes equals that in one to the last bit.
    Args:
        num_classes, ignore_index, names: as of `BoundaryMetrics`.
        options: the other settings of `BoundarySettings`, by name, and those of `torchmetrics.Metric`.
    Raises: ConfigError: a setting, by its name. ValueError: a name that neither knows.

    >>> target = torch.zeros(2, 30, 40, dtype=torch.long)
    >>> target[:, 10:20, 10:30] = 1
    >>> metric = BoundaryMetric(num_classes=2, metrics=["boundary_f1", "miou"], tolerance="3px")
    >>> metric.update(target.roll(2, dims=2), target)
    >>> {name: round(value.item(), 3) for name, value in metric.compute().items()}
    {'boundary_f1/3px': 1.0, 'miou': 0.889}
    >>> metric.summary().per_class[1]["boundary_f1"]["3px"]
    1.0
    """

    is_differentiable = False
    higher_is_better = None
    full_state_update = False

    counts: torch.Tensor
    invalid: list[torch.Tensor]

    def __init__(
        self, num_classes: int, ignore_index: int | None = 255, *, names: Sequence[str] | None = None, **options: Any
    ) -> None:
        ours = options.keys() & {field.name for field in dataclasses.fields(BoundarySettings)}
        super().__init__(**{name: value for name, value in options.items() if name not in ours})
        self._options = {"num_classes": num_classes, "ignore_index": ignore_index, "names": names} | {
            name: options[name] for name in ours
        }
        counts, _ = self._nothing().state_arrays()
        self.add_state("counts", torch.from_numpy(counts), dist_reduce_fx="sum")
        self.add_state("invalid", [], dist_reduce_fx="cat")
        self._hold_one()

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        """Count one pair (H, W) or a batch (B, H, W) of label maps. Raises: InputError: as `BoundaryMetrics.update`."""
        batch = self._nothing()
        batch.update(preds, target)
        counts, rows = (torch.from_numpy(array).to(self.counts.device) for array in batch.state_arrays())
        self.counts = self.counts + counts
        self.invalid.append(rows.ravel())
        self._hold_one()

    def compute(self) -> dict[str, torch.Tensor]:
        """The overall values by name, such as `miou` or `boundary_f1/3px`, float64; NaN is undefined.

        Those of groups are named as `groups/<name>/miou`.
        """
        summary = self._counted().compute()
        rows = [("", summary.overall), *((f"groups/{name}/", row) for name, row in summary.groups.items())]
        values = {
            before + "/".join(path): value
            for before, row in rows
            for path, value in leaves(row, summary.settings["metrics"])
        }
        return {name: torch.tensor(value, dtype=torch.float64, device=self.device) for name, value in values.items()}

    def summary(self) -> BoundarySummary:
        """All values, by class too; in a distributed run each process has to ask, as for `compute()`."""
        with self.sync_context(dist_sync_fn=self.dist_sync_fn, should_sync=self.sync_on_compute):
            return self._counted().compute()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Count a batch and give its own values, which costs a `compute()` for each."""
        values = super().forward(*args, **kwargs)
        self._hold_one()
        return values

    def reset(self) -> None:
        """Count from nothing again."""
        super().reset()
        self._hold_one()

    def set_dtype(self, dst_type: str | torch.dtype) -> "BoundaryMetric":
        """Nothing: the state is whole numbers, whatever the precision of the model."""
        return self

    def _nothing(self) -> BoundaryMetrics:
        return BoundaryMetrics(**self._options)

    def _counted(self) -> BoundaryMetrics:
        counted = self._nothing()
        rows = dim_zero_cat(self.invalid).reshape(-1, 3)  # a list, or after a gathering one tensor
        counted.load_state_arrays(self.counts.cpu().numpy(), rows.cpu().numpy())
        return counted

    def _hold_one(self) -> None:
        # For a process without a batch torchmetrics would gather a tensor of floats, which does not fit the others'.
        self.invalid = [torch.cat([torch.zeros(0, dtype=torch.long, device=self.counts.device), *self.invalid])]
