"""Many images at once: files under the images' own names, and what became of each."""

import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convneur.data.examples import Task
from convneur.data.image_folder import images_under, label_maps_among
from convneur.data.images import read_photo, summed_notes
from convneur.data.limits import MAX_PIXELS
from convneur.errors import ConfigError, InputError, OutputExistsError
from convneur.files import new_file, new_folder, new_text, output_path, refuse_existing
from convneur.formats import as_text, csv_table, plural
from convneur.inference.context import Context, StateSwap, check_context
from convneur.inference.object_folder import ObjectReport, predict_objects
from convneur.inference.objects import ObjectPredictor, load_objects
from convneur.inference.prediction import (
    ClassProbability,
    ClassShare,
    Prediction,
    share_dict,
    share_table,
    top_dicts,
)
from convneur.inference.predictor import (
    TOP,
    NamedImage,
    Predictor,
    check_image,
    check_settings,
    holds_detector,
    load_predictor,
    predict_together,
)
from convneur.inference.windows import WINDOW, window_size
from convneur.packaged import find_weights
from convneur.progress import Progress, silent
from convneur.results import Result, Table

__all__ = ["ClassifiedImage", "FailedImage", "LabelledImage", "PredictionReport", "predict_folder"]

TABLE = "predictions.csv"

_STATES = {"mean": "the mean state of the images", "other": "another image's state", "start": "M_0"}


@dataclass(frozen=True)
class LabelledImage:
    """An image and its label map. written: the file; shares: of the pixels, by class.

    >>> LabelledImage("a/b", Path("labels/a/b.png"), 4, 6, (ClassShare("road", 1.0),)).to_dict()["shares"]
    {'road': 1.0}
    """

    name: str
    written: Path
    height: int
    width: int
    shares: tuple[ClassShare, ...]

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "written": as_text(self.written),
            "height": self.height,
            "width": self.width,
            "shares": share_dict(self.shares),
        }


@dataclass(frozen=True)
class ClassifiedImage:
    """An image and its likeliest classes, the likeliest first.

    >>> ClassifiedImage("a", (ClassProbability("cat", 0.75),)).to_dict()
    {'name': 'a', 'top': [{'class': 'cat', 'probability': 0.75}]}
    """

    name: str
    top: tuple[ClassProbability, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, "top": top_dicts(self.top)}


@dataclass(frozen=True)
class FailedImage:
    """An image that could not be read, or that the model does not take, and why.

    >>> FailedImage("a", "a.png: no such file").why
    'a.png: no such file'
    """

    name: str
    why: str


@dataclass(frozen=True, repr=False)
class PredictionReport(Result):
    """What became of each image of a job.

    Args:
        task: images holds `LabelledImage`s of a segmentation model, `ClassifiedImage`s of a classifier.
        failed: the images that could not be read, or that the model does not take.
        out: the folder that was written to, if there was one.
        warnings: what lies in the folders and is not read, in words.
        context: the state that the memories read from.
        changed: share of the pixels, or of the images of a classifier, that have another label than with their own
            context; None where that is what was asked for.

    >>> report = PredictionReport("classification", (ClassifiedImage("a", (ClassProbability("cat", 0.75),)),), ())
    >>> print(report)
    Likeliest classes
    image  1
    ---------------
    a      cat 0.75
    """

    task: Task
    images: tuple[LabelledImage, ...] | tuple[ClassifiedImage, ...]
    failed: tuple[FailedImage, ...]
    out: Path | None = None
    warnings: tuple[str, ...] = ()
    context: Context = "own"
    changed: float | None = None

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<PredictionReport of {plural(len(self.images), 'image')}: {self.task}{failed}>"

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.predict/1",
            "task": self.task,
            "images": [each.to_dict() for each in self.images],
            "failed": [{"name": each.name, "why": each.why} for each in self.failed],
            "warnings": list(self.warnings),
            "context": self.context,
            "labels_changed": self.changed,
        }

    def tables(self) -> Sequence[Table]:
        if not self.images:
            return ()
        if self.task == "segmentation":
            return (share_table(self._totals()),)
        ranked = [each for each in self.images if isinstance(each, ClassifiedImage)]
        rows = [(each.name, *(f"{label} {value:.2f}" for label, value in each.top)) for each in ranked]
        columns = ("image", *(str(rank) for rank in range(1, len(rows[0]))))
        return (Table("Likeliest classes", columns, rows, left=len(columns)),)

    def sentences(self) -> Sequence[str]:
        said = []
        if self.task == "segmentation":
            said.append(f"{plural(len(self.images), 'label map')} in {self.out}")
        if self.changed is not None:
            what = "pixels" if self.task == "segmentation" else "images"
            said.append(f"Read from {_STATES[self.context]}: {self.changed:.1%} of the {what} change their label.")
        if self.failed:
            done = "labelled" if self.task == "segmentation" else "classified"
            said.append(f"{plural(len(self.failed), 'image')} not {done}")
        return said

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row for each image and class: of a classifier as predictions.csv has them."""
        rows: list[Mapping[str, Any]] = []
        for each in self.images:
            if isinstance(each, LabelledImage):
                rows += [{"name": each.name, "class": label, "share": share} for label, share in each.shares]
            else:
                ranked = enumerate(top_dicts(each.top), start=1)
                rows += [{"name": each.name, "rank": rank, **one} for rank, one in ranked]
        return rows

    def _totals(self) -> tuple[ClassShare, ...]:
        """Shares of the pixels of all images together."""
        totals: dict[str | int, float] = {}
        pixels = 0
        for each in self.images:
            if isinstance(each, LabelledImage):
                area = each.height * each.width
                pixels += area
                for label, share in each.shares:
                    totals[label] = totals.get(label, 0.0) + share * area
        return tuple(ClassShare(label, total / pixels) for label, total in totals.items())


@dataclass(frozen=True)
class _Asked:
    """An image, and its name under the output folders without suffix."""

    path: Path
    name: str


@dataclass(frozen=True)
class _Outputs:
    """The folders that a segmentation job writes to."""

    labels: Path
    probabilities: Path | None
    overlays: Path | None
    force: bool

    def files(self, name: str) -> Iterator[Path]:
        yield self.label_map(name)
        if self.probabilities is not None:
            yield output_path(self.probabilities, name, ".npz")
        if self.overlays is not None:
            yield output_path(self.overlays, name, ".png")

    def label_map(self, name: str) -> Path:
        return output_path(self.labels, name, ".png")

    def prepare(self, asked: Sequence[_Asked]) -> None:
        """Refuse what is there already before anything is made; then make the folders."""
        folders = [folder for folder in (self.labels, self.probabilities, self.overlays) if folder is not None]
        if len({folder.resolve() for folder in folders}) < len(folders):
            raise ConfigError("out", "`probabilities` and `overlays` need folders of their own")
        targets = [path for each in asked for path in self.files(each.name)]
        twice = next((path for path, times in Counter(targets).items() if times > 1), None)
        if twice is not None:
            raise ConfigError("out", "would be written twice; give folders that do not hold each other", value=twice)
        inputs = {each.path.resolve() for each in asked}
        for path in targets:
            if path.resolve() in inputs:
                raise ConfigError("out", "would overwrite one of the images; choose another folder", value=path)
        if not self.force:
            for path in targets:
                if os.path.lexists(path):
                    raise OutputExistsError(path)
        for folder in folders:
            new_folder(folder)
        for path in targets:
            new_folder(path.parent)
        refuse_existing(*targets, force=self.force)

    def write(self, name: str, prediction: Prediction) -> None:
        prediction.save(self.label_map(name), force=self.force)
        if self.probabilities is not None and prediction.probabilities is not None:
            halves = prediction.probabilities.astype(np.float16)
            with new_file(output_path(self.probabilities, name, ".npz"), force=self.force) as temporary:
                np.savez_compressed(temporary, probabilities=halves)
        if self.overlays is not None:
            with new_file(output_path(self.overlays, name, ".png"), force=self.force) as temporary:
                Image.fromarray(prediction.overlay()).save(temporary)


def predict_folder(
    images: str | Path | Sequence[str | Path],
    *,
    weights: str | Path | Predictor | ObjectPredictor = "camvid",
    out: str | Path | None = None,
    scale: float | None = None,
    window: int | tuple[int, int] | None = WINDOW,
    batch: int = 1,
    probabilities: str | Path | None = None,
    overlays: str | Path | None = None,
    top: int = TOP,
    score: float | None = None,
    annotations: str | Path | None = None,
    follow_links: bool = False,
    max_pixels: int = MAX_PIXELS,
    threads: int | None = None,
    context: Context = "own",
    force: bool = False,
    progress: Progress = silent,
) -> PredictionReport | ObjectReport:
    """What a trained model says of images: a label map each, the likeliest classes, or the objects in them.

    Every file is written whole or not at all. An image that cannot be read, or
    is too small for an exported graph, is reported, and the others are done.
    Choice: images of a folder with equal names but for the suffix keep it in theirs: `a.jpg`, `a.png`.
    Args:
        images: files, or folders of them. An image of a folder is named by its path inside it, without suffix.
        weights, threads: as `load` takes them, or what it gave.
        out: folder of label maps, `<name>.png` each, which a segmentation model needs; or of a classifier's
            predictions.csv; or of a detector's results.json, COCO results.
        score: of a detector, the least of an object's, by default .05, and .5 in pictures.
        annotations: of a detector, a COCO file that says the ids of the images, which otherwise are their names.
        scale, window, top, max_pixels: as `Predictor.predict`.
        batch: images of one size at once.
        probabilities: folder for `<name>.npz`: probabilities, (classes, H, W) float16. Segmentation only.
        overlays: folder for `<name>.png`: the labels, or the objects, over the image.
        follow_links: read what links lead to that lead out of a folder, or to folders.
        context: the state that the memories read from, at all stages: the image's own, the mean of all images, that of
            the image floor(n / 2) further (other), or M_0 (start). What the image's own context is worth shows against
            the mean; M_0 alone is a state that no training has seen. Images are then labelled one by one.
    Raises: ConfigError: a setting that cannot be, two images of one name; InputError: no image, an output that exists
        while `force` is off, an image that is too large for the memory.

    >>> import tempfile, convneur
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (96, 64)).save(f"{folder}/street.png")
    ...     report = predict_folder(f"{folder}/street.png", weights="camvid", out=f"{folder}/labels")
    ...     report.images[0].name, report.images[0].written.name
    ('street', 'street.png')
    """
    asked, unread = _asked([images] if isinstance(images, (str, Path)) else images, follow_links)
    of_objects = _objects_of(weights)
    if of_objects is not None:
        if probabilities is not None:
            problem = f"is for segmentation, and {of_objects.name} is a detector; leave it out"
            raise ConfigError("probabilities", problem)
        for setting, changed in (
            ("context", context != "own"),
            ("window", window_size(window) != WINDOW),
            ("top", top != TOP),
            ("batch", batch != 1),
            ("threads", threads is not None),
        ):
            if changed:
                raise ConfigError(setting, f"is not for {of_objects.name}, a detector; leave it out")
        if out is None:
            raise ConfigError("out", "name the folder for the results")
        for line in unread:
            progress.warn(line)
        return predict_objects(
            of_objects, {each.name: each.path for each in asked}, out=Path(out), annotations=annotations, score=score,
            scale=scale, overlays=None if overlays is None else Path(overlays), max_pixels=max_pixels, force=force,
            progress=progress, warnings=unread,
        )  # fmt: skip
    for setting, given in (("score", score), ("annotations", annotations)):
        if given is not None:
            raise ConfigError(setting, "is for a detector; leave it out")
    if not isinstance(weights, (str, Path)) and threads is not None:
        raise ConfigError("threads", "a loaded model has its own: give them to `load`", value=threads)
    predictor = load_predictor(weights, threads=threads) if isinstance(weights, (str, Path)) else weights
    assert isinstance(predictor, Predictor)
    dense = predictor.task == "segmentation"
    for setting, given in (("probabilities", probabilities), ("overlays", overlays)):
        if predictor.task == "classification" and given is not None:
            raise ConfigError(setting, f"is for segmentation, and {predictor.name} is a classifier; leave it out")
    cut = check_settings(predictor, scale=scale, window=window, top=top)
    check_context(predictor, context)
    if batch < 1:
        raise ConfigError("batch", "must be at least 1", value=batch)
    if context != "own" and batch != 1:
        problem = f"is of images with their own context; with `context {context}` they are labelled one by one"
        raise ConfigError("batch", problem, value=batch)
    folder, shares, seen = (None if each is None else Path(each) for each in (out, probabilities, overlays))
    outputs = table = None
    if dense:
        if folder is None:
            raise ConfigError("out", "name the folder for the label maps")
        outputs = _Outputs(folder, shares, seen, force)
        outputs.prepare(asked)
    elif folder is not None:
        table = new_folder(folder) / TABLE
        refuse_existing(table, force=force)

    for line in unread:
        progress.warn(line)
    labelled: list[LabelledImage] = []
    ranked: list[ClassifiedImage] = []
    failed: list[FailedImage] = []
    noted: list[tuple[str, tuple[str, ...]]] = []

    def opened(number: int) -> tuple[NamedImage, tuple[str, ...]]:
        photo = read_photo(asked[number].path, long_side=None, max_pixels=max_pixels)
        named = NamedImage(asked[number].name, photo.pixels, asked[number].path)
        check_image(predictor, named, scale=scale)
        return named, photo.notes

    def ask(group: Sequence[NamedImage]) -> list[Prediction]:
        return predict_together(predictor, group, scale=scale, window=cut, probabilities=shares is not None, top=top)

    def fail(name: str, error: InputError) -> None:
        progress.error(str(error))
        failed.append(FailedImage(as_text(name), str(error)))
        advance()

    def read() -> Iterator[NamedImage]:
        for number, each in enumerate(asked):
            try:
                named, notes = opened(number)
            except InputError as error:
                fail(each.name, error)
            else:
                noted.append((as_text(each.name), notes))
                yield named

    def swapped() -> Iterator[tuple[list[NamedImage], list[Prediction]]]:
        numbers = {each.name: number for number, each in enumerate(asked)}
        for image in read():
            name = str(image.name)
            try:
                yield [image], [swap.predict(image, numbers[name])]
            except InputError as error:
                fail(name, error)

    swap = StateSwap(
        predictor,
        context,
        count=len(asked),
        read=lambda number: opened(number)[0],
        ask=lambda image: ask([image])[0],
        scale=scale,
        window=cut,
    )
    swap.prepare(progress)
    with progress.steps("labelling" if dense else "classifying", len(asked)) as advance:
        groups = _groups(read(), min(batch, len(asked)), alike=dense)
        done_groups = ((group, ask(group)) for group in groups) if context == "own" else swapped()
        for group, predictions in done_groups:
            for each, prediction in zip(group, predictions, strict=True):
                name = str(each.name)
                if outputs is not None and prediction.labels is not None:
                    outputs.write(name, prediction)
                    height, width = prediction.labels.shape
                    written = outputs.label_map(name)
                    labelled.append(LabelledImage(as_text(name), written, height, width, prediction.shares))
                else:
                    ranked.append(ClassifiedImage(as_text(name), prediction.top or ()))
                advance()
    for line in summed_notes(noted):
        progress.warn(line)
    done = tuple(labelled) if dense else tuple(ranked)
    report = PredictionReport(
        "segmentation" if dense else "classification",
        done,
        tuple(failed),
        folder,
        tuple(unread),
        context=context,
        changed=swap.changed_share,
    )
    if table is not None and done:
        new_text(table, csv_table(report.records()), force=force)
        progress.note(f"written: {table}")
    return report


def _objects_of(weights: str | Path | Predictor | ObjectPredictor) -> ObjectPredictor | None:
    """A detector, where a file is one's; None of anything else."""
    if not isinstance(weights, (str, Path)):
        return weights if isinstance(weights, ObjectPredictor) else None
    return load_objects(weights) if holds_detector(find_weights(weights)) else None


def _asked(images: Sequence[str | Path], follow_links: bool) -> tuple[list[_Asked], list[str]]:
    """Each image with the name of what is written for it; what lies in the folders and is not read.

    Raises: InputError: no image; ConfigError: two of a name.
    """
    found: list[_Asked] = []
    unread: list[str] = []
    for path in map(Path, images):
        if path.is_dir():
            listing = images_under(path, follow_links=follow_links)
            bare = Counter(image.with_suffix("") for image in listing.files)
            for image in listing.files:
                alone = bare[image.with_suffix("")] == 1  # a.jpg beside a.png keeps its suffix
                kept = image.with_suffix("") if alone else image
                found.append(_Asked(image, kept.relative_to(path).as_posix()))
            unread += [*listing.warnings(), *label_maps_among(listing)]
        elif path.exists():
            found.append(_Asked(path, path.stem))
        else:
            raise InputError(path, "no such file or folder")
    if not found:
        raise ConfigError("images", "is empty; name an image or a folder of them")
    named: dict[str, _Asked] = {}
    for each in found:  # an image named twice is one
        known = named.setdefault(each.name, each)
        if known.path != each.path:
            both = f"{each.path} and {known.path}"
            raise ConfigError("images", f"{both} would both be written as {each.name}; do them separately")
    return list(named.values()), unread


def _groups(images: Iterable[NamedImage], batch: int, *, alike: bool) -> Iterator[list[NamedImage]]:
    """Images in order, as many together as a batch holds. Args: alike: only images of one size together."""
    for _, group in itertools.groupby(images, key=lambda image: image.pixels.shape if alike else None):
        while together := list(itertools.islice(group, batch)):
            yield together
