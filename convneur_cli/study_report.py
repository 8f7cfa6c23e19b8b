"""What `convneur study` says: a dict for programs, tables for people, a row per run for spreadsheets, a page."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import convneur
from convneur.files import new_file
from convneur.formats import csv_table, grouped, markdown_table, to_json
from convneur.published import published
from convneur.variants import PRESETS, ConvNeurConfig
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.metrics import BoundarySummary
    from convneur.metrics.comparison import ScoreTable
    from convneur.training.study import Cell

__all__ = ["REPORTS", "Outcome", "as_result", "print_result", "write_reports"]

SCHEMA = "convneur.study/1"
REPORTS = ("study.html", "study.md", "study.json", "study.csv")
_RESAMPLES, _SEED, _LEVEL = 1000, 0, 0.95  # of the bootstrap, as eval-boundary's
_FEW = 20  # images, below which a bootstrap interval is too narrow to trust


@dataclass(frozen=True)
class _Figure:
    """path: in a summary's figures. short: over a column."""

    path: tuple[str, ...]
    name: str
    short: str
    definition: str


_SEGMENTATION = {
    "miou": _Figure(("miou",), "mIoU", "mIoU", "one confusion matrix over the test photos, ignored pixels left out"),
    "boundary_f1": _Figure(
        ("boundary_f1", "0.008"), "Boundary F1 @ 0.008", "B", "DAVIS boundary, matched within 0.008 of the diagonal"
    ),
    "trimap_miou": _Figure(
        ("trimap_miou", "3"), "Trimap mIoU @ 3 px", "T", "mIoU within 3 pixels of the true boundaries, one matrix"
    ),
    "pixel_accuracy": _Figure(("pixel_accuracy",), "Pixel accuracy", "accuracy", "share of the pixels that are right"),
}
_CLASSIFICATION = {"top1": _Figure(("pixel_accuracy",), "Top-1", "top-1", "share of the photos that are right")}


@dataclass(frozen=True, eq=False)
class Outcome:
    """The test scores of one run, to be drawn from and as they are."""

    table: "ScoreTable"
    summary: "BoundarySummary"


def as_result(
    *,
    about: Mapping[str, Any],
    task: str,
    tested_on: str | None,
    images: int,
    twins: Mapping[str, ConvNeurConfig],
    seeds: Sequence[int],
    folds: int | None,
    costs: Mapping[str, tuple[int, int]],
    outcomes: "Mapping[Cell, tuple[Outcome, Mapping[str, Any]]]",
    failed: Mapping[str, str],
) -> dict[str, Any]:
    """The result as `--json` prints it.

    Args: tested_on: a split, None for folds; images: that a seed's runs are tested on; costs: parameters and
        multiply-adds; outcomes: of the runs that came to their end, with the validation that their weights are from;
        failed: run -> why.
    """
    from convneur.training.findings import findings, leaf
    from convneur.training.study import cells

    figures = _SEGMENTATION if task == "segmentation" else _CLASSIFICATION
    paths = {name: figure.path for name, figure in figures.items()}
    groups = cells(list(twins), seeds, folds)
    tables = {cell: outcome.table for cell, (outcome, _) in outcomes.items()}
    overall = {cell: outcome.summary.overall for cell, (outcome, _) in outcomes.items()}
    found = findings(groups, tables, paths, overall, resamples=_RESAMPLES, seed=_SEED, level=_LEVEL)
    printed = {name: _printed(net) for name, net in twins.items()}
    reference = found[0].twin
    rows = []
    for finding in found:
        name, (params, macs) = finding.twin, costs[finding.twin]
        both = (printed[name], printed[reference])
        rows.append(
            {
                "twin": name,
                "net": twins[name].to_dict(),
                "params": params,
                "macs": macs,
                "runs": finding.runs,
                "mean": finding.mean,
                "spread": finding.spread,
                "seeds": finding.seeds,
                "difference": finding.difference,
                "printed_top1": both[0],
                "printed_difference": None if None in both or name == reference else round(both[0] - both[1], 1),  # type: ignore[operator]
            }
        )
    runs = []
    for cell, (outcome, validation) in outcomes.items():
        row = {
            **dataclasses.asdict(cell),
            "folder": f"runs/{cell.name}",
            "images": outcome.summary.images,
            "best_step": validation["step"],
            "validation": validation["score"],
            **{name: leaf(overall[cell], path) for name, path in paths.items()},
        }
        if task == "segmentation":
            row["iou"] = {each["name"]: each["miou"] for each in outcome.summary.per_class}
        runs.append(row)
    return {
        "schema": SCHEMA,
        "convneur": convneur.__version__,
        **about,
        "task": task,
        "tested_on": tested_on or "folds",
        "images": sum(
            row["images"] for row in runs if (row["twin"], row["seed"]) == (runs[0]["twin"], runs[0]["seed"])
        ),
        "seeds": list(seeds),
        "folds": folds,
        "figures": {name: {"name": each.name, "definition": each.definition} for name, each in figures.items()},
        "interval": {"level": _LEVEL, "resamples": _RESAMPLES, "seed": _SEED, "kind": "percentile"},
        "reference": reference,
        "planned": sum(map(len, groups)),
        "twins": rows,
        "runs": runs,
        "failed": [{"run": name, "why": why} for name, why in failed.items()],
    }


def _printed(net: ConvNeurConfig) -> float | None:
    """The paper's top-1 of m3 with this placement, branch and fusion; None for a net with an option of our own."""
    usual = ConvNeurConfig(dims=net.dims)
    own = ("min_chunks", "chunks", "read", "order", "memory_layers", "step_size", "max_state_norm")
    lengths = [preset["chunk_length"] for preset in PRESETS.values()]
    written = net.memory != "none" and net.global_branch in ("neural-memory", "titans")  # what has chunks
    if written and (any(getattr(net, name) != getattr(usual, name) for name in own) or net.chunk_length not in lengths):
        return None
    return published().ablated_top1(memory=net.memory, global_branch=net.global_branch, fusion=net.fusion)


def print_result(printer: Printer, result: Mapping[str, Any]) -> None:
    """Figures, differences and what they are."""
    for title, columns, rows in _tables(result):
        printer.table(title, columns, rows, dense=True)
        printer.text()
    for words in _words(result):
        printer.sentence(words)


def write_reports(folder: Path, result: Mapping[str, Any]) -> None:
    """The files of `REPORTS`, replaced whole."""
    from convneur.figures.study_page import study_page

    texts = {
        "study.html": lambda: study_page(result, [(name, figure.short) for name, figure in _figures(result).items()],
                                         title=_title(result), words=_words(result)),
        "study.md": lambda: _markdown(result),
        "study.json": lambda: to_json(result) + "\n",
        "study.csv": lambda: csv_table(_run_rows(result)),
    }  # fmt: skip
    for name in REPORTS:
        with new_file(folder / name, force=True) as temporary:
            temporary.write_text(texts[name](), encoding="utf-8")


def _figures(result: Mapping[str, Any]) -> dict[str, _Figure]:
    return _SEGMENTATION if result["task"] == "segmentation" else _CLASSIFICATION


def _title(result: Mapping[str, Any]) -> str:
    return f"Study of {len(result['twins'])} nets on {result['data']}"


def _tables(result: Mapping[str, Any]) -> list[tuple[str, list[str], list[list[str]]]]:
    """(title, columns, rows) of the figures and of the differences; the first column is text."""
    figures = _figures(result)
    height, width = result["settings"]["crop"]
    first = [
        [
            row["twin"],
            str(row["runs"]),
            f"{row['params'] / 1e6:.2f}",
            f"{row['macs'] / 1e9:.3g}",
            *(_spread(row["mean"][name], row["spread"][name]) for name in figures),
        ]
        for row in result["twins"]
    ]
    heads = ["twin", "runs", "M params", f"GMACs {height}x{width}", *(figure.short for figure in figures.values())]
    found = [(f"Mean of the runs ± standard deviation, {_tested(result)}", heads, first)]
    others = [row for row in result["twins"] if row["twin"] != result["reference"]]
    if others:
        second = [
            [
                row["twin"],
                str(len(row["seeds"])),
                *(_difference(row["difference"], name) for name in figures),
                _points(row["printed_difference"]),
            ]
            for row in others
        ]
        heads = ["twin", "seeds", *(figure.short for figure in figures.values()), "printed, top-1"]
        found.append((f"Minus {result['reference']}, with {result['interval']['level']:.0%} intervals", heads, second))
    return found


def _tested(result: Mapping[str, Any]) -> str:
    photos = f"{grouped(result['images'])} photos"
    return f"tested on {photos} in {result['folds']} folds" if result["folds"] else f"{photos} of {result['tested_on']}"


def _spread(mean: float, spread: float) -> str:
    if math.isnan(mean):
        return "-"
    return f"{mean:.4f}" if math.isnan(spread) else f"{mean:.4f} ± {spread:.4f}"


def _difference(figures: Mapping[str, Mapping[str, float]] | None, name: str) -> str:
    if figures is None or math.isnan(figures[name]["difference"]):
        return "-"
    figure = figures[name]
    if math.isnan(figure["low"]):
        return f"{figure['difference']:+.4f}"
    return f"{figure['difference']:+.4f} [{figure['low']:+.4f}, {figure['high']:+.4f}]"


def _points(value: float | None) -> str:
    return "-" if value is None else f"{value:+.1f} points"


def _words(result: Mapping[str, Any]) -> list[str]:
    """What the figures and intervals are, and what they are not."""
    figures, interval = _figures(result), result["interval"]
    seeds = len(result["seeds"])
    words = [
        f"{'; '.join(f'{each.short}: {each.definition}' for each in figures.values())}. GMACs: all multiply-adds that "
        "are executed for one photo of the views' size, in billions.",
        f"All nets made {grouped(result['steps'])} steps on the same photos in the same order for each seed, and are "
        "tested with the averaged weights of their best validation.",
    ]
    if len(result["twins"]) > 1:
        over = "the test photos" if seeds == 1 else "the test photos and the seeds"
        words.append(
            f"Intervals: {interval['level']:.0%}, percentile, {grouped(interval['resamples'])} paired resamples of "
            f"{over}, each aggregated as the whole is. With several figures side by side one in twenty misses by "
            "chance."
        )
        if seeds == 1:
            words.append("One seed: nothing here tells how much another start would have changed.")
        else:
            words.append(
                f"Seeds' deviations are stretched by sqrt({seeds}/{seeds - 1}), since draws of {seeds} vary less than "
                f"seeds do; {seeds} still say little of rarer ones."
            )
        if result["images"] < _FEW:
            words.append(f"Of {result['images']} photos the intervals are too narrow: take them as a lower bound.")
        if any(row["printed_difference"] is not None for row in result["twins"]):
            words.append(
                f"Printed: the same difference in top-1 of m3 on ImageNet-1K at 224x224, {published().paper}; another "
                "task, data and length of training."
            )
    if result["tested_on"] == "val":
        words.append("Tested on the photos that the weights are chosen on: all figures are a little too good.")
    if len(result["runs"]) < result["planned"]:
        words.append(f"{len(result['runs'])} of {result['planned']} runs are finished.")
    words += [f"Failed: {each['run']}: {each['why']}" for each in result["failed"]]
    return words


def _run_rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row per run; each class's IoU is a column."""
    return [
        {key: _cell(value) for key, value in row.items() if key != "iou"}
        | {f"iou[{name}]": _cell(value) for name, value in row.get("iou", {}).items()}
        for row in result["runs"]
    ]


def _cell(value: Any) -> Any:
    return "" if value is None or value != value else value


def _markdown(result: Mapping[str, Any]) -> str:
    figures = _figures(result)
    parts = [f"# {_title(result)}"]
    for title, columns, rows in _tables(result):
        parts += [f"{title}:", markdown_table(columns, [[cell.replace("|", "\\|") for cell in row] for row in rows])]
    parts += _words(result)
    columns = ["run", "best step", "validation", *(figure.short for figure in figures.values())]
    rows = [
        [row["folder"].removeprefix("runs/"), str(row["best_step"]), f"{row['validation']:.4f}",
         *(_spread(row[name], math.nan) for name in figures)]
        for row in result["runs"]
    ]  # fmt: skip
    parts += ["## Runs", markdown_table(columns, rows)]
    return "\n\n".join(parts) + "\n"
