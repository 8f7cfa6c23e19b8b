"""`convneur predict`: what a trained net says of photos."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convneur.errors import InputError
from convneur.files import new_file, new_folder, refuse_existing
from convneur.formats import csv_table
from convneur_cli.errors import FAILED, UsageError, existing_path
from convneur_cli.options.common import CommonOptions
from convneur_cli.output import Printer
from convneur_cli.sizes import parse_size
from convneur_cli.weights import weights_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from convneur.model.network import ConvNeur

__all__ = ["Trained", "load_trained", "predict", "write_labels"]


@dataclass(frozen=True)
class Trained:
    """A net and what its file says of it. palette: colours of the classes, (K, 3)."""

    model: "ConvNeur"
    task: str
    names: tuple[str, ...]
    crop: tuple[int, int]
    scale: float
    palette: "NDArray[np.uint8]"


@dataclass(frozen=True)
class _Asked:
    """A photo, and its name under the output folder without suffix."""

    photo: Path
    name: str


def predict(
    common: CommonOptions,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGES...", readable=False, help="Photos, or folders of them.")
    ],
    weights: Annotated[
        str,
        typer.Option(
            help="weights.safetensors of a training run, or packaged ones by name; camvid knows street scenes.",
            metavar="FILE|NAME",
        ),
    ] = "camvid",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            "--output",
            help="Folder of label maps, or of predictions.csv of a classifier.",
            metavar="DIR",
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(
            help="Segmentation: factor on a photo's sides before the net.", show_default="as it was validated"
        ),
    ] = None,
    window: Annotated[
        str,
        typer.Option(help="Segmentation: larger photos are cut into windows of this size.", metavar="SIZE|none"),
    ] = "1024",
    batch: Annotated[int, typer.Option(min=1, help="Photos of one size at once.")] = 1,
    probabilities: Annotated[
        Path | None,
        typer.Option(help="Folder for NPZ files: probabilities, (classes, H, W) float16.", metavar="DIR"),
    ] = None,
    overlays: Annotated[
        Path | None, typer.Option(help="Folder for pictures of the labels over the photo.", metavar="DIR")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="Classification: so many classes of each photo.")] = 5,
) -> int | None:
    """Label photos with a trained net: a label map each, or the likeliest classes.

    Label maps are PNG files of the photo's own size with a palette, one class id per pixel, as `eval-boundary` takes
    them: DIR/PHOTO.png under the same folders. Nothing is fetched: the classes are in the weights.

    Example: `convneur predict photo.jpg --out labelled`
    """
    asked = _asked([existing_path(path) for path in images])
    printer = common.printer()
    trained = load_trained(weights_file("--weights", weights))
    if trained.task == "classification":
        for option, typed in (("--probabilities", probabilities), ("--overlays", overlays), ("--scale", scale)):
            if typed is not None:
                raise UsageError(f"{option}: {weights} is a classifier's; leave it out")
        return _classify(printer, trained, asked, out, batch=batch, top=top, force=common.force)
    if out is None:
        raise UsageError("--out: name the folder for the label maps")
    if scale is not None and not scale > 0:
        raise UsageError(f"--scale {scale}: must be above 0")
    cut = None if window == "none" else parse_size("--window", window)
    folders = {"label map": (out, ".png"), "probabilities": (probabilities, ".npz"), "overlay": (overlays, ".png")}
    wanted = {what: (folder, suffix) for what, (folder, suffix) in folders.items() if folder is not None}
    if len({folder.resolve() for folder, _ in wanted.values()}) < len(wanted):
        raise UsageError("--out, --probabilities, --overlays: name a folder for each")
    for folder, suffix in wanted.values():
        new_folder(folder)
        for each in asked:
            new_folder((folder / each.name).parent)
            refuse_existing(folder / f"{each.name}{suffix}", force=common.force)

    import torch

    from convneur.inference import pixel_logits

    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    with printer.steps("labelling", len(asked)) as advance:
        for group in _groups(asked, failed, printer, batch, advance):
            photos = [pixels for _, pixels in group]
            try:
                logits = pixel_logits(trained.model, photos, scale=scale or trained.scale, window=cut)
            except (RuntimeError, MemoryError) as error:
                if not isinstance(error, MemoryError) and "memory" not in str(error) and "allocate" not in str(error):
                    raise
                height, width = photos[0].shape[:2]
                raise InputError(
                    group[0][0].photo,
                    f"not enough memory for {len(group)} of {height}x{width} pixels; choose a "
                    "smaller --batch, --window or --scale",
                ) from None
            for (each, pixels), scores in zip(group, logits, strict=True):
                labels = scores.argmax(0).cpu().numpy()
                for what, (folder, suffix) in wanted.items():
                    with new_file(folder / f"{each.name}{suffix}", force=common.force) as temporary:
                        if what == "label map":
                            write_labels(temporary, labels, trained.palette)
                        elif what == "probabilities":
                            _write_probabilities(temporary, torch.softmax(scores, dim=0))
                        else:
                            _write_overlay(temporary, pixels, labels, trained.palette)
                done.append(_shares(each, out, labels, trained.names))
                advance()
    printer.text(f"{len(done)} label maps in {out}")
    _print_shares(printer, done, trained.names)
    printer.json({"schema": "convneur.predict/1", "task": trained.task, "images": done, "failed": failed})
    return FAILED if failed else None


def _asked(paths: Sequence[Path]) -> list[_Asked]:
    """Each photo with the name of what is written for it. Raises: InputError: no photo, or two of one name."""
    from convneur.data.photo_folder import photos_under

    found: list[_Asked] = []
    for path in paths:
        if path.is_dir():
            under = [_Asked(photo, photo.relative_to(path).with_suffix("").as_posix()) for photo in photos_under(path)]
            if not under:
                raise InputError(path, "no photo in it")
            found += under
        else:
            found.append(_Asked(path, path.stem))
    names: dict[str, Path] = {}
    for each in found:
        if names.setdefault(each.name, each.photo) != each.photo:
            raise UsageError(f"{each.photo} and {names[each.name]}: would both be written as {each.name}; ask apart")
    return found


def load_trained(path: Path) -> Trained:
    """The net in a file, with its classes. Raises: InputError: weights that say of no classes."""
    from convneur.checkpoints import load_checkpoint
    from convneur.data.presets import PRESETS
    from convneur.figures.class_colours import class_colours
    from convneur.gates.capture import check_finite

    model, about = load_checkpoint(path)
    task, names, settings = about.get("task"), about.get("classes"), about.get("settings")
    if task not in ("segmentation", "classification") or not names or not settings:
        raise InputError(path, "says nothing of a task and its classes; give weights that `convneur train` wrote")
    check_finite(model, str(path))
    known = PRESETS[about["preset"]].palette if about.get("preset") in PRESETS else None
    crop = int(settings["crop"][0]), int(settings["crop"][1])
    import torch

    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    colours = class_colours(len(names), known)
    return Trained(model, task, tuple(names), crop, float(settings["eval_scale"]), colours)


def _groups(
    asked: Sequence[_Asked], failed: list[dict[str, str]], printer: Printer, batch: int, advance: Any
) -> "Iterator[list[tuple[_Asked, NDArray[np.uint8]]]]":
    """Photos in order, as many of one size together as a batch holds; those that cannot be read are reported."""
    from convneur.data.images import read_photo

    def read() -> "Iterator[tuple[_Asked, NDArray[np.uint8]]]":
        for each in asked:
            try:
                yield each, read_photo(each.photo, long_side=None).pixels
            except InputError as error:
                printer.error(str(error))
                failed.append({"name": each.name, "why": str(error)})
                advance()

    for _, alike in itertools.groupby(read(), key=lambda pair: pair[1].shape):
        while group := list(itertools.islice(alike, batch)):
            yield group


def write_labels(path: Path, labels: "NDArray[np.int64]", palette: "NDArray[np.uint8]") -> None:
    """A label map as PNG: class ids, (H, W), with the classes' colours."""
    import numpy as np
    from PIL import Image

    if len(palette) > 256:
        Image.fromarray(labels.astype(np.uint16)).save(path)
        return
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette(palette.tobytes())  # makes it a palette image with the same values
    image.save(path)


def _write_probabilities(path: Path, shares: Any) -> None:
    import numpy as np

    with path.open("wb") as file:
        np.savez_compressed(file, probabilities=shares.cpu().numpy().astype(np.float16))


def _write_overlay(
    path: Path, pixels: "NDArray[np.uint8]", labels: "NDArray[np.int64]", palette: "NDArray[np.uint8]"
) -> None:
    from PIL import Image

    Image.blend(Image.fromarray(pixels), Image.fromarray(palette[labels]), 0.5).save(path)


def _shares(each: _Asked, out: Path, labels: "NDArray[np.int64]", names: Sequence[str]) -> dict[str, Any]:
    import numpy as np

    shares = np.bincount(labels.ravel(), minlength=len(names)) / labels.size
    return {
        "name": each.name,
        "written": str(out / f"{each.name}.png"),
        "height": labels.shape[0],
        "width": labels.shape[1],
        "shares": {name: float(share) for name, share in zip(names, shares, strict=True) if share},
    }


def _print_shares(printer: Printer, done: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    pixels = sum(each["height"] * each["width"] for each in done)
    totals = [sum(each["shares"].get(name, 0.0) * each["height"] * each["width"] for each in done) for name in names]
    ranked = sorted(zip(names, totals, strict=True), key=lambda pair: -pair[1])
    rows = [(name, f"{total / pixels:.1%}") for name, total in ranked if total]
    if rows:
        printer.table("Share of the pixels", ("class", "share"), rows)


def _classify(
    printer: Printer,
    trained: Trained,
    asked: Sequence[_Asked],
    out: Path | None,
    *,
    batch: int,
    top: int,
    force: bool,
) -> int | None:
    import torch

    from convneur.data.images import read_photo
    from convneur.inference import class_logits

    table = new_folder(out) / "predictions.csv" if out else None
    if table:
        refuse_existing(table, force=force)
    done: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    with printer.steps("classifying", len(asked)) as advance:
        rest = iter(asked)
        while group := list(itertools.islice(rest, batch)):
            photos = []
            for each in group:
                try:
                    photos.append((each, read_photo(each.photo, long_side=None).pixels))
                except InputError as error:
                    printer.error(str(error))
                    failed.append({"name": each.name, "why": str(error)})
            if photos:
                logits = class_logits(trained.model, [pixels for _, pixels in photos], trained.crop)
                shares, ranks = torch.softmax(logits, dim=1).cpu().topk(min(top, len(trained.names)), dim=1)
                for (each, _), values, classes in zip(photos, shares.tolist(), ranks.tolist(), strict=True):
                    best = [
                        {"class": trained.names[number], "probability": share}
                        for share, number in zip(values, classes, strict=True)
                    ]
                    done.append({"name": each.name, "top": best})
            advance(steps=len(group))
    rows = [(each["name"], *(f"{one['class']} {one['probability']:.2f}" for one in each["top"])) for each in done]
    if rows:
        count = len(rows[0])
        printer.table("Likeliest classes", ("photo", *map(str, range(1, count))), rows, left=count)
    if table and done:
        flat = [
            {"name": each["name"], "rank": rank, **one}
            for each in done
            for rank, one in enumerate(each["top"], start=1)
        ]
        with new_file(table, force=force) as temporary:
            temporary.write_text(csv_table(flat), encoding="utf-8")
        printer.note(f"written: {table}")
    printer.json({"schema": "convneur.predict/1", "task": trained.task, "images": done, "failed": failed})
    return FAILED if failed else None
