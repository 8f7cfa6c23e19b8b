"""`convneur flops`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Literal

import typer

from convneur.files import new_file
from convneur.results import SUFFIXES
from convneur_cli.errors import CHECK_FAILED, FAILED
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.cost import CheckOptions, DetectorOptions, InputOptions
from convneur_cli.options.model import AnyModelOptions
from convneur_cli.outputs import FIGURES, check_outputs

__all__ = ["flops"]


def flops(
    model: AnyModelOptions,
    detection: DetectorOptions,
    given: InputOptions,
    checks: CheckOptions,
    common: CommonOptions,
    sizes: Annotated[
        str | None,
        typer.Option(
            help="Image sides in pixels, with commas; HEIGHTxWIDTH too.",
            metavar="SIZES",
            show_default="224,512,1024; 224 with --sweep; 800x1280 with --detector",
        ),
    ] = None,
    sweep: Annotated[
        str | None,
        typer.Option(help="Another axis of --input, counted at one size.", metavar="T=16,32,64"),
    ] = None,
    convention: Annotated[
        Literal["all", "paper"],
        typer.Option(
            help="all: count everything executed. paper: leave out the products of memory updates and self-attention."
        ),
    ] = "all",
    counter: Annotated[
        Literal["dispatch", "fvcore", "both"],
        typer.Option(help="dispatch: runs nothing. fvcore: a second counter, runs the model. both: compare the two."),
    ] = "dispatch",
    by: Annotated[
        Literal["branch", "module", "operator"] | None,
        typer.Option(help="Also split multiply-adds by branch, module or operator."),
    ] = None,
    depth: Annotated[
        int | None,
        typer.Option(
            help="With --by module: a tree down to this depth, with parameters, bytes moved, intensity and launches.",
            metavar="N",
            show_default="each module by itself",
        ),
    ] = None,
    backward: Annotated[
        bool, typer.Option("--backward", help="Also count a forward and a backward pass, and the memory they hold.")
    ] = False,
    compare: Annotated[
        str,
        typer.Option(
            help="Also count the same model with self-attention, or without global branches.",
            metavar="self-attention,local-only",
            show_default=False,
        ),
    ] = "",
    probe: Annotated[
        str | None,
        typer.Option(
            help="Sizes that the verdict is found from: three, each of twice the sides of the last, or the first.",
            metavar="SIZES",
            show_default="1024,2048,4096; for other models as they take them",
        ),
    ] = None,
    verdict: Annotated[
        bool, typer.Option("--verdict/--no-verdict", help="Find how the cost grows.", show_default=False)
    ] = True,
    plot: Annotated[
        Path | None, typer.Option(help="Draw multiply-adds and memory, log-log: .png, .svg, .pdf.", metavar="FILE")
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print every table and sentence, not the short form.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the result: .json, .csv (the split, with --by), .md, .tex.",
            metavar="FILE",
        ),
    ] = None,
) -> int | None:
    """Count what a model costs, and find whether its cost grows with the pixels or with their square.

    Models are counted on torch's meta device, where nothing is computed and no size needs memory. Two things do run:
    the fvcore counter, and an external model that the meta device cannot run.

    Any model can be counted, on one image of three channels or what `--input` says. `--model package.module:factory` or
    `file.py:factory` runs that code, with `img_size` where the factory takes it; `timm/NAME` needs `pip install timm`.

    Example: `convneur flops --model m1 --sizes 224,512,1024 --compare self-attention --plot cost.png`
    """
    check_outputs(("--plot", plot, FIGURES), ("--output", output, SUFFIXES), force=common.force)

    import convneur.cost
    import convneur.figures

    printer = common.printer()
    if detection.asked(
        sweep=sweep, by=by, depth=depth, backward=backward, compare=compare, probe=probe, plot=plot,
        counter=counter != "dispatch", convention=convention != "all", **given.given(), **vars(checks),
    ):  # fmt: skip
        _show_detectors(model, detection, sizes, output, common)
        return None
    with redirect_stdout(sys.stderr):  # what others' code prints is no part of the result
        report = convneur.cost.analyze(
            model.models,
            sizes=sizes,
            sweep=sweep,
            convention=convention,
            counter=counter,
            by=by,
            depth=depth,
            backward=backward,
            compare=compare,
            progress=printer,
            **given.given(),
            **checks.given(verdict=verdict, probe=probe),
            **model.settings(),
        )
    # Files first: whoever reads stdout may stop reading.
    if output is not None:
        report.save(output, force=common.force)
        printer.note(f"written: {output}")
    if plot is not None and any(each.counted for each in report.models):
        with new_file(plot, force=common.force) as temporary:
            convneur.figures.save_figure(convneur.figures.scaling_figure(report), temporary)
        printer.note(f"drawn: {plot}")
    printer.show(report.verbose() if verbose else report)
    for problem in report.problems:
        printer.error(problem)
    if report.problems:
        given.advise(report, printer)
        return FAILED
    for line in report.check_warnings if checks.check else ():
        printer.warn(f"--check: {line}")
    failures = checks.failures(report)
    for failure in failures:
        printer.error(failure)
    return CHECK_FAILED if failures else None


def _show_detectors(
    model: AnyModelOptions, detection: DetectorOptions, sizes: str | None, output: Path | None, common: CommonOptions
) -> None:
    import convneur.cost

    printer = common.printer()
    costs = convneur.cost.detector_costs(
        model.models,
        detector=detection.detector or "cascade",
        heads=detection.detector_heads,
        sizes=sizes,
        progress=printer,
        **model.settings(),
    )
    if output is not None:
        costs.save(output, force=common.force)
        printer.note(f"written: {output}")
    printer.show(costs)
