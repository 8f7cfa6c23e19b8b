"""What a model costs at an image size, and how that grows: the counters, the conventions and the verdict joined."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from convneur.cost.conventions import Branch, Convention, branch_launches, branch_macs, in_convention
from convneur.cost.counter import CostCount, TrainingCount, Work, count, count_training
from convneur.cost.fvcore_counter import count_with_fvcore
from convneur.cost.scaling import (
    LEAST_PROBE_SIDE,
    PIXELS,
    PROBE_SIDE,
    GrowthAxis,
    Prediction,
    ScalingVerdict,
    judge_scaling,
    local_slopes,
    predict_largest,
    quadratic_shares,
)
from convneur.errors import ConfigError
from convneur.model.folding import fold
from convneur.model.network import ConvNeur
from convneur.module_tree import ModuleTree
from convneur.variants import ConvNeurConfig

__all__ = [
    "TWINS",
    "ImageCost",
    "ModelCounter",
    "RefusedSize",
    "Scaling",
    "SizeCost",
    "TwinName",
    "join_scaling",
    "probe_sizes",
    "twin_of",
]

TwinName = Literal["self-attention", "local-only"]
TWINS: tuple[TwinName, ...] = ("self-attention", "local-only")


def twin_of(config: ConvNeurConfig, twin: TwinName) -> ConvNeurConfig:
    """The same model with self-attention in its global branches' place (q, k, v and output projections), or with none.

    Raises: ConfigError: a model without global branches has no self-attention twin.
    """
    if twin == "local-only":
        return config.replace(memory="none")
    if config.memory == "none":
        raise ConfigError(
            "memory",
            "leaves no global branch to put self-attention in the place of; leave out `compare self-attention`",
            value="none",
        )
    return config.replace(global_branch="self-attention")


_MOST_CHUNKS = 30_000  # so that counting takes seconds, not minutes


@dataclass(frozen=True)
class ImageCost:
    """What any model costs for one image of a size.

    work: the multiply-adds that a convention counts; macs their sum. count: all that was counted.
    """

    height: int
    width: int
    work: tuple[Work, ...]
    count: CostCount

    @property
    def pixels(self) -> int:
        return self.height * self.width

    @property
    def macs(self) -> int:
        return sum(entry.macs for entry in self.work)

    @property
    def macs_full(self) -> int:
        """Everything executed, whatever the convention."""
        return self.count.macs

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def macs_per_pixel(self) -> float:
        return self.macs / self.pixels

    def by_module(self) -> dict[str, int]:
        """Multiply-adds that each module does itself, its children's left out; their sum is `macs`."""
        return self._tally([entry.module for entry in self.work])

    def by_operator(self) -> dict[str, int]:
        """Multiply-adds of each operator; their sum is `macs`."""
        return self._tally([entry.operator for entry in self.work])

    def tree(self, depth: int) -> ModuleTree | None:
        """The modules down to a depth, each with all that it holds; None where fvcore counted, which sees none."""
        return self.count.tree(depth, work=self.work)

    def _tally(self, names: list[str]) -> dict[str, int]:
        macs: dict[str, int] = {}
        for name, entry in zip(names, self.work, strict=True):
            macs[name] = macs.get(name, 0) + entry.macs
        return macs


@dataclass(frozen=True)
class SizeCost(ImageCost):
    """What a ConvNeur costs for one image of a size.

    branches: `macs` split; both follow the convention. branch_launches: the operators launched, split likewise; None
    where the counter cannot see them. macs_paper: by the paper's. chunks: of the four stages' memories, 0 without one.
    """

    convention: Convention
    branches: dict[Branch, int]
    branch_launches: dict[Branch, int] | None
    macs_paper: int
    chunks: tuple[int, ...]

    @property
    def global_share(self) -> float:
        """The global branches' share of the multiply-adds."""
        return self.branches["global"] / self.macs


@dataclass(frozen=True)
class RefusedSize:
    """A size that a model cannot take, and why. by_formula: a registered formula failed on it, not the model."""

    height: int
    width: int
    error: str
    by_formula: bool = False

    @property
    def pixels(self) -> int:
        return self.height * self.width


class ModelCounter:
    """Counts one ConvNeur at any size; each size once.

    Args:
        config: of the model.
        folded: as `fold` makes it for inference.
        counter: dispatch counts on the meta device, where nothing is computed; fvcore runs the model.

    >>> from convneur import VARIANTS
    >>> ModelCounter(VARIANTS["m1"]).at(224, 224).macs_paper
    704497440
    """

    def __init__(
        self, config: ConvNeurConfig, *, folded: bool = False, counter: Literal["dispatch", "fvcore"] = "dispatch"
    ) -> None:
        self.config = config
        self._runs = counter == "fvcore"
        with torch.device("meta"):
            model = ConvNeur(config).eval()
            self._model = fold(model) if folded else model
        if self._runs:
            self._model.to_empty(device="cpu")
            with torch.no_grad():  # any weights will do, but no random numbers are drawn for them
                for parameter in self._model.parameters():
                    parameter.zero_()
        self._counts: dict[tuple[int, int], CostCount] = {}

    @property
    def params(self) -> int:
        return sum(parameter.numel() for parameter in self._model.parameters())

    def probe_sizes(self) -> tuple[tuple[int, int], ...]:
        """The three sizes that a verdict is found from: smaller ones where chunks are so short that there are many."""
        side = PROBE_SIDE
        while side > LEAST_PROBE_SIDE and sum(self._model.chunks(4 * side, 4 * side)) > _MOST_CHUNKS:
            side //= 2
        return probe_sizes(side)

    def at(self, height: int, width: int, *, convention: Convention = "all") -> SizeCost:
        """The cost of one image.

        Raises: CountingError: the model refuses the size.
        """
        counted = self._count(height, width)
        full, paper = (in_convention(self._model, counted, name) for name in ("all", "paper"))
        work = full if convention == "all" else paper
        return SizeCost(
            height=height,
            width=width,
            convention=convention,
            work=work,
            branches=branch_macs(self._model, work),
            branch_launches=branch_launches(self._model, counted),
            macs_paper=sum(entry.macs for entry in paper),
            chunks=self._model.chunks(height, width),
            count=counted,
        )

    def training_at(self, height: int, width: int) -> TrainingCount:
        """The cost of one forward and one backward pass on one image, by the dispatch counter.

        Raises: CountingError: the model refuses the size.
        """
        return count_training(self._model, self._image(height, width))

    def _count(self, height: int, width: int) -> CostCount:
        size = (height, width)
        if size not in self._counts:
            image = self._image(height, width)
            self._counts[size] = count_with_fvcore(self._model, image) if self._runs else count(self._model, image)
        return self._counts[size]

    def _image(self, height: int, width: int) -> Tensor:
        return torch.zeros((1, self.config.in_channels, height, width), device="cpu" if self._runs else "meta")


@dataclass(frozen=True)
class Scaling:
    """How a model's cost grows with the pixels.

    verdict: by the full count at the probe sizes, since the paper's convention leaves out the very products that
    could be quadratic. with_fft: likewise from multiply-adds and half the real operations of fast Fourier transforms;
    None without any. elementwise: likewise from `CostCount`'s element-wise results, which are no multiply-adds; None
    where a probe size was refused. The rest belongs to the sizes asked for and their convention: quadratic_share for
    each; slopes for each neighbouring pair, of the whole model and of its global branches; predicted for the largest.
    """

    verdict: ScalingVerdict
    with_fft: ScalingVerdict | None
    elementwise: ScalingVerdict | None
    quadratic_share: tuple[float | None, ...] | None
    local_slopes: tuple[float | None, ...]
    global_local_slopes: tuple[float | None, ...]
    predicted: Prediction | None


def probe_sizes(height: int = PROBE_SIDE, width: int | None = None) -> tuple[tuple[int, int], ...]:
    """The three sizes that a verdict is found from: S, 2S and 4S, squares unless a width is given too."""
    width = height if width is None else width
    return tuple((height * factor, width * factor) for factor in (1, 2, 4))


def join_scaling(
    probes: Sequence[ImageCost | RefusedSize],
    costs: Sequence[ImageCost | RefusedSize],
    *,
    complete: Sequence[ImageCost | RefusedSize] | None = None,
    axis: GrowthAxis = PIXELS,
) -> Scaling:
    """Join the verdict from the probes with slopes, shares and a prediction for the sizes asked for.

    Args:
        probes: at `probe_sizes`; none leave the verdict out. costs: at the sizes asked for. axis: what they differ in.
        complete: the same sizes by the probes' counter, for the shares, where costs are by one that leaves out more.
    """
    elementwise = with_fft = None
    refused = [probe for probe in probes if isinstance(probe, RefusedSize)]
    if not probes:
        verdict = ScalingVerdict("undetermined", None, None, None, (), "the verdict was left out", axis=axis)
    elif refused:
        where = f"{refused[0].height}x{refused[0].width}" if axis == PIXELS else f"{axis.letter}={refused[0].height}"
        why = f"the model refuses {where}: {refused[0].error}"
        verdict = ScalingVerdict("undetermined", None, None, None, (), why, axis=axis)
    else:
        taken = [probe for probe in probes if isinstance(probe, ImageCost)]
        probed = [probe.pixels for probe in taken]
        verdict = judge_scaling([probe.macs_full for probe in taken], probed, axis)
        transforms = [probe.count.fft_flops for probe in taken]
        if any(transforms):
            both = [probe.macs_full + flops // 2 for probe, flops in zip(taken, transforms, strict=True)]
            with_fft = judge_scaling(both, probed, axis)
        results = [probe.count.elementwise for probe in taken]
        if None not in results:
            elementwise = judge_scaling([number or 0 for number in results], probed, axis)
    pixels = [cost.pixels for cost in costs]
    macs = [cost.macs if isinstance(cost, ImageCost) else None for cost in costs]
    of_global = [cost.branches["global"] if isinstance(cost, SizeCost) else None for cost in costs]
    full = [cost.macs_full if isinstance(cost, ImageCost) else None for cost in complete or costs]
    return Scaling(
        verdict=verdict,
        with_fft=with_fft,
        elementwise=elementwise,
        quadratic_share=quadratic_shares(verdict, pixels, full),
        local_slopes=local_slopes(pixels, macs),
        global_local_slopes=local_slopes(pixels, of_global),
        predicted=predict_largest(verdict, pixels, macs),
    )
