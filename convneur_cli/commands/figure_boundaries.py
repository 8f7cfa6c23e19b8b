"""`convneur figure boundaries`: the paper's Figure 3 from folders of predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convneur.errors import ConfigError, InputError
from convneur.files import new_file
from convneur.formats import significant
from convneur_cli.boundary_compare import figure_name, short_names
from convneur_cli.boundary_pictures import PictureModel, Studio, data_set_colours
from convneur_cli.boundary_work import classes_seen, engine, scored_pairs
from convneur_cli.errors import UsageError, existing_path
from convneur_cli.options.boundary_inputs import InputOptions, Inputs
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.data import DataSetOptions
from convneur_cli.output import Printer
from convneur_cli.results import FIGURES, check_outputs

if TYPE_CHECKING:
    from convneur.data.pairs import Pair
    from convneur.metrics import BoundarySettings, BoundarySummary
    from convneur.metrics.tables import Path as FigurePath

__all__ = ["boundaries"]


def boundaries(
    data_set: DataSetOptions,
    common: CommonOptions,
    predictions: Annotated[
        Path, typer.Argument(metavar="PREDS", readable=False, help="Folder of ConvNeur's label maps.")
    ],
    ground_truth: Annotated[Path, typer.Argument(metavar="GT", readable=False, help="Folder of the true ones.")],
    twin: Annotated[
        Path | None,
        typer.Option(help="Folder of the local-only twin's label maps, drawn before PREDS.", metavar="DIR"),
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Photos, of the same names.", metavar="DIR")] = None,
    names: Annotated[
        str | None,
        typer.Option(
            help="Images to draw, by relative path without suffix, with commas.",
            metavar="A,B,...",
            show_default="worst, median and best",
        ),
    ] = None,
    by: Annotated[
        str,
        typer.Option(help="What makes an image of PREDS good, such as miou or boundary_f1@3px.", metavar="METRIC"),
    ] = "boundary_f1",
    count: Annotated[int, typer.Option(min=1, max=20, help="How many of the worst, median and best each.")] = 1,
    tolerance: Annotated[str, typer.Option(help="Of boundary F1, as in eval-boundary.")] = "0.008",
    titles: Annotated[
        str | None,
        typer.Option(help="Of the columns of predictions, with a comma.", show_default="the folders' names"),
    ] = None,
    workers: Annotated[int, typer.Option(min=0, help="Processes that score; 0: one per core.")] = 1,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The figure: .png, .svg, .pdf.", metavar="FILE")
    ] = Path("boundaries.png"),
) -> None:
    """Draw Figure 3: image, truth, local-only twin and ConvNeur, with boundary F1, trimap mIoU and Hausdorff distance.

    Each figure is the image's own, by eval-boundary's definitions; the trimap is 3 pixels wide to each side (Choice).

    Example: `convneur figure boundaries predictions/ labels/ --twin others/ --images nuclei/images/val
    --classes classes.txt -o figure3.png`
    """
    for path in (predictions, ground_truth, twin, images):
        if path is not None and not existing_path(path).is_dir():
            raise UsageError(f"{path}: is a file; give a folder")
    check_outputs(("--output", output, FIGURES), force=common.force)
    printer = common.printer()
    inputs = InputOptions(**vars(data_set))
    metrics = tuple(dict.fromkeys(("boundary_f1", "trimap_miou", "hausdorff", by.partition("@")[0])))

    from convneur.data.photo_folder import PhotoFolder
    from convneur.figures.boundaries import DPI, paper_figure
    from convneur.figures.style import save_figure
    from convneur.metrics import BoundarySettings
    from convneur.metrics.picks import metric_path

    folders = [path for path in (twin, predictions) if path is not None]
    settings = BoundarySettings(
        ignore_index=inputs.ignored(), metrics=metrics, tolerance=(tolerance,), trimap_width=(3,)
    )
    try:
        figure_path = metric_path(by, settings)
    except ConfigError as error:
        raise UsageError(f"--by {error.value}: {error.problem}") from None
    heads = _titles(titles, folders)
    found = [inputs.open(folder, ground_truth) for folder in folders]
    summaries, settings = _scored(printer, found, settings, workers)
    models = [
        PictureModel(head, {pair.name: pair for pair in each.pairing.pairs}, summary)
        for head, each, summary in zip(heads, found, summaries, strict=True)
    ]
    chosen = _chosen(names, summaries, figure_path, count, predictions)
    studio = Studio(found[-1].reading, settings, figure_path, PhotoFolder(images) if images else None, models)
    scenes = [studio.scene(name, heading) for name, heading in chosen]
    if studio.without_photo:
        raise InputError(images, f"no photo of the same name and shape for {studio.without_photo[0]}")
    class_names = [row["name"] for row in summaries[-1].per_class]
    figure = paper_figure(
        scenes, colours=data_set_colours(found[-1], len(class_names)), names=class_names, notes=studio.notes()
    )
    with new_file(output, force=common.force) as temporary:
        save_figure(figure, temporary, dpi=DPI)
    printer.note(f"written: {output}")
    rows = [
        (scene.name, each.title, *(value for _, value in each.values)) for scene in scenes for each in scene.predictions
    ]
    printer.table("; ".join(studio.notes()), ("image", "net", "B", "T", "H"), rows, left=2)
    printer.json(
        {
            "schema": "convneur.figure-boundaries/1",
            "file": str(output),
            "images": [
                {"name": name, "why": heading, "figures": {model.title: _figures(model, name) for model in models}}
                for name, heading in chosen
            ],
        }
    )


def _titles(typed: str | None, folders: Sequence[Path]) -> list[str]:
    titles = [part.strip() for part in typed.split(",")] if typed else short_names(*map(str, folders))
    if len(titles) != len(folders) or len(set(titles)) < len(titles):
        raise UsageError(f"--titles {typed}: give {len(folders)}, one for each folder of predictions")
    return titles


def _scored(
    printer: Printer, found: Sequence[Inputs], settings: "BoundarySettings", workers: int
) -> "tuple[list[BoundarySummary], BoundarySettings]":
    """Every image of each folder, as eval-boundary scores it."""
    import dataclasses

    from convneur.metrics import BoundaryAccumulator

    jobs = [pair for each in found for pair in each.pairing.pairs]
    totals = []
    with engine(workers, None, len(jobs)) as mapped:
        names, reading = found[-1].names, found[-1].reading
        count = len(names) if names else classes_seen(printer, mapped, found[-1].pairing.pairs, reading)
        settings = dataclasses.replace(settings, num_classes=count)
        for each in found:
            total = BoundaryAccumulator(settings, names)
            pair: Pair
            for pair, outcome in scored_pairs(printer, mapped, each.pairing.pairs, reading, settings, strict=True):
                if not isinstance(outcome, str):
                    total.add(pair.name, outcome.scores)
            totals.append(total.summary())
    return totals, settings


def _chosen(
    typed: str | None, summaries: "Sequence[BoundarySummary]", path: "FigurePath", count: int, predictions: Path
) -> list[tuple[str, str]]:
    """(image, why it is drawn)."""
    from convneur.metrics.picks import pick_images, value_at

    rows = {row["name"]: row for row in summaries[-1].per_image}
    metric = figure_name(path[0], path[1] if len(path) > 1 else None)
    if typed is None:
        return [
            (each.name, f"{each.group} {each.place} of {len(rows)} by {metric}: {significant(each.value)}")
            for each in pick_images(summaries[-1].per_image, path, count)
        ]
    chosen = [name.strip() for name in typed.split(",")]
    for name in chosen:
        if name not in rows:
            raise UsageError(f"--names {name}: no such image in {predictions}")
    return [(name, f"{metric}: {significant(value_at(rows[name], path))}") for name in chosen]


def _figures(model: PictureModel, name: str) -> Mapping[str, Any]:
    row = next(row for row in model.summary.per_image if row["name"] == name)
    return {key: value for key, value in row.items() if key in ("boundary_f1", "trimap_miou", "hausdorff", "miou")}
