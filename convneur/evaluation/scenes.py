"""From scored images to what is drawn of them: which ones, why, and each as a `Scene`, read again one at a time."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convneur.data.class_colours import class_colours, coloured
from convneur.data.image_folder import ImageFolder
from convneur.data.images import read_photo
from convneur.data.pairs import Pair
from convneur.data.palettes import palette_of
from convneur.errors import ConfigError, InputError
from convneur.evaluation.inputs import Inputs, existing
from convneur.evaluation.object_picks import ObjectPick, ObjectPicks
from convneur.figures import Scene, ScenePrediction
from convneur.formats import grouped, significant
from convneur.metrics import BoundarySettings
from convneur.metrics.picks import Pick, boundary_errors, error_hotspots, metric_path, pick_images
from convneur.metrics.scores import DISTANCES
from convneur.metrics.tables import Path as ValuePath
from convneur.metrics.words import metric_name

if TYPE_CHECKING:
    from convneur.figures import ReportObject

__all__ = ["ImagePick", "Ranking", "SceneModel", "Scenes", "image_folder", "picked", "ranking_by"]

_LONGEST = 80  # bytes of an image's name in a figure's
_NOT_IN_FILES = re.compile(r"[^\w.-]+")
# (letter under the paper's Figure 3, metric)
_LETTERS = (("B", "boundary_f1"), ("T", "trimap_miou"), ("H", "hausdorff"))
_ODD_SHAPE = 0.02  # by how much an image's aspect may differ from its label map's
_ZOOM, _SMALLEST = 4, 96  # a quarter of each side is enlarged, unless the shorter one has fewer pixels than this
_OBJECT_MARGIN = 16  # pixels at least around an object
_SPOTS, _SPOT_SHARE = 5, 6  # places to zoom to in the report, each a sixth of either side


@dataclass(frozen=True)
class Ranking:
    """The value that images are ranked by."""

    path: ValuePath

    @property
    def name(self) -> str:
        return metric_name(*self.path)


def ranking_by(setting: str, typed: str | None, settings: BoundarySettings) -> Ranking:
    """The value that `metric` or `metric@key` names, the first metric's for None. Raises: ConfigError: none such."""
    try:
        return Ranking(metric_path(typed or settings.metrics[0], settings))
    except ConfigError as error:
        raise ConfigError(setting, error.problem, value=error.value) from None


@dataclass(frozen=True)
class ImagePick:
    """An image to draw. heading: why; stem: of a file's name for it.

    >>> ImagePick("city/a", "worst 1 of 5 by mIoU: 0.4172", "worst-1-city_a").name
    'city/a'
    """

    name: str
    heading: str
    stem: str


def picked(
    per_image: Sequence[Mapping[str, Any]], ranking: Ranking, count: int, moved: Sequence[Mapping[str, Any]] = ()
) -> list[ImagePick]:
    """The worst, median and best images, `count` of each, and those that moved most; each image once.

    Args: per_image: as in `Evaluation`; moved: of a comparison, largest difference first.
    """
    found = pick_images(per_image, ranking.path, count)
    found += [Pick(row["name"], "moved", place, row["difference"]) for place, row in enumerate(moved[:count], start=1)]
    chosen: dict[str, ImagePick] = {}
    for pick in found:
        value, place = significant(abs(pick.value)), f"{pick.group} {pick.place}"
        if pick.group == "moved":
            why = f"{place} by {ranking.name}: {'-' if pick.value < 0 else '+'}{value}"
        elif len(per_image) == 1:
            why = f"{ranking.name}: {value}"
        else:
            why = f"{place} of {grouped(len(per_image))} by {ranking.name}: {value}"
        stem = f"{pick.group}-{pick.place}-{_short(_NOT_IN_FILES.sub('_', pick.name))}"
        earlier = chosen.get(pick.name)
        chosen[pick.name] = (
            ImagePick(pick.name, f"{earlier.heading}; {why}", earlier.stem)
            if earlier
            else ImagePick(pick.name, why, stem)
        )
    return list(chosen.values())


def _short(name: str) -> str:
    """The end of a name, short enough for a file in any script."""
    return os.fsencode(name)[-_LONGEST:].decode(errors="ignore")


def image_folder(images: str | Path | None, *, follow_links: bool = False) -> ImageFolder | None:
    """The folder of the images that label maps belong to.

    Raises: ConfigError: no such folder. InputError: no image in it.
    """
    if images is None:
        return None
    if not existing("images", images).is_dir():
        raise ConfigError("images", "is a file; give a folder of images", value=images)
    return ImageFolder(Path(images), follow_links=follow_links)


@dataclass(frozen=True, eq=False)
class SceneModel:
    """One model's predictions: what it is called, its pairs and its values of each image, by name."""

    title: str
    pairs: Mapping[str, Pair]
    values: Mapping[str, Mapping[str, Any]]


class Scenes:
    """The scenes of scored images, made one at a time: of a data set only those that are drawn are ever in memory.

    Args: inputs: how label maps are read; images: where the images are; without_image: names of those without one.
    """

    def __init__(
        self,
        models: Sequence[SceneModel],
        inputs: Inputs,
        settings: BoundarySettings,
        ranking: Ranking,
        class_names: Sequence[str],
        images: ImageFolder | None = None,
    ) -> None:
        self.models, self.class_names = models, class_names
        self.colours = _data_set_colours(inputs, len(class_names))
        self.without_image: list[str] = []
        self._reading, self._settings, self._images = inputs.reading, settings, images
        self._tolerance = str(settings.tolerance[0])
        if ranking.path[0] == "boundary_f1":
            self._tolerance = ranking.path[1]

    def scene(self, name: str, heading: str) -> Scene:
        """One image, its label maps read again."""
        shown = []
        for model in self.models:
            if name in model.values:
                labels, truth, _ = self._reading.pair(model.pairs[name])
                errors = boundary_errors(labels, truth, self._settings, self._tolerance)
                shown.append(ScenePrediction(model.title, labels, errors, self._letters(model.values[name])))
        ignored = np.zeros(truth.shape, bool)
        if self._settings.ignore_index is not None:
            ignored |= truth == self._settings.ignore_index
        height, width = truth.shape
        spot = max(height // _SPOT_SHARE, 1), max(width // _SPOT_SHARE, 1)
        return Scene(
            name=name,
            heading=heading,
            image=self._image(name, truth.shape),
            truth=truth,
            ignored=ignored,
            predictions=shown,
            colours=self.colours,
            class_names=self.class_names,
            notes=self.notes(),
            zoom=_zoom(shown, height, width),
            hotspots=[(y, x, *spot) for y, x in error_hotspots(shown[0].errors, *spot, _SPOTS)],
        )

    def objects(self, picks: ObjectPicks) -> "list[ReportObject]":
        """The first model's picked objects where they lie, each image read once."""
        found: "dict[int, ReportObject]" = {}  # noqa: UP037 - the name is known to type checkers alone
        chosen, model = picks.picks(), self.models[0]
        for name, places in picks.of_images():
            labels, truth, _ = self._reading.pair(model.pairs[name])
            ignored = np.zeros(truth.shape, bool)
            if self._settings.ignore_index is not None:
                ignored |= truth == self._settings.ignore_index
            image = self._image(name, truth.shape)
            for place in places:
                found[place] = self._object(chosen[place], labels, truth, ignored, image)
        return [found[place] for place in sorted(found)]

    def _object(
        self,
        pick: ObjectPick,
        labels: NDArray[Any],
        truth: NDArray[Any],
        ignored: NDArray[np.bool_],
        image: NDArray[np.uint8] | None,
    ) -> "ReportObject":
        from convneur.figures import ReportObject  # with matplotlib, which scoring does without

        top, left, bottom, right = pick.box
        margin = max((bottom - top) // 2, (right - left) // 2, _OBJECT_MARGIN)
        rows = slice(max(top - margin, 0), bottom + margin)
        columns = slice(max(left - margin, 0), right + margin)
        part = rows, columns
        panels = [
            ("ground truth", coloured(truth[part], self.colours, ignored[part])),
            (self.models[0].title, coloured(labels[part], self.colours, ignored[part])),
        ]
        if image is not None:
            panels.insert(0, ("image", image[part]))
        number = f"{self.class_names[pick.label]} {pick.number}"
        words = f"{number}, {grouped(pick.area)} px at row {top} to {bottom - 1}, column {left} to {right - 1}"
        if pick.iou == pick.iou:
            words += f"; IoU {pick.iou:.3f}"
        y, x = rows.start, columns.start
        return ReportObject(pick.kind, pick.image, words, panels, (top - y, left - x, bottom - y, right - x))

    def notes(self) -> list[str]:
        """What B, T and H stand for here, as far as they were computed."""
        words = {
            "boundary_f1": f"B: boundary F1 at {self._tolerance}",
            "trimap_miou": f"T: trimap mIoU at {self._settings.trimap_width[0]} px",
            "hausdorff": "H: Hausdorff distance, mean over classes, a missed or spurious one counted as the diagonal",
        }
        return [line for metric, line in words.items() if metric in self._settings.metrics]

    def _letters(self, values: Mapping[str, Any]) -> list[tuple[str, str]]:
        keys = {
            "boundary_f1": self._tolerance,
            "trimap_miou": str(self._settings.trimap_width[0]),
            "hausdorff": "penalised_mean",
        }
        found = []
        for letter, metric in _LETTERS:
            if metric in self._settings.metrics:
                value = values[metric][keys[metric]]
                words = "–" if value != value else f"{value:.1f}" if metric in DISTANCES else f"{value:.3f}"
                found.append((letter, words))
        return found

    @property
    def unread(self) -> list[str]:
        """What lies in the folder of the images and is not read, in words."""
        return [] if self._images is None else self._images.listing.warnings()

    def _image(self, name: str, shape: tuple[int, int]) -> NDArray[np.uint8] | None:
        if self._images is None:
            return None
        path = self._images.find(name)
        try:
            pixels = read_photo(path, long_side=None, max_pixels=self._reading.max_pixels).pixels if path else None
        except InputError as error:  # of many: the others are drawn beside their label maps all the same
            self.without_image.append(f"{name} ({error})")
            return None
        if pixels is None or abs(pixels.shape[1] / pixels.shape[0] * shape[0] / shape[1] - 1) > _ODD_SHAPE:
            self.without_image.append(name)
            return None
        if pixels.shape[:2] != shape:
            pixels = np.asarray(Image.fromarray(pixels).resize(shape[::-1], Image.Resampling.LANCZOS))
        return pixels


def _zoom(predictions: Sequence[ScenePrediction], height: int, width: int) -> tuple[int, int, int, int] | None:
    """Where the first prediction that has errors has most of them; None if there is nothing to enlarge."""
    if min(height, width) < _SMALLEST:
        return None
    size = height // _ZOOM, width // _ZOOM
    for prediction in predictions:
        for y, x in error_hotspots(prediction.errors, *size, 1):
            return y, x, *size
    return None


def _data_set_colours(inputs: Inputs, count: int) -> NDArray[np.uint8]:
    """The data set's colours where they are known: of the preset, the colour table, or a palette in the files."""
    reading = inputs.reading
    known = reading.preset.palette if reading.preset else None
    if known is None and reading.colours:
        first: dict[int, tuple[int, int, int]] = {}
        for colour, k in reading.colours.classes.items():
            if k is not None:
                first.setdefault(k, colour)
        known = tuple(first[k] for k in sorted(first)) if sorted(first) == list(range(count)) else None
    if known is None and reading.preset is None:  # a preset may renumber what the file's palette counts
        known = palette_of(inputs.pairing.pairs[0].gt)
    return class_colours(count, known)
