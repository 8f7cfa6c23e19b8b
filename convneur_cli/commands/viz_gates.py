"""`convneur viz-gates`: local features before and after the gate, for photos."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

import convneur
from convneur.errors import InputError
from convneur.files import new_file, new_folder, refuse_existing
from convneur.formats import as_text, to_json
from convneur.variants import CHUNK_SETTINGS
from convneur_cli.errors import FAILED, UsageError, existing_path
from convneur_cli.gates_batch import Batch, check_batch_output, photos_in
from convneur_cli.gates_masks import Masks, masks_of
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.model import ModelOptions
from convneur_cli.output import Printer
from convneur_cli.weights import weights_file

if TYPE_CHECKING:
    from convneur.gates.manifest import NetSource
    from convneur.gates.maps import Recipe, Row3
    from convneur.gates.reduce import Reduction
    from convneur.model.network import ConvNeur
    from convneur.variants import ConvNeurConfig

__all__ = ["viz_gates"]

_FORMATS = ("png", "svg", "pdf", "html")
_DEFAULT_WEIGHTS = "photos"


# readable=False below: a file without permission to read it is a failure of that file, not wrong usage.
def viz_gates(
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE", readable=False, help="Photos of any size and format; with --batch folders of them too."
        ),
    ],
    model: ModelOptions,
    common: CommonOptions,
    stage: Annotated[str, typer.Option(help="Which stages: all, or some of 1,2,3,4.", metavar="all|1,3")] = "all",
    weights: Annotated[
        str | None,
        typer.Option(
            help="A .safetensors file, packaged weights by name, or none: an untrained net of --model with --seed.",
            metavar="FILE|NAME|none",
            show_default="photos; none if other options ask for another net",
        ),
    ] = None,
    local_weights: Annotated[
        str | None,
        typer.Option(
            help="A net trained without memory, for row 1; same: the same weights, memory off.",
            metavar="FILE|NAME|same",
            show_default="the twin of packaged weights, else same",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**63 - 1, help="Of an untrained net.", show_default="0")
    ] = None,
    size: Annotated[str, typer.Option(help="Long side in pixels, or native.", metavar="PIXELS|native")] = "512",
    reduce: Annotated[
        Literal["rms", "mean", "absmean", "max", "pca"], typer.Option(help="Over channels, on every row.")
    ] = "rms",
    scale: Annotated[
        str,
        typer.Option(
            help="Colour limits. paired: rows before and after the gate share in each stage. column: all feature rows "
            "of a stage. map: each panel its own. LO:HI: these.",
            metavar="paired|column|map|LO:HI",
        ),
    ] = "paired",
    row3: Annotated[
        Literal["output", "gated"],
        typer.Option("--row3", help="F_out, which contains the block's input, or sigmoid(G) * F_loc."),
    ] = "output",
    gate: Annotated[bool, typer.Option(help="Draw the gate's own row.")] = True,
    surprise: Annotated[bool, typer.Option("--surprise", help="Draw the memory's surprise at each position.")] = False,
    block: Annotated[int, typer.Option(help="Which block of each stage, from 1.")] = 1,
    overlay: Annotated[bool, typer.Option("--overlay", help="Lay the maps over the photo in grey.")] = False,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="What the numbers are measured against: a label map or binary mask of the photo, 0 the background; "
            "of several photos a folder of masks with their names.",
            metavar="FILE|DIR",
            readable=False,
            show_default="image gradients",
        ),
    ] = None,
    batch: Annotated[
        bool,
        typer.Option(
            "--batch", help="No pictures: the numbers over many photos, with intervals; -o FILE.csv for each."
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The figure, .png, .svg or .pdf, or a page to look around in, .html; with several images a folder; "
            "with --batch a .csv file.",
            show_default="IMAGE-gates.png in this folder",
        ),
    ] = None,
    image_format: Annotated[
        Literal["png", "svg", "pdf", "html"] | None,
        typer.Option("--format", help="Where -o names no file.", show_default="png"),
    ] = None,
    save_arrays: Annotated[bool, typer.Option("--save-arrays", help="Write the drawn maps as .npz too.")] = False,
) -> int | None:
    """See what the gate does: local features before and after it, in each stage, beside the photo.

    Rows: the local features of a net without a global path; ConvNeur's before the gate; the gate; the block's output.
    Beside the figure lies its record, a .json with recipe, colour limits, the weights' SHA-256 and versions. Reads
    any photo: turned by its EXIF tag, transparent parts on white, 16 bits as 8. An untrained net's picture says
    so.

    Numbers under the maps: shares of gate values below .25 and above .75; by how much the gate suppresses the
    background and sharpens edges.

    Example: `convneur viz-gates photo.jpg --row3 gated -o photo-gates.png`

    Example: `convneur viz-gates horse.jpg --mask horse-mask.png -o horse-gates.html`

    Example: `convneur viz-gates nuclei/images/val --batch --mask nuclei/masks/val -o gates.csv`
    """
    # Everything that was typed is checked before anything is loaded or written.
    recipe = _recipe(reduce, scale, row3, gate=gate, surprise=surprise, overlay=overlay)
    stages = _stages(stage)
    _long_side(size)
    for image in images:
        if existing_path(image).is_dir() and not batch:
            raise UsageError(f"{image}: is a folder; add --batch for the numbers of its photos, or name photos to draw")
    single = len(images) == 1 and not (batch and images[0].is_dir())
    if batch:
        _refuse_drawing(
            recipe,
            {"--local-weights": local_weights is not None, "--format": image_format, "--save-arrays": save_arrays},
        )
        check_batch_output(output, force=common.force)
        figures = []
    else:
        figures = _figures(images, output, image_format)
    masks = masks_of(mask, single=single)

    from convneur.gates.capture import check_block, reconfigured

    net, net_source, twin = _net(model, weights, seed)
    check_block(net.config, stages=stages, block=block, needs_gate=recipe.needs_gate)
    if surprise and net.config.global_branch != "neural-memory":
        raise UsageError(f"--surprise: a {net.config.global_branch} branch has none; choose neural-memory")
    if batch:
        _check_channels(net.config)
        runner = Batch(net, net_source, stages, block, _long_side(size), masks)
        return runner.run(photos_in(images), output, common.printer(), force=common.force)
    local_name = local_weights or twin or "same"
    local: ConvNeur
    local_source: NetSource | None
    if local_name == "same":
        local, local_source = reconfigured(net, memory="none"), None
    else:
        local, local_source = _from_file(weights_file("--local-weights", local_name), {"memory": "none"})
    for config in (net.config, local.config):
        _check_channels(config)
    drawing = _Drawing(
        net,
        net_source,
        local,
        local_source,
        recipe,
        stages,
        block,
        size,
        masks,
        save_arrays=save_arrays,
        force=common.force,
    )

    printer = common.printer()
    if len(images) > 1 and output is not None:
        new_folder(output)
    for figure in figures:
        record = figure.with_suffix(".json")
        if record.exists() and not figure.exists() and not common.force:  # one.svg before, one.pdf now
            raise InputError(
                record,
                f"exists already, the record of another figure; choose another stem than {figure.stem}, or add --force",
            )
        refuse_existing(*drawing.written(figure), force=common.force)

    records: list[dict[str, Any]] = []
    failed: list[dict[str, str]] = []
    with printer.steps("drawing", len(images)) as advance:
        for image, figure in zip(images, figures, strict=True):
            try:
                records.append(drawing.draw(image, figure))
            except InputError as error:
                failed.append({"name": as_text(image), "why": str(error)})
                printer.error(str(error))
            else:
                _warn(printer, image, records[-1])
                printer.note(f"written: {', '.join(str(path) for path in drawing.written(figure))}")
            advance(image.name)
    if net_source.stamp and records:
        printer.note(f"{net_source.stamp}: the maps show the architecture, nothing learned; give --weights")
    if failed and len(images) > 1:
        printer.error(f"{len(failed)} of {len(images)} images failed: {', '.join(item['name'] for item in failed)}")
    printer.json({"schema": "convneur.gates/1", "images": records, "failed": failed})
    return FAILED if failed else None


@dataclass(frozen=True)
class _Drawing:
    """What is the same for every image of a run."""

    net: "ConvNeur"
    net_source: "NetSource"
    local: "ConvNeur"
    local_source: "NetSource | None"
    recipe: "Recipe"
    stages: tuple[int, ...]
    block: int
    size: str
    masks: Masks | None
    save_arrays: bool
    force: bool

    def written(self, figure: Path) -> list[Path]:
        """The figure and what is written beside it."""
        return [figure, figure.with_suffix(".json"), *([figure.with_suffix(".npz")] if self.save_arrays else [])]

    def draw(self, image: Path, target: Path) -> dict[str, Any]:
        """Write one image's files and return its record; nothing else of the image is kept."""
        import numpy as np

        from convneur.data.images import MEAN, STD, normalise, read_photo
        from convneur.figures.gates import gates_figure
        from convneur.figures.gates_page import LONGEST_SIDE, gates_page
        from convneur.figures.style import save_figure
        from convneur.gates.capture import capture_gates
        from convneur.gates.layers import gate_layers
        from convneur.gates.manifest import ImageSource, MaskSource, manifest, recipe_lines
        from convneur.gates.maps import gate_maps
        from convneur.gates.measures import measure_gates
        from convneur.model.network import MIN_SIDE

        mask_file = None if self.masks is None else self.masks.find(image, image.stem)
        photo = read_photo(image, long_side=_long_side(self.size), min_side=MIN_SIDE)
        height, width = photo.pixels.shape[:2]
        if target.suffix.lower() == ".html" and max(height, width) > LONGEST_SIDE:
            raise InputError(
                image,
                f"{height}x{width} pixels are too many for a page; choose --size {LONGEST_SIDE} or less, or a "
                "picture (.png)",
            )
        mask = None if mask_file is None else Masks.read(mask_file, photo)
        try:
            capture = capture_gates(
                self.net, normalise(photo.pixels), local_only=self.local, stages=self.stages, block=self.block
            )
            maps = gate_maps(capture, self.recipe)
            measures = measure_gates(capture, photo.pixels, mask)
        except InputError as error:
            raise InputError(image, f"{error}") from None
        record = manifest(
            maps,
            image=ImageSource(as_text(image), _sha256(image), photo.height, photo.width, height, width),
            net=self.net_source,
            local_only=self.local_source,
            normalisation={"mean": MEAN, "std": STD},
            size=self.size,
            measures=measures,
            mask=None if mask_file is None else MaskSource(as_text(mask_file), _sha256(mask_file)),
        )
        look = {
            "recipe": recipe_lines(record),
            "notes": record["notes"],
            "stamp": self.net_source.stamp,
            "same_weights": self.local_source is None,
            "measures": measures,
        }
        with new_file(target, force=self.force) as temporary:
            if target.suffix.lower() == ".html":
                layers = gate_layers(capture, self.recipe, same_weights=self.local_source is None)
                title = f"Gates of {as_text(Path(image.name))}"
                page = gates_page(maps, layers, photo.pixels, title=title, version=convneur.__version__, **look)
                temporary.write_text(page, encoding="utf-8")
            else:
                figure = gates_figure(maps, photo.pixels, **look)
                save_figure(figure, temporary)
                figure.clear()  # its parts hold each other, and the maps, until a collection happens to come
        if self.save_arrays:
            arrays: dict[str, Any] = {
                f"stage{one.stage}_{row}": panel.values for one in maps.stages for row, panel in one.maps.items()
            }
            with new_file(target.with_suffix(".npz"), force=self.force) as temporary:
                np.savez_compressed(temporary, **arrays)
        with new_file(target.with_suffix(".json"), force=self.force) as temporary:
            temporary.write_text(to_json(record) + "\n", encoding="utf-8")
        return record


def _warn(printer: Printer, image: Path, record: dict[str, Any]) -> None:
    """What should not be missed of a picture: a mask that tells nothing apart, a gate that is stuck."""
    against, first = record["measured_against"], record["stages"][0]["measures"]
    if against is not None and against["source"] == "mask" and first["foreground_share"] in (0, 1):
        shows = "nothing but object" if first["foreground_share"] else "no object"
        printer.warn(f"{image}: its mask shows {shows}, so its numbers are undefined")
    for stage in record["stages"]:
        if stage["saturated"]:
            share = f"{stage['gate_saturation']:.1%} of its values are at 0 or 1"
            printer.warn(f"{image}: the gate of stage {stage['stage']} is saturated, {share}")


def _recipe(reduce: "Reduction", scale: str, row3: "Row3", *, gate: bool, surprise: bool, overlay: bool) -> "Recipe":
    from convneur.gates.maps import Recipe

    limits: Any = scale
    if scale not in ("paired", "column", "map"):
        try:
            low, high = scale.split(":")
            limits = float(low), float(high)
        except ValueError:
            raise UsageError(f"--scale {scale}: choose paired, column, map, or LOW:HIGH such as 0:0.05") from None
    return Recipe(reduce, limits, row3, gate, surprise, overlay)


def _refuse_drawing(recipe: "Recipe", options: dict[str, Any]) -> None:
    """Raises: UsageError: something was asked of pictures that --batch does not draw."""
    recipe_options = {
        "--reduce": recipe.reduce != "rms",
        "--scale": recipe.scale != "paired",
        "--row3": recipe.row3 != "output",
        "--no-gate": not recipe.gate,
        "--surprise": recipe.surprise,
        "--overlay": recipe.overlay,
    }
    for option, typed in (recipe_options | options).items():
        if typed:
            raise UsageError(f"{option}: --batch draws no pictures; leave one of them out")


def _check_channels(config: "ConvNeurConfig") -> None:
    if config.in_channels != 3:
        raise UsageError(f"the net takes {config.in_channels} channels, and photos have 3; choose another net")


def _stages(typed: str) -> tuple[int, ...]:
    if typed == "all":
        return 1, 2, 3, 4
    try:
        stages = sorted({int(part) for part in typed.split(",")})
    except ValueError:
        stages = []
    if not stages or not set(stages) <= {1, 2, 3, 4}:
        raise UsageError(f"--stage {typed}: choose all, or some of 1,2,3,4 with commas between")
    return tuple(stages)


_LARGEST = 8192  # what a long side takes of memory grows with its square


def _long_side(typed: str) -> int | None:
    if typed == "native":
        return None
    if not typed.isdecimal() or not 32 <= int(typed) <= _LARGEST:
        raise UsageError(f"--size {typed}: give the long side in pixels, 32 to {_LARGEST}, or native")
    return int(typed)


def _figures(images: list[Path], output: Path | None, image_format: str | None) -> list[Path]:
    """Where each image's figure goes."""
    stems: dict[str, Path] = {}
    for image in images:
        if image.stem in stems:
            raise UsageError(f"{stems[image.stem]} and {image}: equal names but for folder and suffix; run them apart")
        stems[image.stem] = image
    if len(images) == 1 and output is not None:
        suffix = output.suffix.lower().removeprefix(".")
        if suffix not in _FORMATS and not output.is_dir():
            raise UsageError(f"--output {output}: end it in .{', .'.join(_FORMATS)}")
        if image_format not in (None, suffix):
            raise UsageError(f"--format {image_format}: --output {output} says another")
        figures = [output]
    else:
        if output is not None and output.suffix.lower().removeprefix(".") in _FORMATS and not output.is_dir():
            raise UsageError(f"--output {output}: with several images name a folder")
        folder = output or Path()
        figures = [folder / f"{stem}-gates.{image_format or 'png'}" for stem in stems]
    photos = {image.resolve() for image in images}
    for figure in figures:
        if figure.resolve() in photos:
            raise UsageError(f"--output {figure}: is one of the images; choose another name")
    return figures


def _net(options: ModelOptions, weights: str | None, seed: int | None) -> "tuple[ConvNeur, NetSource, str | None]":
    """The net to look into, where its weights come from, and the packaged weights of its local-only twin, if any.

    Choice: without --weights the packaged net, unless what else was typed asks for one that it is not.
    """
    from convneur.gates.capture import reconfigured, untrained
    from convneur.gates.manifest import VARIANT_FIELDS, NetSource
    from convneur.packaged import local_twin

    _, config = options.single()
    if weights not in (None, "none") and seed is not None:
        raise UsageError(
            f"--seed {seed}: is of an untrained net, and --weights {weights} is a trained one; leave one out"
        )
    settings = options.settings()
    for name in ("head", "num_classes"):  # the head is not drawn
        settings.pop(name, None)
    expect = {key: value for key, value in settings.items() if key not in CHUNK_SETTINGS}
    if options.model is not None:
        expect = {field: getattr(config, field) for field in VARIANT_FIELDS} | expect
    name = weights or _DEFAULT_WEIGHTS
    if name != "none":
        net, source = _from_file(weights_file("--weights", name), expect if weights else {})
        other = any(getattr(net.config, key) != value for key, value in expect.items())
        if other or seed is not None:
            name = "none"
    if name == "none":
        return untrained(config, seed or 0), NetSource(config, seed=seed or 0), None
    chunks = {key: value for key, value in settings.items() if key in CHUNK_SETTINGS}
    if chunks:
        net = reconfigured(net, **chunks)
        source = replace(source, config=net.config)
    return net, source, local_twin(name)


def _from_file(path: Path, expect: dict[str, Any]) -> "tuple[ConvNeur, NetSource]":
    from convneur.checkpoints import load_checkpoint
    from convneur.gates.capture import check_finite
    from convneur.gates.manifest import NetSource

    net, provenance = load_checkpoint(path, expect=expect)
    check_finite(net, str(path))
    return net, NetSource(net.config, as_text(Path(path.name)), _sha256(path), provenance=provenance)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
