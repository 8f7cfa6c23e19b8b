"""What viz-gates looks at, what it draws of it, and the files that it writes."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from convneur.files import output_path
from convneur_cli.errors import UsageError
from convneur_cli.options.common import option_group
from convneur_cli.options.modes import refuse_others

__all__ = ["GateDrawOptions", "GateFileOptions", "GateLookOptions", "LayerOptions", "refuse_drawing"]

_LOOK, _DRAW, _FILES = "What is looked at", "What is drawn", "Files"
_LAYERS = "Layers by name, of any model"
_OF_LAYERS = ("reduce", "scale", "gate_scale", "overlay", "against")
_FORMATS = ("png", "svg", "pdf", "html")
MOST_TOGETHER = 20  # their features are all held


@option_group
@dataclasses.dataclass(frozen=True)
class GateLookOptions:
    """Which model, and where in it."""

    stage: Annotated[
        str, typer.Option(help="Stages to look at: all, or some of 1,2,3,4.", metavar="all|1,3", rich_help_panel=_LOOK)
    ] = "all"
    weights: Annotated[
        str | None,
        typer.Option(
            help="A .safetensors file, packaged weights by name, or none for an untrained model (see --model, --seed).",
            metavar="FILE|NAME|none",
            show_default="photos; none if other options ask for another model",
            rich_help_panel=_LOOK,
        ),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**63 - 1, help="Seed of an untrained model.", show_default="0", rich_help_panel=_LOOK),
    ] = None
    size: Annotated[
        str | None,
        typer.Option(
            help="Long side in pixels that images are scaled to, native, or validation: as large as the weights saw "
            "images when they were validated.",
            metavar="PIXELS|native|validation",
            show_default="validation where the weights' file says it, else 512",
            rich_help_panel=_LOOK,
        ),
    ] = None
    block: Annotated[int, typer.Option(help="Block of each stage to look at, from 1.", rich_help_panel=_LOOK)] = 1
    mask: Annotated[
        Path | None,
        typer.Option(
            help="Object mask that gates are measured against: a label map, a binary or a grey mask, 0 the background; "
            "with several images a folder of masks with the images' names.",
            metavar="FILE|DIR",
            readable=False,
            show_default="image gradients",
            rich_help_panel=_LOOK,
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """As `convneur.gates.inspect` takes them."""
        look = dataclasses.asdict(self)
        size = int(self.size) if self.size and self.size.isdecimal() else self.size
        return {**look, "stage": _stages(self.stage), "size": size}


@option_group
@dataclasses.dataclass(frozen=True)
class GateDrawOptions:
    """Which maps, and in which colours."""

    local_weights: Annotated[
        str | None,
        typer.Option(
            help="Weights of a model without a global path, for row 1; same takes those of --weights, memory off.",
            metavar="FILE|NAME|same",
            show_default="the twin of packaged weights, else same",
            rich_help_panel=_DRAW,
        ),
    ] = None
    against: Annotated[
        str | None,
        typer.Option(
            help="Weights of a second model: the same rows in the same colours, and the difference; none is the model "
            "before any training. With layers by name also another model, as for --model.",
            metavar="FILE|NAME|none",
            rich_help_panel=_DRAW,
        ),
    ] = None
    reduce: Annotated[
        Literal["rms", "mean", "absmean", "max", "pca"],
        typer.Option(help="How the channels of a feature become one map, on every row.", rich_help_panel=_DRAW),
    ] = "rms"
    scale: Annotated[
        str,
        typer.Option(
            help="Colour limits. paired: the rows before and after the gate share theirs in each stage. column: all "
            "feature rows of a stage share theirs. map: each map has its own. LO:HI: these limits, for the gate too.",
            metavar="paired|column|map|LO:HI",
            rich_help_panel=_DRAW,
        ),
    ] = "paired"
    gate_scale: Annotated[
        str | None,
        typer.Option(
            help="Colour limits of the gate: own in each stage, shared by the stages of an image, or LO:HI for all.",
            metavar="own|shared|LO:HI",
            show_default="own, or the limits of --scale",
            rich_help_panel=_DRAW,
        ),
    ] = None
    row3: Annotated[
        Literal["output", "gated"],
        typer.Option(
            "--row3",
            help="After the gate: the block's output F_out, which contains its input, or sigmoid(G) * F_loc.",
            rich_help_panel=_DRAW,
        ),
    ] = "output"
    no_gate: Annotated[bool, typer.Option("--no-gate", help="Leave out the gate's own row.", rich_help_panel=_DRAW)] = (
        False
    )
    surprise: Annotated[
        bool, typer.Option("--surprise", help="Draw the memory's surprise at each position.", rich_help_panel=_DRAW)
    ] = False
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Lay the maps over the image in grey.", rich_help_panel=_DRAW)
    ] = False
    chunk_borders: Annotated[
        bool, typer.Option("--chunk-borders", help="Outline the memory's chunks on the maps.", rich_help_panel=_DRAW)
    ] = False

    reads: Annotated[
        str | None,
        typer.Option(
            help="Draw where the read of one position comes from: a pixel of the image, such as its middle.",
            metavar="ROW,COL",
            rich_help_panel=_DRAW,
        ),
    ] = None

    def settings(self) -> dict[str, Any]:
        """As `convneur.gates.inspect` takes them."""
        draw = dataclasses.asdict(self)
        draw["gate"] = not draw.pop("no_gate")
        draw["scale"] = _limits("--scale", self.scale, "paired", "column", "map")
        draw["reads"] = None if self.reads is None else _position(self.reads)
        draw["gate_scale"] = _limits("--gate-scale", self.gate_scale, "own", "shared")
        return draw


@option_group
@dataclasses.dataclass(frozen=True)
class LayerOptions:
    """Layers of any model, by name."""

    layer: Annotated[
        str | None,
        typer.Option(
            help="Draw what these layers of any model compute: names, or patterns such as layer*, with commas between.",
            metavar="NAME",
            rich_help_panel=_LAYERS,
        ),
    ] = None
    channels: Annotated[
        str | None,
        typer.Option(
            help="Of each layer these channels, as a grid; top16: the 16 that vary most over positions.",
            metavar="0,5,7|top16",
            show_default="all, reduced",
            rich_help_panel=_LAYERS,
        ),
    ] = None
    gate: Annotated[
        str | None,
        typer.Option(
            help="Layers whose output multiplies that of --features: before, gate and after, with numbers.",
            metavar="NAME",
            rich_help_panel=_LAYERS,
        ),
    ] = None
    features: Annotated[
        str | None,
        typer.Option(
            help="What each --gate multiplies; f[0:96] names channels of a layer that computes more.",
            metavar="NAME",
            rich_help_panel=_LAYERS,
        ),
    ] = None
    list_layers: Annotated[
        bool,
        typer.Option("--list-layers", help="Print the model's layers with their shapes.", rich_help_panel=_LAYERS),
    ] = False
    factory_arguments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="An argument of another model's factory. Repeatable.",
            metavar="NAME=VALUE",
            rich_help_panel=_LAYERS,
        ),
    ] = None

    def wanted(self, model: str | None) -> bool:
        """Whether layers are looked at by name, and not the gates of a ConvNeur."""
        foreign = model is not None and (":" in model or model.startswith("timm/"))
        return foreign or any(getattr(self, field.name) != field.default for field in dataclasses.fields(self))

    def settings(self, draw: "GateDrawOptions") -> dict[str, Any]:
        """As `convneur.gates.inspect_layers` takes them. Raises: UsageError: an option that is of ConvNeur's gates."""
        refuse_others("layers by name", [draw], _OF_LAYERS)
        drawn = {key: value for key, value in draw.settings().items() if key in _OF_LAYERS}
        own = {name: getattr(self, name) for name in ("layer", "channels", "gate", "features")}
        return {**drawn, **own, "factory_arguments": self.factory_arguments or ()}


@option_group
@dataclasses.dataclass(frozen=True)
class GateFileOptions:
    """The files that an image's figure is written to, and how it fits on a page."""

    width: Annotated[
        str | None,
        typer.Option(
            help="For a paper: width of the figure, its type 7 points; single and double are CVPR's column and text.",
            metavar="single|double|6.875in|17cm",
            show_default="12 inches; double for --bare, --together and --against",
            rich_help_panel=_FILES,
        ),
    ] = None
    bare: Annotated[
        bool,
        typer.Option(
            "--bare", help="The maps and their names alone; the recipe stays in the record.", rich_help_panel=_FILES
        ),
    ] = False
    together: Annotated[
        bool,
        typer.Option("--together", help="All images in one figure, a row for each.", rich_help_panel=_FILES),
    ] = False

    image_format: Annotated[
        Literal["png", "svg", "pdf", "html"] | None,
        typer.Option(
            "--format", help="Format of the figures where -o names no file.", show_default="png", rich_help_panel=_FILES
        ),
    ] = None
    save_arrays: Annotated[
        bool, typer.Option("--save-arrays", help="Write the drawn maps as .npz too.", rich_help_panel=_FILES)
    ] = False
    raw_arrays: Annotated[
        bool,
        typer.Option(
            "--raw-arrays",
            help="Write what the maps are made of as .raw.npz: (C, H, W) of each layer.",
            rich_help_panel=_FILES,
        ),
    ] = False

    @property
    def beside(self) -> tuple[str, ...]:
        """The suffixes of what is written beside a figure."""
        return (".json", *[".npz"] * self.save_arrays, *[".raw.npz"] * self.raw_arrays)

    def figures(self, images: Sequence[Path], output: Path | None) -> dict[Path, list[Path]]:
        """The figures, and the images that each draws. Raises: UsageError: names that cannot be."""
        stems: dict[str, Path] = {}
        for image in images:
            if image.stem in stems:
                raise UsageError(
                    f"{stems[image.stem]} and {image}: equal names but for folder and suffix; run them apart"
                )
            stems[image.stem] = image
        if self.together and len(images) > MOST_TOGETHER:
            raise UsageError(f"--together: one figure draws at most {MOST_TOGETHER} images, not {len(images)}")
        suffix = self.image_format or "png"
        if self.together or (output is not None and len(images) == 1):
            found = {self._named(output or Path(f"together-gates.{suffix}")): list(images)}
        else:
            if output is not None and _suffix(output) in _FORMATS and not output.is_dir():
                raise UsageError(f"--output {output}: with several images name a folder, or add --together")
            folder = output or Path()
            found = {output_path(folder, f"{stem}-gates", f".{suffix}"): [image] for stem, image in stems.items()}
        inputs = {image.resolve() for image in images}
        for figure in found:
            if figure.resolve() in inputs:
                raise UsageError(f"--output {figure}: is one of the images; choose another name")
            if _suffix(figure) == "html" and (self.width is not None or self.bare or self.together):
                option = "--together" if self.together else "--bare" if self.bare else "--width"
                raise UsageError(f"{option}: is of a picture; name a .png, .svg or .pdf, or leave it out")
        return found

    def _named(self, output: Path) -> Path:
        if not output.name:  # "." or "/", which nothing can be written beside
            raise UsageError(f"--output {output}: is a folder; name a file")
        if output.is_dir():
            return output  # which is said when it is written
        if _suffix(output) not in _FORMATS:
            raise UsageError(f"--output {output}: end it in .{', .'.join(_FORMATS)}")
        if self.image_format not in (None, _suffix(output)):
            raise UsageError(f"--format {self.image_format}: --output {output} says another")
        return output


def refuse_drawing(mode: str, *groups: Any) -> None:
    """Raise UsageError: something was asked of pictures that a mode such as --batch does not draw."""
    for group in groups:
        for field in dataclasses.fields(group):
            if getattr(group, field.name) != field.default:
                typed = {"image_format": "--format", "factory_arguments": "--set"}
                option = typed.get(field.name, f"--{field.name.replace('_', '-')}")
                raise UsageError(f"{option}: {mode} draws no pictures; leave one of them out")


def _suffix(path: Path) -> str:
    return path.suffix.lower().removeprefix(".")


def _limits(option: str, typed: str | None, *words: str) -> str | tuple[float, float] | None:
    """One of the words as it is, LOW:HIGH as two numbers."""
    if typed is None or typed in words:
        return typed
    try:
        low, high = map(float, typed.split(":"))
    except ValueError:
        raise UsageError(f"{option} {typed}: choose {', '.join(words)}, or LOW:HIGH such as 0:0.05") from None
    return low, high


def _position(typed: str) -> tuple[int, int]:
    try:
        row, column = map(int, typed.split(","))
    except ValueError:
        raise UsageError(f"--reads {typed}: give a pixel's row and column, such as 120,200") from None
    return row, column


def _stages(typed: str) -> str | list[int]:
    try:
        return typed if typed == "all" else [int(part) for part in typed.split(",")]
    except ValueError:
        raise UsageError(f"--stage {typed}: choose all, or some of 1,2,3,4 with commas between") from None
