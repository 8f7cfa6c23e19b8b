"""What to time, and what a count predicts of it before anything runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from convneur.bench.memory import free_memory
from convneur.bench.settings import BenchSettings
from convneur.bench.trained import TrainedModel
from convneur.cost import CostCount, ExternalCounter, ExternalModel, ModelCounter
from convneur.errors import ConfigError, InputError
from convneur.formats import plural
from convneur.model.folding import fold
from convneur.model.network import ConvNeur
from convneur.results import ReadOnly
from convneur.sizes import size_name
from convneur.variants import ConvNeurConfig, variant_changes

__all__ = ["AS_IT_IS", "BenchCase", "BenchEntry", "BenchPlan", "PlannedCase", "plan_bench"]

AS_IT_IS = " as it is"  # ends the name of a model whose settings another entry of its name changes


@dataclass(frozen=True)
class BenchCase:
    """One image size and batch size.

    >>> str(BenchCase(224, 224, batch=8))
    '8 images of 224'
    """

    height: int
    width: int
    batch: int

    def __str__(self) -> str:
        return f"{plural(self.batch, 'image')} of {self.size}"

    @property
    def size(self) -> str:
        return size_name(self.height, self.width)

    @property
    def pixels(self) -> int:
        """Of one image."""
        return self.height * self.width


@dataclass(frozen=True)
class BenchEntry:
    """A model to time, by the name it goes by; folded_from: the entry that it is the folded form of (`fold`).

    >>> from convneur import VARIANTS
    >>> BenchEntry("m1", VARIANTS["m1"]).channels
    3
    """

    name: str
    model: ConvNeurConfig | ExternalModel
    folded_from: str | None = None

    @property
    def channels(self) -> int:
        """Of its images."""
        return 3 if self.config is None else self.config.in_channels

    @property
    def trained(self) -> TrainedModel | None:
        """Its weights or its exported graph, where it has any."""
        return self.model if isinstance(self.model, TrainedModel) else None

    @property
    def config(self) -> ConvNeurConfig | None:
        """Of a ConvNeur; None of another model."""
        model = self.model
        return model if isinstance(model, ConvNeurConfig) else None if self.trained is None else self.trained.config

    @property
    def changes(self) -> list[str]:
        """What is changed of the variant that a ConvNeur is named after: m1, m1.onnx."""
        name = (self.folded_from or self.name).removesuffix(AS_IT_IS)
        return [] if self.config is None else variant_changes(Path(name).stem, self.config)

    @property
    def takes_images(self) -> bool:
        """Whether it is called with images alone, of which a batch can be made."""
        return self.own_images is None

    @property
    def own_images(self) -> int | None:
        """How many images the inputs hold that it is called with; None where it is called with a batch of images."""
        inputs = self.model.inputs if isinstance(self.model, ExternalModel) else None
        return None if inputs is None else inputs.images

    @property
    def is_graph(self) -> bool:
        return self.trained is not None and self.trained.graph is not None

    @property
    def built_per_size(self) -> bool:
        return isinstance(self.model, ExternalModel) and self.model.takes_size

    def build(self, height: int, width: int) -> nn.Module:
        """The model in eval mode; a variant has random weights. Raises: InputError: its factory refuses the size."""
        if isinstance(self.model, ExternalModel):
            model = self.model.build(height, width)
        else:
            model = ConvNeur(self.model).eval()
        return fold(model) if self.folded_from is not None and isinstance(model, ConvNeur) else model

    def counter(self) -> ModelCounter | ExternalCounter:
        if self.config is None:
            assert isinstance(self.model, ExternalModel)
            return ExternalCounter(self.model)
        folded = self.folded_from is not None or (self.trained is not None and self.trained.folded)
        return ModelCounter(self.config, folded=folded)


@dataclass(frozen=True)
class PlannedCase:
    """What a count predicts of one model at one case; all None where it cannot be counted at that size.

    macs: of one image, or of the entry's own inputs. launches: operators that a forward pass launches. peak_bytes:
    activations of the batch, in the dtype asked for; both are None of an exported graph, which a runtime plans anew.
    needed_bytes: with all entries' images and weights. uncounted: operators without a formula, with their calls.
    """

    entry: BenchEntry
    case: BenchCase
    macs: int | None
    launches: int | None
    peak_bytes: int | None
    needed_bytes: int | None
    uncounted: Mapping[str, int] = field(default_factory=lambda: ReadOnly({}))


@dataclass(frozen=True)
class BenchPlan:
    """What to run and with what memory; it fits.

    params: of each entry, in their order; None where no size could be counted. cases: entries within cases.
    """

    entries: tuple[BenchEntry, ...]
    params: tuple[int | None, ...]
    cases: tuple[tuple[PlannedCase, ...], ...]

    def uncounted(self) -> dict[str, list[BenchCase]]:
        """By the entry's name, the cases of which nothing predicts whether they fit into memory."""
        found: dict[str, list[BenchCase]] = {}
        for one in (one for row in self.cases for one in row if one.needed_bytes is None):
            found.setdefault(one.entry.name, []).append(one.case)
        return found


def plan_bench(entries: Sequence[BenchEntry], cases: Sequence[BenchCase], settings: BenchSettings) -> BenchPlan:
    """Count every case, and see that each fits into the memory there is.

    Raises: InputError: a case needs more memory than is free; ConfigError: two entries of one name.

    >>> from convneur import VARIANTS
    >>> plan = plan_bench([BenchEntry("m1", VARIANTS["m1"])], [BenchCase(64, 64, batch=1)], BenchSettings())
    >>> plan.cases[0][0].macs
    60824560
    """
    names = [entry.name for entry in entries]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError("models", "two rows would have this name; name the models otherwise", value=twice)
    scale = settings.torch_dtype.itemsize / torch.float32.itemsize  # counts are of float32
    counts: dict[tuple[int, int, int], CostCount] = {}
    for number, counter in enumerate(entry.counter() for entry in entries):
        for size in dict.fromkeys((case.height, case.width) for case in cases):
            try:
                counts[number, *size] = counter.at(*size).count
            except InputError:
                continue  # it may run all the same; if not, its row says why
    params = tuple(
        max((counted.params for key, counted in counts.items() if key[0] == number), default=None)
        for number in range(len(entries))
    )
    weights = sum(4 * (count or 0) for count in params)
    rows = []
    for case in cases:
        planned = []
        images = 4 * case.batch * case.pixels * sum(entry.channels for entry in entries)  # they take turns
        for number, entry in enumerate(entries):
            counted = counts.get((number, case.height, case.width))
            if counted is None or counted.peak_activation_bytes is None:
                planned.append(PlannedCase(entry, case, None, None, None, None))
                continue
            peak = round(scale * case.batch * counted.peak_activation_bytes)
            needed = peak + round(scale * (images + weights))
            launches, held = (None, None) if entry.is_graph else (counted.launches, peak)
            uncounted = ReadOnly(counted.uncounted_operators())
            planned.append(PlannedCase(entry, case, counted.macs, launches, held, needed, uncounted))
        rows.append(tuple(planned))
    plan = BenchPlan(tuple(entries), params, tuple(rows))
    _refuse_too_large(plan, settings)
    return plan


def _refuse_too_large(plan: BenchPlan, settings: BenchSettings) -> None:
    free = free_memory(settings.device)
    if free is None:
        return
    needs = {(one.entry.name, one.case): one.needed_bytes or 0 for row in plan.cases for one in row}
    too_large = sorted((case for case in needs if needs[case] > free), key=lambda case: needs[case])
    if too_large:
        *others, largest = too_large
        name, case = largest
        smaller = f" (of {len(needs)} cases {len(too_large)} do not fit)" if others else ""
        raise InputError(
            None,
            f"{name} on {case} would need at least about {needs[largest] / 1e9:.1f} GB, and {settings.device} "
            f"has {free / 1e9:.1f} GB free; take a smaller size or batch{smaller}",
        )
