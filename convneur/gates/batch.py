"""Many images measured: what a model's gates do on average, with intervals. Nothing is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from convneur.data.images import ImageInput, summed_notes
from convneur.data.limits import MAX_PIXELS
from convneur.errors import InputError
from convneur.formats import plural
from convneur.gates.measures import CONTRASTS, LEVEL, MEASURES, StageMeasures, measure_gates
from convneur.gates.parts import PARTS, parts_table
from convneur.gates.sources import ValidatedView, WeightsSource, size_record
from convneur.gates.state_share import MOST_IMAGES, StateShare
from convneur.gates.summary import RESAMPLES, SEED, Estimate, MeasureTable, StageEstimates
from convneur.progress import Progress, silent
from convneur.results import Result, Table
from convneur.variants import ConvNeurConfig

if TYPE_CHECKING:  # at run time a result needs no torch
    from convneur.gates.inputs import AskedSize, MaskLike, Masks, NamedImage
    from convneur.gates.models import Weights

__all__ = ["FailedImage", "GateBatch", "inspect_batch"]


@dataclass(frozen=True)
class FailedImage:
    """An image that could not be measured, and why."""

    name: str
    why: str


@dataclass(frozen=True, eq=False, repr=False)
class GateBatch(Result):
    """Many images' gates in numbers, as `convneur.gates.inspect_batch` finds them.

    Args:
        weights: of the model.
        size: the long side asked for, None for the images' own, or how the weights were validated.
        block: which block of each stage, from 1.
        against: what was measured against.
        stages: means and intervals, stage by stage.
        names: of the images measured; values: (images, stages, measures) what was measured of each, measures in the
            order of `MEASURES`, NaN where one is undefined.
        failed: the images that could not be measured.
        states: how much of each stage's gate is the state's; empty without a neural memory or a gate.

    >>> import numpy as np, convneur
    >>> images = list(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    >>> batch = convneur.gates.inspect_batch(images, weights="none", mem_dim=8, stage=4, size=64)
    >>> batch.names, batch.stages[0].closed.images
    (('image 1', 'image 2'), 2)
    """

    weights: WeightsSource
    size: int | ValidatedView | None
    block: int
    against: Literal["masks", "gradients"]
    stages: tuple[StageEstimates, ...]
    names: tuple[str, ...]
    values: NDArray[np.float64]
    failed: tuple[FailedImage, ...]
    states: tuple[StateShare, ...] = ()
    convneur: str = field(default_factory=lambda: version("convneur"))

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<GateBatch of {plural(len(self.names), 'image')} by {self.weights.model}{failed}>"

    def to_dict(self) -> dict[str, Any]:
        """Means, bounds and counts; the values of each image are in `records`."""
        shares = {one.stage: one.record() for one in self.states}
        return {
            "schema": "convneur.gates-batch/1",
            "convneur": self.convneur,
            "net": {"name": self.weights.model, "config": self.weights.config.to_dict()},
            "weights": self.weights.record(),
            "size": size_record(self.size),
            "block": self.block,
            "measured_against": "gradients" if self.against == "gradients" else "mask",
            "interval": {"kind": "percentile", "level": LEVEL, "resamples": RESAMPLES, "seed": SEED},
            "photos": len(self.names),
            "stages": [
                {"stage": one.stage, "measures": one.record(), "state": shares.get(one.stage)} for one in self.stages
            ],
            "notes": list(self.notes),
            "failed": [{"name": one.name, "why": one.why} for one in self.failed],
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the values should know."""
        untrained = self.weights.untrained_parts([one.stage for one in self.stages])
        return () if untrained is None else (untrained,)

    def tables(self) -> tuple[Table, ...]:
        rows = []
        for one in self.stages:
            changes = [one.background_suppression.change, one.edge_contrast.change]
            rows.append(
                [
                    str(one.stage),
                    _share(one.closed),
                    _share(one.open),
                    *map(_factor, changes),
                    " ".join(sorted({str(change.images) for change in changes})),
                ]
            )
        against = "image gradients" if self.against == "gradients" else "masks"
        title = f"Gates of {plural(len(self.names), 'image')}, measured against {against}: mean [{LEVEL:.0%} interval]"
        columns = ["stage", "gate below .25", "gate above .75", "background suppression", "edge contrast", "images"]
        parts = parts_table(
            (str(one.stage), name, _factor(found.change), _factor(found.channels), _factor(found.place), found.null)
            for one in self.stages
            for name in CONTRASTS
            for found in (getattr(one, name),)
        )
        return Table(title, columns, rows, dense=True), parts, *self._states_table()

    def _states_table(self) -> tuple[Table, ...]:
        if not self.states:
            return ()
        rows = [
            [str(one.stage), *("–" if each is None else f"{each:.1%}" for each in (one.share, one.uniform))]
            for one in self.states
        ]
        title = f"Share of the gate's variance that is the state's, of {plural(self.states[0].images, 'image')}"
        return (Table(title, ["stage", "state's", "the same at all positions"], rows),)

    def sentences(self) -> tuple[str, ...]:
        first = "steeper over flatter half" if self.against == "gradients" else "object over background"
        return (
            f"Background suppression: energy of {first} after the gate, over the same before it; edge contrast: of "
            "edges over the rest. ×1: the gate treats both alike.",
            PARTS,
            *self.notes,
            *([f"{plural(len(self.failed), 'image')} could not be measured."] if self.failed else []),
        )

    def records(self) -> list[dict[str, Any]]:
        """A row for each image and stage; None where a value is undefined."""
        return [
            {
                "photo": name,
                "stage": stage.stage,
                **{key: None if np.isnan(value) else float(value) for key, value in zip(MEASURES, row, strict=True)},
            }
            for name, image in zip(self.names, self.values, strict=True)
            for stage, row in zip(self.stages, image, strict=True)
        ]


def inspect_batch(
    images: ImageInput | Sequence[ImageInput],
    *,
    weights: "Weights | None" = None,
    model: str | Path | ConvNeurConfig | None = None,
    stage: Literal["all"] | int | Sequence[int] = "all",
    size: "AskedSize" = None,
    block: int = 1,
    mask: "MaskLike | Sequence[MaskLike] | None" = None,
    seed: int | None = None,
    follow_links: bool = False,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = silent,
    **settings: Any,
) -> GateBatch:
    """Measure what a model's gates do over many images: means with bootstrap intervals, and each image's values.

    Of each image a few dozen numbers are kept. An image that cannot be measured is left out and listed in `failed`.

    Args:
        images: files, folders of them (at any depth), Pillow images, or arrays (H, W, 3) uint8 RGB.
        mask: a folder of masks, found by the images' relative paths without suffix, or else by their file names; a
            list with the mask of each image, as a file or an array; for one image its mask. None: image gradients.
        weights, model, stage, size, block, seed, max_pixels, settings: as for `inspect`.
        follow_links: read what links lead to that lead out of a folder, or to folders.
        progress: is told of each image, and of each that cannot be measured.
    Raises:
        ConfigError: as `inspect`; InputError: weights that cannot be read, a folder without images or masks.

    >>> import numpy as np, convneur
    >>> image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    >>> model = convneur.create("m1", dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8)
    >>> batch = inspect_batch([image, image[:, ::-1]], weights=model, stage=1, size=96)
    >>> batch.to_dict()["photos"], batch.failed
    (2, ())
    """
    # Here, so that a result alone loads no torch.
    from convneur.gates.capture import branch_of, capture_gates, reduced_maps
    from convneur.gates.inputs import INVERTED, images_of, masks_of, read_image, size_of, stages_of
    from convneur.gates.models import check_gates, find_model
    from convneur.gates.state_share import StateShares

    stages = stages_of(stage)
    found, unread = images_of(images, follow_links=follow_links)
    masks = masks_of(mask, found, max_pixels, follow_links=follow_links)
    for line in dict.fromkeys([*unread, *(masks[0].unread if masks[0] else ())]):
        progress.warn(line)
    network, source, _ = find_model(weights, model, seed, settings)
    check_gates(source, stages=stages, block=block)
    seen_at = size_of(size, source.validated)
    untrained = source.untrained_parts(stages)
    if untrained is not None:
        progress.warn(untrained)

    found_branches = {stage: branch_of(network, stage, block) for stage in stages}
    branches = {stage: branch for stage, branch in found_branches.items() if branch is not None}
    if source.config.global_branch != "neural-memory" or source.config.fusion != "gating":
        branches = {}
    states = StateShares(branches)

    def measured(image: "NamedImage", own: "Masks | None", *, shares_state: bool) -> tuple[StageMeasures, ...]:
        _, photo = read_image(image, seen_at, max_pixels)
        noted.append((image.name, photo.notes))
        labels = None
        if own is not None:
            asked, labels = own.of(image, photo)
            inverted.extend([asked.file_name] * asked.inverted)
        try:
            shown = source.normalisation.applied(photo.pixels)
            with reduced_maps(branches if shares_state else {}) as reduced:
                capture = capture_gates(network, shown, local_only="off", stages=stages, block=block)
            taken = measure_gates(capture, photo.pixels, labels)
        except InputError as error:
            raise InputError(image.name, f"{error}") from None
        if shares_state:
            states.add(reduced)
        return taken

    noted: list[tuple[str, tuple[str, ...]]] = []
    inverted: list[str] = []
    table = MeasureTable(stages)
    names, failed = [], []
    with progress.steps("measuring", len(found)) as advance:
        every = -(-len(found) // MOST_IMAGES)
        for number, (image, own) in enumerate(zip(found, masks, strict=True)):
            try:
                table.add(measured(image, own, shares_state=number % every == 0))
            except InputError as error:
                failed.append(FailedImage(image.name, str(error)))
                progress.error(str(error))
            else:
                names.append(image.name)
            advance(image.name)
    for line in summed_notes(noted):
        progress.warn(line)
    if inverted:
        progress.warn(f"{len(inverted)} of {plural(len(found), 'mask')} ({inverted[0]}) {INVERTED}")
    return GateBatch(
        weights=source,
        size=seen_at,
        block=block,
        against="gradients" if mask is None else "masks",
        stages=table.estimates(),
        names=tuple(names),
        values=table.values(),
        failed=tuple(failed),
        states=states.found(),
    )


def _share(found: Estimate) -> str:
    if found.mean is None:
        return "–"
    interval = "" if found.low is None else f" [{found.low:.1%}, {found.high:.1%}]"
    return f"{found.mean:.1%}{interval}"


def _factor(found: Estimate) -> str:
    if found.mean is None:
        return "–"
    interval = "" if found.low is None else f" [{found.low:.3f}, {found.high:.3f}]"
    return f"×{found.mean:.3f}{interval}"
