"""`convneur audit`."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from convneur.results import SUFFIXES
from convneur_cli.errors import CHECK_FAILED, FAILED
from convneur_cli.options.common import CommonOptions
from convneur_cli.options.cost import InputOptions
from convneur_cli.options.model import SettingOptions
from convneur_cli.outputs import check_outputs, write_result

__all__ = ["audit"]


def audit(
    settings: SettingOptions,
    given: InputOptions,
    common: CommonOptions,
    model: Annotated[
        str,
        typer.Argument(
            help="m1 to m4, a JSON file of settings, package.module:factory, file.py:factory or timm/NAME.",
            metavar="MODEL",
        ),
    ],
    claims: Annotated[
        list[str] | None,
        typer.Option(
            "--claim",
            help="subquadratic, '<= 1.0 GMACs@224', '5 M params', '100 MB@224', '10 ms@224', '40 ms@224/8', "
            "'frontier@1 points'. Exit 3 unless it holds. Repeatable.",
            metavar="CLAIM",
        ),
    ] = None,
    sizes: Annotated[
        str, typer.Option(help="Image sides in pixels, with commas; HEIGHTxWIDTH too.", metavar="SIZES")
    ] = "224,512,1024",
    accuracy: Annotated[
        float | None,
        typer.Option(
            help="Its top-1 accuracy on ImageNet-1K, in percent.",
            show_default="as printed, or as published for a model of timm",
            metavar="PERCENT",
        ),
    ] = None,
    peers: Annotated[
        str,
        typer.Option(help="Published models to place it beside: timm, or a .json or .csv file.", metavar="timm|FILE"),
    ] = "timm",
    depth: Annotated[int, typer.Option(help="Modules are told apart to this depth.", min=0)] = 2,
    measure: Annotated[
        bool, typer.Option("--measure/--no-measure", help="Time it on this machine.", show_default=False)
    ] = True,
    device: Annotated[str, typer.Option(help="Where it is timed: cpu, cuda or cuda:1.")] = "cpu",
    threads: Annotated[
        int | None, typer.Option(help="Threads of one operator on the CPU.", show_default="torch's own")
    ] = None,
    repeats: Annotated[int, typer.Option(help="Timed calls at each size.")] = 10,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The page, .html; or .json, .csv, .md, .tex.", metavar="FILE"),
    ] = None,
) -> int | None:
    """Put claims about a model's efficiency to the test: one page with each claim and what was found.

    The model is counted over sizes by two counters, timed whole and by module on this machine, and placed beside
    published models where its accuracy is known. The page says what is uncounted and where the time goes.

    Example: `convneur audit m1 --claim subquadratic --claim "<= 1.0 GMACs@224" --sizes 224 -o audit.html`

    Example, after `pip install timm`: `convneur audit timm/convnext_femto --claim "<= 500 ms@224" --sizes 224`
    """
    check_outputs(("--output", output, (".html", *SUFFIXES)), force=common.force)

    import convneur.auditing
    import convneur.figures

    printer = common.printer()
    with redirect_stdout(sys.stderr):  # what others' code prints is no part of the result
        report = convneur.auditing.audit(
            model,
            claims=claims or (),
            sizes=sizes,
            accuracy=accuracy,
            peers=peers,
            depth=depth,
            measure=measure,
            device=device,
            threads=threads,
            repeats=repeats,
            progress=printer,
            **given.given(),
            **settings.settings(),
        )
    write_result(report, output, common, printer, page=convneur.figures.audit_page)
    printer.show(report)
    for failure in report.failures:
        printer.error(f"--claim: {failure}")
    for problem in report.cost.problems:
        printer.error(problem)
    given.advise(report.cost, printer)
    return FAILED if report.cost.problems else CHECK_FAILED if report.failures else None
