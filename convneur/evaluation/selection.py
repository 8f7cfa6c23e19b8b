"""What the paper's Figure 3 shows: a few images of a data set, one or two models' label maps of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from convneur.data.folders import nearest, nfc
from convneur.data.limits import MAX_PIXELS
from convneur.errors import ConfigError, InputError
from convneur.evaluation.inputs import Labels, Missing, existing
from convneur.evaluation.result import Evaluation
from convneur.evaluation.run import evaluate
from convneur.evaluation.scenes import ImagePick, Ranking, SceneModel, Scenes, image_folder, picked, ranking_by
from convneur.figures import Scene
from convneur.files import new_file, refuse_existing
from convneur.formats import short_names, significant
from convneur.metrics import METRICS, BoundarySettings
from convneur.metrics.tables import value_at
from convneur.progress import Progress, silent
from convneur.results import Result, Table, plain, read_only

__all__ = ["SceneSelection", "select_scenes"]

_METRICS = ("boundary_f1", "trimap_miou", "hausdorff")
_SUFFIXES = (".png", ".svg", ".pdf")


@dataclass(frozen=True, eq=False)
class SceneSelection(Result):
    """Images to be drawn side by side by `convneur.figures.paper_figure(selection.scenes)`.

    values: for each scene, by model, its metrics. file: where the figure was written, if it was.

    >>> from importlib.resources import files
    >>> horse = files("convneur") / "data" / "samples" / "horse"
    >>> found = select_scenes(horse / "predictions", horse / "gt", names=["shifted"])
    >>> found.scenes[0].predictions[0].values
    [('B', '1.000'), ('T', '0.541'), ('H', '3.6')]
    """

    scenes: tuple[Scene, ...]
    values: tuple[Mapping[str, Mapping[str, Any]], ...]
    file: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.figure-boundaries/1",
            "file": None if self.file is None else str(self.file),
            "images": [
                {"name": scene.name, "why": scene.heading, "figures": plain(values)}
                for scene, values in zip(self.scenes, self.values, strict=True)
            ],
        }

    def tables(self) -> Sequence[Table]:
        rows = [
            [scene.name, each.title, *(value for _, value in each.values)]
            for scene in self.scenes
            for each in scene.predictions
        ]
        letters = [letter for letter, _ in self.scenes[0].predictions[0].values]
        return (Table("; ".join(self.scenes[0].notes), ["image", "model", *letters], rows, left=2),)


def select_scenes(
    predictions: str | Path,
    ground_truth: str | Path,
    *,
    twin: str | Path | None = None,
    images: str | Path | None = None,
    names: Sequence[str] | None = None,
    by: str = "boundary_f1",
    count: int = 1,
    tolerance: str | float = "0.008",
    titles: Sequence[str] | None = None,
    preset: str | None = None,
    classes: str | Path | Sequence[str] | None = None,
    ignore_index: int | str | None = None,
    colours: str | Path | None = None,
    pred_name: str | None = None,
    gt_name: str | None = None,
    listed: str | Path | None = None,
    num_classes: int | None = None,
    missing: Missing = "error",
    resize: Literal["nearest"] | None = None,
    pred_labels: Labels | None = None,
    gt_labels: Labels | None = None,
    follow_links: bool = False,
    max_pixels: int = MAX_PIXELS,
    workers: int = 1,
    output: str | Path | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> SceneSelection:
    """Score folders of label maps as `evaluate` does and choose the images of Figure 3.

    Choice: the trimap is 3 pixels wide to each side.
    Args:
        twin: a second model's label maps, drawn before the first's.
        images: the folder of images, of the same names.
        names: the images to draw; None: the worst, median and best, `count` of each.
        by: what makes an image of `predictions` good, such as miou or boundary_f1@3px.
        tolerance: of boundary F1. titles: of the models, in the order in which they are drawn; None: their folders.
        preset, classes, ignore_index, colours, pred_name, gt_name, listed, num_classes, missing, resize, gt_labels,
            pred_labels, follow_links, max_pixels, workers: see `evaluate`.
        output: draw the figure into this file: .png, .svg or .pdf; force: even if it exists.
    Raises: ConfigError: a setting. InputError: a pair that cannot be scored, no image for a label map.

    >>> from importlib.resources import files
    >>> horse = files("convneur") / "data" / "samples" / "horse"
    >>> found = select_scenes(horse / "predictions", horse / "gt", by="miou")
    >>> [(scene.name, scene.heading) for scene in found.scenes][0]
    ('dilated', 'worst 1 of 3 by mIoU: 0.9031')
    """
    folders = [Path(path) for path in (twin, predictions) if path is not None]
    for setting, path in (("predictions", predictions), ("ground_truth", ground_truth), ("twin", twin)):
        if path is not None and not existing(setting, path).is_dir():
            raise ConfigError(setting, "is a file; give a folder", value=path)
    pictures = image_folder(images, follow_links=follow_links)
    output = None if output is None else Path(output)
    if output is not None:
        if output.suffix.lower() not in _SUFFIXES:
            raise ConfigError("output", f"the name must end in {', '.join(_SUFFIXES)}", value=output)
        refuse_existing(output, force=force)
    if names and count != 1:
        raise ConfigError("count", "chooses images, which `names` does; leave one of them out", value=count)
    metric = by.partition("@")[0]
    if metric not in METRICS:
        raise ConfigError("by", f"must be one of {', '.join(METRICS)}", value=by)
    metrics = tuple(dict.fromkeys((*_METRICS, metric)))
    ranking = ranking_by("by", by, BoundarySettings(metrics=metrics, tolerance=(tolerance,), trimap_width=(3,)))
    heads = list(titles) if titles else short_names(*map(str, folders))
    if len(heads) != len(folders) or len(set(heads)) < len(heads):
        problem = f"give {len(folders)}, one for each folder of predictions"
        raise ConfigError("titles", problem, value=",".join(heads))

    try:
        main = evaluate(
            predictions, ground_truth, against=twin, preset=preset, classes=classes, ignore_index=ignore_index,
            colours=colours, pred_name=pred_name, gt_name=gt_name, listed=listed, num_classes=num_classes,
            missing=missing, resize=resize, pred_labels=pred_labels, gt_labels=gt_labels, follow_links=follow_links,
            max_pixels=max_pixels, metrics=metrics, tolerance=tolerance, trimap_width=3, workers=workers, strict=True,
            progress=progress,
        )  # fmt: skip
    except InputError as error:  # of a setting that has another name here
        raise type(error)(error.path, error.problem.replace("`against ", "`twin ")) from None
    models = [main] if main.against is None else [main.against, main]
    scenes = Scenes(
        [_scene_model(head, model) for head, model in zip(heads, models, strict=True)],
        main.source.inputs,
        main.source.settings,
        ranking,
        main.source.scores.names,
        pictures,
    )
    drawn = tuple(scenes.scene(pick.name, pick.heading) for pick in _picks(main, names, ranking, count))
    if scenes.without_image:
        problem = f"no image of the same name and shape for {scenes.without_image[0]}"
        raise InputError(images, "; ".join([problem, *scenes.unread]))
    if output is not None:
        from convneur.figures import paper_figure, save_figure

        figure = paper_figure(drawn)
        with new_file(output, force=force) as temporary:
            save_figure(figure, temporary, dpi=int(figure.dpi))
        progress.note(f"written: {output}")
    values = [
        {model.title: {key: value for key, value in model.values[scene.name].items() if key in (*_METRICS, "miou")}
         for model in scenes.models}
        for scene in drawn
    ]  # fmt: skip
    return SceneSelection(drawn, read_only(values), output)


def _scene_model(title: str, model: Evaluation) -> SceneModel:
    pairs = {pair.name: pair for pair in model.source.inputs.pairing.pairs}
    return SceneModel(title, pairs, {row["name"]: row for row in model.per_image})


def _picks(main: Evaluation, names: Sequence[str] | None, ranking: Ranking, count: int) -> list[ImagePick]:
    if names is None:
        return picked(main.per_image, ranking, count)
    rows = {row["name"]: row for row in main.per_image}
    names = [nfc(name) for name in names]
    for name in names:
        if name not in rows:
            near = nearest(name, rows)[0]
            raise ConfigError("names", f"no such image in {main.source.title}; the nearest is {near}", value=name)
    return [
        ImagePick(name, f"{ranking.name}: {significant(value_at(rows[name], ranking.path))}", name) for name in names
    ]
