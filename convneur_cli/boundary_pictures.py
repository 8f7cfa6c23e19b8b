"""`eval-boundary --figures` and `--report`: pictures of the best, middle and worst images, and the HTML page."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convneur.errors import ConfigError, InputError
from convneur.files import new_file, new_folder, refuse_existing
from convneur.formats import grouped, significant
from convneur_cli.boundary_compare import Rival, comparison_words, dict_at, figure_name, short_names
from convneur_cli.boundary_report import definitions
from convneur_cli.errors import UsageError, existing_path
from convneur_cli.options.boundary_inputs import Inputs
from convneur_cli.options.common import option_group
from convneur_cli.output import Printer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from convneur.data.pairs import Pair
    from convneur.data.photo_folder import PhotoFolder
    from convneur.data.reading import Reading
    from convneur.figures.boundaries import Scene
    from convneur.figures.report import ReportFigure
    from convneur.metrics import BoundarySettings, BoundarySummary
    from convneur.metrics.tables import Path as FigurePath

__all__ = ["PictureModel", "PictureOptions", "Studio", "data_set_colours"]

_DISTANCES = ("hausdorff", "hd95", "assd", "masd")
_SHORT = {
    "boundary_f1": "F1", "trimap_miou": "trimap", "hausdorff": "HD", "hd95": "HD95", "assd": "ASSD", "masd": "MASD",
    "surface_dice": "NSD", "boundary_iou": "B-IoU", "miou": "IoU", "pixel_accuracy": "accuracy",
}  # fmt: skip
_LETTERS = {"boundary_f1": "B", "trimap_miou": "T", "hausdorff": "H"}  # as under the paper's Figure 3
_ODD_SHAPE = 0.02  # by how much a photo's aspect may differ from its label map's


@option_group
@dataclasses.dataclass(frozen=True)
class PictureOptions:
    """What to draw."""

    figures: Annotated[
        Path | None,
        typer.Option(help="Draw the worst, median and best images as PNG files in this folder.", metavar="DIR"),
    ] = None
    report: Annotated[
        Path | None, typer.Option(help="Write one self-contained HTML page with all of it.", metavar="FILE.html")
    ] = None
    images: Annotated[
        Path | None, typer.Option(help="Photos, to be drawn beside the label maps of the same names.", metavar="DIR")
    ] = None
    figures_by: Annotated[
        str | None,
        typer.Option(
            help="What makes an image good, such as miou, boundary_f1@3px or hd95@finite_mean.",
            metavar="METRIC",
            show_default="the first metric",
        ),
    ] = None
    figures_count: Annotated[int, typer.Option(min=1, max=1000, help="How many of each to draw.")] = 3

    @property
    def asked(self) -> bool:
        return self.figures is not None or self.report is not None

    def check(self, settings: "BoundarySettings", *, force: bool) -> None:
        """Refuse before any work. Raises: UsageError; InputError: an output that exists."""
        if not self.asked:
            for option, given in (("--images", self.images), ("--figures-by", self.figures_by)):
                if given is not None:
                    raise UsageError(f"{option}: says what is drawn; add --figures DIR or --report FILE.html")
            return
        if self.images is not None and not existing_path(self.images).is_dir():
            raise UsageError(f"--images {self.images}: is a file; give the folder of the photos")
        if self.figures is not None:
            if self.figures.is_dir() and any(self.figures.iterdir()) and not force:
                raise InputError(self.figures, "exists already and is not empty; choose another folder or --force")
            if self.figures.exists() and not self.figures.is_dir():
                raise InputError(self.figures, "is a file; --figures is a folder")
        if self.report is not None:
            if self.report.suffix.lower() not in (".html", ".htm"):
                raise UsageError(f"--report {self.report}: must end in .html")
            refuse_existing(self.report, force=force)
        self._path(settings)

    def draw(
        self,
        printer: Printer,
        found: Inputs,
        settings: "BoundarySettings",
        summary: "BoundarySummary",
        result: Mapping[str, Any],
        rival: Rival | None,
        *,
        predictions: str,
        force: bool,
    ) -> list[str]:
        """Write what was asked for. Returns: what was written, for people. predictions: the first set's name."""
        from convneur.figures.boundaries import DPI, boundary_figure
        from convneur.figures.report import MOST_PICTURES, embedded_picture
        from convneur.figures.style import save_figure

        comparison = result.get("comparison")
        theirs = rival.summary() if rival and comparison else None
        names = [row["name"] for row in summary.per_class]
        colours = data_set_colours(found, len(names))
        pairs = {pair.name: pair for pair in found.pairing.pairs}
        titles = short_names(predictions, *([rival.path] if rival and theirs else ()))
        models = [PictureModel(titles[0], pairs, summary)]
        if rival and theirs:
            models.append(PictureModel(titles[1], rival.pairs, theirs))
        studio = Studio(found.reading, settings, self._path(settings), self._photos(), models)
        chosen = self._chosen(summary, settings, comparison)
        embedded: list[dict[str, Any]] = []
        if self.figures is not None:
            new_folder(self.figures)
        with printer.steps("drawing", len(chosen)) as advance:
            for stem, name, heading in chosen:
                scene = studio.scene(name, heading)
                if self.figures is not None:
                    figure = boundary_figure(scene, colours=colours, names=names, notes=studio.notes())
                    with new_file(self.figures / f"{stem}.png", force=force) as temporary:
                        save_figure(figure, temporary, dpi=DPI)
                    figure.clear()  # its parts hold each other, and the pictures, until a collection happens to come
                if self.report is not None and len(embedded) < MOST_PICTURES:
                    embedded.append(embedded_picture(scene, colours))
                advance(name)
        if studio.without_photo:
            listed = ", ".join(studio.without_photo[:3]) + (", ..." if len(studio.without_photo) > 3 else "")
            printer.warn(f"--images {self.images}: no photo of the same name and shape for {listed}")
        written = []
        if self.figures is not None:
            written.append(f"{self.figures} ({'1 picture' if len(chosen) == 1 else f'{len(chosen)} pictures'})")
        if self.report is not None:
            page = self._page(result, studio, predictions, found, embedded, colours)
            with new_file(self.report, force=force) as temporary:
                temporary.write_text(page, encoding="utf-8")
            written.append(str(self.report))
        return written

    def _page(
        self,
        result: Mapping[str, Any],
        studio: "Studio",
        typed: str,
        found: Inputs,
        embedded: Sequence[Mapping[str, Any]],
        colours: "NDArray[np.uint8]",
    ) -> str:
        from convneur.figures.report import boundary_page

        comparison = result.get("comparison")
        summary = studio.models[0].summary
        return boundary_page(
            result,
            _report_figures(result["settings"], self._path(studio.settings)),
            title=f"Boundaries of {typed}",
            about=_about(summary, found, comparison),
            notes=_notes(summary),
            models=[model.title for model in studio.models],
            others=studio.models[1].summary.per_image if comparison else (),
            comparison_words=comparison_words(comparison, typed) if comparison else (),
            pictures=embedded,
            picture_notes=[
                f"{len(embedded)} of {grouped(summary.images)} images. {'; '.join(studio.notes())}.",
                "Click into a picture to enlarge that place in all of its panels, drag to move; or, with a panel "
                "focused: plus, minus, arrows, 0 for the whole, n for the next place with errors.",
            ],
            class_key=[(_hex(colours[row["class"]]), row["name"]) for row in summary.per_class if _occurs(row)],
            radii=sorted({picture["radius"] for picture in embedded}),
        )

    def _path(self, settings: "BoundarySettings") -> "FigurePath":
        from convneur.metrics.picks import metric_path

        try:
            return metric_path(self.figures_by or settings.metrics[0], settings)
        except ConfigError as error:
            raise UsageError(f"--figures-by {error.value}: {error.problem}") from None

    def _photos(self) -> "PhotoFolder | None":
        from convneur.data.photo_folder import PhotoFolder

        return PhotoFolder(self.images) if self.images else None

    def _chosen(
        self, summary: "BoundarySummary", settings: "BoundarySettings", comparison: Mapping[str, Any] | None
    ) -> list[tuple[str, str, str]]:
        """(stem of the file, image, why it is drawn), each image once."""
        from convneur.metrics.picks import Pick, pick_images

        path = self._path(settings)
        found = pick_images(summary.per_image, path, self.figures_count)
        if comparison:
            moved = dict_at(comparison["moved_most"], path[0], path[1] if len(path) > 1 else None)
            found += [
                Pick(row["name"], "moved", place, row["difference"])
                for place, row in enumerate(moved[: self.figures_count], start=1)
            ]
        chosen: dict[str, tuple[str, str]] = {}
        for pick in found:
            figure, value = _figure_name(path), significant(abs(pick.value))
            place = f"{pick.group} {pick.place}"
            if pick.group == "moved":
                why = f"{place} by {figure}: {'-' if pick.value < 0 else '+'}{value}"
            elif len(summary.per_image) == 1:
                why = f"{figure}: {value}"
            else:
                why = f"{place} of {grouped(len(summary.per_image))} by {figure}: {value}"
            name = re.sub(r"[^\w.-]+", "_", pick.name)[-80:]
            stem = f"{pick.group}-{pick.place}-{name}"
            earlier = chosen.get(pick.name)
            chosen[pick.name] = (earlier[0], f"{earlier[1]}; {why}") if earlier else (stem, why)
        return [(stem, name, why) for name, (stem, why) in chosen.items()]


@dataclasses.dataclass(frozen=True)
class PictureModel:
    """One set of predictions: what it is called, its pairs by name, its figures."""

    title: str
    pairs: Mapping[str, "Pair"]
    summary: "BoundarySummary"


class Studio:
    """Makes the scenes of a run, one at a time."""

    def __init__(
        self,
        reading: "Reading",
        settings: "BoundarySettings",
        path: "FigurePath",
        photos: "PhotoFolder | None",
        models: Sequence[PictureModel],
    ) -> None:
        self.reading, self.settings, self.photos, self.models = reading, settings, photos, models
        self.tolerance = path[1] if path[0] == "boundary_f1" else str(settings.tolerance[0])
        self.without_photo: list[str] = []
        self._figures = [{row["name"]: row for row in model.summary.per_image} for model in models]

    def scene(self, name: str, heading: str) -> "Scene":
        """Reads the label maps again: of a data set only those that are drawn are ever in memory."""
        import numpy as np

        from convneur.figures.boundaries import Scene, ScenePrediction
        from convneur.metrics.picks import boundary_errors

        shown = []
        for model, figures in zip(self.models, self._figures, strict=True):
            if name in figures:
                labels, truth, _ = self.reading.pair(model.pairs[name])
                errors = boundary_errors(labels, truth, self.settings, self.tolerance)
                shown.append(ScenePrediction(model.title, labels, errors, self._values(figures[name])))
        ignored = np.zeros(truth.shape, bool)
        if self.settings.ignore_index is not None:
            ignored |= truth == self.settings.ignore_index
        return Scene(name, heading, self._photo(name, truth.shape), truth, ignored, shown)

    def notes(self) -> list[str]:
        """What B, T and H stand for here, as far as they were computed, and the tolerance of the errors."""
        words = {
            "boundary_f1": f"B: boundary F1 at {self.tolerance}",
            "trimap_miou": f"T: trimap mIoU at {self.settings.trimap_width[0]} px",
            "hausdorff": "H: Hausdorff distance, mean over classes, a missed or spurious one counted as the diagonal",
        }
        return [line for metric, line in words.items() if metric in self.settings.metrics]

    def _values(self, figures: Mapping[str, Any]) -> list[tuple[str, str]]:
        keys = {
            "boundary_f1": self.tolerance,
            "trimap_miou": str(self.settings.trimap_width[0]),
            "hausdorff": "penalised_mean",
        }
        found = []
        for metric, key in keys.items():
            if metric in self.settings.metrics:
                value = figures[metric][key]
                shown = "–" if value != value else f"{value:.1f}" if metric == "hausdorff" else f"{value:.3f}"
                found.append((_LETTERS[metric], shown))
        return found

    def _photo(self, name: str, shape: tuple[int, int]) -> "NDArray[np.uint8] | None":
        if self.photos is None:
            return None
        import numpy as np
        from PIL import Image

        from convneur.data.images import read_photo

        path = self.photos.find(name)
        pixels = read_photo(path, long_side=None).pixels if path else None
        if pixels is None or abs(pixels.shape[1] / pixels.shape[0] * shape[0] / shape[1] - 1) > _ODD_SHAPE:
            self.without_photo.append(name)
            return None
        if pixels.shape[:2] != shape:
            pixels = np.asarray(Image.fromarray(pixels).resize(shape[::-1], Image.Resampling.LANCZOS))
        return pixels


def data_set_colours(found: Inputs, count: int) -> "NDArray[np.uint8]":
    """The data set's colours where they are known: of the preset, the colour table, or a palette in the files."""
    from convneur.data.class_colours import class_colours
    from convneur.data.palettes import palette_of

    reading = found.reading
    known = reading.preset.palette if reading.preset else None
    if known is None and reading.colours:
        first: dict[int, tuple[int, int, int]] = {}
        for colour, k in reading.colours.classes.items():
            if k is not None:
                first.setdefault(k, colour)
        known = tuple(first[k] for k in sorted(first)) if sorted(first) == list(range(count)) else None
    if known is None and reading.preset is None:  # a preset may renumber what the file's palette counts
        known = palette_of(found.pairing.pairs[0].gt)
    return class_colours(count, known)


def _figure_name(path: "FigurePath") -> str:
    return figure_name(path[0], path[1] if len(path) > 1 else None)


def _report_figures(settings: Mapping[str, Any], chosen: "FigurePath") -> list["ReportFigure"]:
    from convneur.figures.report import ReportFigure

    words = definitions(dict(settings))
    several = {
        "boundary_f1": settings["tolerance"],
        "trimap_miou": settings["trimap_width"],
        "surface_dice": settings["surface_dice_tau"],
        **dict.fromkeys(_DISTANCES, ("finite_mean", "penalised_mean")),
    }
    figures = []
    for metric in settings["metrics"]:
        distance = metric in _DISTANCES
        paths: list[FigurePath] = [(metric, str(key)) for key in several.get(metric, ())] or [(metric,)]
        for path in paths:
            short = _SHORT[metric]
            if distance:
                short += " pen." if path[1] == "penalised_mean" else ""
            elif len(path) > 1:
                short += f"@{path[1]}"
            definition = words[metric]
            if distance:
                counted = "counts as the image diagonal" if path[1] == "penalised_mean" else "is left out"
                definition += f"; a missed or spurious class {counted}"
            figures.append(
                ReportFigure(
                    path, _figure_name(path), short, definition, distance, 2 if distance else 4, path == chosen
                )
            )
    return figures


def _about(summary: "BoundarySummary", found: Inputs, comparison: Mapping[str, Any] | None) -> list[str]:
    import convneur

    ignored = summary.settings["ignore_index"]
    classes = summary.settings["num_classes"]
    against = f", compared with {comparison['against']}" if comparison else ""
    return [
        f"{grouped(summary.images)} {'pair' if summary.images == 1 else 'pairs'} scored{against}; {classes} "
        f"{'class' if classes == 1 else 'classes'} ({found.classes_from}); "
        f"{'nothing' if ignored is None else ignored} ignored. Made by convneur {convneur.__version__}."
    ]


def _notes(summary: "BoundarySummary") -> list[str]:
    presence = summary.overall["presence"]
    return [
        f"A class was in both maps {grouped(presence['both'])} times, missed {grouped(presence['missed'])}, spurious "
        f"{grouped(presence['spurious'])}, in neither {grouped(presence['both_empty'])} (left out)."
    ]


def _occurs(row: Mapping[str, Any]) -> bool:
    return any(row["presence"][key] for key in ("both", "missed", "spurious"))


def _hex(colour: "NDArray[np.uint8]") -> str:
    return "#" + "".join(f"{int(part):02x}" for part in colour)
