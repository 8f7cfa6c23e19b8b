"""`convneur bench`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Literal

import typer

from convneur.files import new_file
from convneur.results import SUFFIXES
from convneur_cli.errors import FAILED
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.cost import InputOptions
from convneur_cli.options.model import AnyModelOptions
from convneur_cli.outputs import FIGURES, check_outputs

__all__ = ["bench"]


def bench(
    model: AnyModelOptions,
    given: InputOptions,
    common: CommonOptions,
    sizes: Annotated[
        str, typer.Option(help="Image sizes, with commas: sides in pixels or HEIGHTxWIDTH.", metavar="SIZES")
    ] = "224,512,1024",
    batch: Annotated[str, typer.Option(help="Images per call; several numbers with commas.", metavar="COUNTS")] = "1",
    against: Annotated[
        str | None,
        typer.Option(
            help="Models to time in turn with those of --model, without the settings typed here.",
            metavar="m2,timm/convnext_femto",
        ),
    ] = None,
    fold: Annotated[
        bool, typer.Option("--fold", help="Also time each ConvNeur of --model folded for inference.")
    ] = False,
    by: Annotated[
        Literal["module"] | None, typer.Option(help="module: also time each module, against this device's ceilings.")
    ] = None,
    depth: Annotated[
        int | None, typer.Option(help="With --by module: the depth of the tree.", metavar="N", show_default="2")
    ] = None,
    device: Annotated[str, typer.Option(help="Where to run: cpu, cuda or cuda:1.")] = "cpu",
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"], typer.Option(help="Dtype of weights and images.")
    ] = "float32",
    memory_format: Annotated[
        Literal["contiguous", "channels-last"], typer.Option(help="Memory format of weights and images.")
    ] = "contiguous",
    compile: Annotated[bool, typer.Option(help="Run through torch.compile, compiled anew for each size.")] = False,
    threads: Annotated[
        int | None,
        typer.Option(help="Threads of one operator on the CPU.", show_default="torch's own"),
    ] = None,
    warmup: Annotated[int, typer.Option(help="Calls before timing begins.")] = 3,
    repeats: Annotated[int, typer.Option(help="Timed calls of each model at each size.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed of weights, images and the bootstrap.")] = 0,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw latency and throughput over image size, with --by module the roofline: .png, .svg, .pdf.",
            metavar="FILE",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the result, .json, .csv, .md, .tex, or draw it, as --plot.",
            metavar="FILE",
        ),
    ] = None,
) -> int | None:
    """Time models side by side: latency, throughput and peak memory over image and batch sizes.

    Models take turns (A B C A B C), so that what disturbs one disturbs all. Times are medians with their spread, of
    the forward pass alone, with random weights unless they are named. Any model can be timed: `package.module:factory`
    imports the module, which runs its code; `timm/NAME` needs `pip install timm`.

    `--fold` times a ConvNeur with constant products multiplied out beforehand too (`convneur.fold`): fewer
    multiply-adds, the same output but for rounding.

    `--by module` also times each module down to `--depth`, beside its multiply-adds, the bytes that it moves and its
    launches, and what they take at least by this device's own peak and bandwidths, which are measured first.

    Trained models too: packaged weights by name, weights.safetensors, files of `convneur export` (.onnx, .xml), each in
    its own runtime: `--model photos,photos.onnx`. Of the same weights the share of equal labels is printed.

    Example: `convneur bench --model m1 --against m2 --sizes 224,512 --batch 1,8 --plot time.png`

    Example: `convneur bench --model m1 --against m2 --sizes 224 --by module --plot roofline.png`

    Example, after `pip install timm`: `convneur bench --against timm/convnext_femto --threads 1 -o times.md`
    """
    check_outputs(("--plot", plot, FIGURES), ("--output", output, (*SUFFIXES, *FIGURES)), force=common.force)

    import convneur.bench
    import convneur.figures

    printer = common.printer()
    with redirect_stdout(sys.stderr):  # what others' code prints is no part of the result
        result = convneur.bench.run_bench(
            model.models,
            sizes=sizes,
            batch=batch,
            against=against,
            fold=fold,
            by=by,
            depth=depth,
            device=device,
            dtype=dtype,
            memory_format=memory_format,
            compile=compile,
            threads=threads,
            warmup=warmup,
            repeats=repeats,
            seed=seed,
            progress=printer,
            **given.given(),
            **model.settings(),
        )
    if output is not None and output.suffix.lower() in SUFFIXES:
        result.save(output, force=common.force)
        printer.note(f"written: {output}")
    draw = convneur.figures.latency_figure if by is None else convneur.figures.roofline_figure
    for path in (plot, output):
        if path is not None and path.suffix.lower() in FIGURES and (result.timed if by is None else result.trees):
            with new_file(path, force=common.force) as temporary:
                convneur.figures.save_figure(draw(result), temporary)
            printer.note(f"drawn: {path}")
    printer.show(result)
    given.advise(result, printer)
    return FAILED if result.refused else None
