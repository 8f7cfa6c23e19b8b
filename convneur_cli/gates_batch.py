"""`convneur viz-gates --batch`: what the gates do over many photos, in numbers with intervals."""

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import convneur
from convneur.errors import InputError
from convneur.files import new_file, refuse_existing
from convneur.formats import as_text
from convneur_cli.errors import FAILED, UsageError
from convneur_cli.gates_masks import Masks
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.gates.manifest import NetSource
    from convneur.gates.measures import StageMeasures
    from convneur.gates.summary import Estimate
    from convneur.model.network import ConvNeur

__all__ = ["Batch", "check_batch_output", "photos_in"]


@dataclass(frozen=True)
class Batch:
    """What is the same for every photo. size: of the long side, None for the photo's own."""

    net: "ConvNeur"
    source: "NetSource"
    stages: tuple[int, ...]
    block: int
    size: int | None
    masks: Masks | None

    def run(
        self, photos: Sequence[tuple[Path, str]], output: Path | None, printer: Printer, *, force: bool
    ) -> int | None:
        """Measure photo after photo; of each only its figures are kept, and its rows of the CSV file are written."""
        from convneur.gates.measures import RATIOS, SHARES
        from convneur.gates.summary import MeasureTable

        table = MeasureTable(self.stages)
        failed: list[dict[str, str]] = []
        with ExitStack() as stack, printer.steps("measuring", len(photos)) as advance:
            rows = None
            for photo, name in photos:
                try:
                    measures = self._measured(photo, name)
                except InputError as error:
                    failed.append({"name": as_text(photo), "why": str(error)})
                    printer.error(str(error))
                else:
                    table.add(measures)
                    if output is not None and rows is None:
                        file = stack.enter_context(new_file(output, force=force))
                        handle = stack.enter_context(file.open("w", encoding="utf-8", newline=""))
                        rows = csv.DictWriter(handle, ["photo", "stage", *SHARES, *RATIOS], lineterminator="\n")
                        rows.writeheader()
                    if rows is not None:
                        rows.writerows(
                            {"photo": as_text(photo), "stage": one.stage, **one.figures()} for one in measures
                        )
                advance(photo.name)
        if table.photos and output is not None:
            printer.note(f"written: {output}")
        estimates = table.estimates()
        if self.source.stamp:
            printer.note(f"{self.source.stamp}: the numbers tell of the architecture, nothing learned; give --weights")
        if failed:
            names = ", ".join(item["name"] for item in failed[:5]) + (", ..." if len(failed) > 5 else "")
            printer.error(f"{len(failed)} of {len(photos)} photos failed: {names}")
        printer.json(self._record(table.photos, estimates, failed))
        if table.photos:
            self._print(table.photos, estimates, printer)
        return FAILED if failed else None

    def _measured(self, image: Path, name: str) -> "tuple[StageMeasures, ...]":
        from convneur.data.images import normalise, read_photo
        from convneur.gates.capture import capture_gates
        from convneur.gates.measures import measure_gates
        from convneur.model.network import MIN_SIDE

        mask_file = None if self.masks is None else self.masks.find(image, name)
        photo = read_photo(image, long_side=self.size, min_side=MIN_SIDE)
        mask = None if mask_file is None else Masks.read(mask_file, photo)
        try:
            capture = capture_gates(
                self.net, normalise(photo.pixels), local_only="off", stages=self.stages, block=self.block
            )
            return measure_gates(capture, photo.pixels, mask)
        except InputError as error:
            raise InputError(image, f"{error}") from None

    def _record(
        self, photos: int, estimates: "Sequence[dict[str, Estimate]]", failed: list[dict[str, str]]
    ) -> dict[str, Any]:
        from convneur.gates.manifest import net_name
        from convneur.gates.measures import SHARES
        from convneur.gates.summary import LEVEL, RESAMPLES, SEED

        def nested(found: "dict[str, Estimate]") -> dict[str, Any]:
            figures: dict[str, Any] = {name: found[name].record() for name in SHARES}
            for name in ("background_suppression", "edge_contrast"):
                figures[name] = {when: found[f"{name}_{when}"].record() for when in ("before", "after", "change")}
            return figures

        return {
            "schema": "convneur.gates-batch/1",
            "convneur": convneur.__version__,
            "net": {"name": net_name(self.net.config), "config": self.net.config.to_dict()},
            "weights": self.source.record(),
            "size": "native" if self.size is None else self.size,
            "block": self.block,
            "measured_against": "gradients" if self.masks is None else "mask",
            "interval": {"kind": "percentile", "level": LEVEL, "resamples": RESAMPLES, "seed": SEED},
            "photos": photos,
            "stages": [
                {"stage": stage, "measures": nested(found)} for stage, found in zip(self.stages, estimates, strict=True)
            ],
            "failed": failed,
        }

    def _print(self, photos: int, estimates: "Sequence[dict[str, Estimate]]", printer: Printer) -> None:
        from convneur.gates.summary import LEVEL

        rows = []
        for stage, found in zip(self.stages, estimates, strict=True):
            changes = [found["background_suppression_change"], found["edge_contrast_change"]]
            rows.append(
                [
                    str(stage),
                    _share(found["gate_below_0.25"]),
                    _share(found["gate_above_0.75"]),
                    *map(_factor, changes),
                    " ".join(sorted({str(change.photos) for change in changes})),
                ]
            )
        against = "image gradients" if self.masks is None else "masks"
        counted = "1 photo" if photos == 1 else f"{photos} photos"
        printer.table(
            f"Gates of {counted}, measured against {against}: mean [{LEVEL:.0%} interval]",
            ["stage", "gate below .25", "gate above .75", "background suppression", "edge contrast", "photos"],
            rows,
            dense=True,
        )
        first = "steeper over flatter half" if self.masks is None else "object over background"
        printer.sentence(
            f"Background suppression: energy of {first} after the gate, over the same before it; edge contrast: of "
            "edges over the rest. ×1: the gate treats both alike."
        )


def check_batch_output(output: Path | None, *, force: bool) -> None:
    """Raises: UsageError: no CSV file; InputError: as `refuse_existing`."""
    if output is None:
        return
    if output.suffix.lower() != ".csv":
        raise UsageError(f"--output {output}: with --batch end it in .csv")
    refuse_existing(output, force=force)


def photos_in(paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Every photo with its name, the relative path without suffix. Raises: InputError: a folder without any."""
    from convneur.data.photo_folder import photos_under

    found: list[tuple[Path, str]] = []
    for path in paths:
        if not path.is_dir():
            found.append((path, path.stem))
            continue
        under = [(photo, photo.relative_to(path).with_suffix("").as_posix()) for photo in photos_under(path)]
        if not under:
            raise InputError(path, "no photo in it; name a folder of JPEG, PNG, TIFF or WebP files")
        found += under
    return found


def _share(found: "Estimate") -> str:
    if found.mean is None:
        return "–"
    interval = "" if found.low is None else f" [{found.low:.1%}, {found.high:.1%}]"
    return f"{found.mean:.1%}{interval}"


def _factor(found: "Estimate") -> str:
    if found.mean is None:
        return "–"
    interval = "" if found.low is None else f" [{found.low:.3f}, {found.high:.3f}]"
    return f"×{found.mean:.3f}{interval}"
