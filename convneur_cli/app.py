"""The `convneur` command: its subcommands composed, its parse errors in one line."""

import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

import convneur
from convneur_cli.commands import (
    audit,
    bench,
    demo,
    erf,
    eval_boundary,
    eval_detection,
    export,
    figure,
    figure_boundaries,
    flops,
    frontier,
    models,
    predict,
    study,
    tables,
    train,
    viz_gates,
)
from convneur_cli.errors import FAILED, INTERRUPTED, USAGE, say
from convneur_cli.options.common import Group, register
from convneur_cli.options.training import LAYOUTS

__all__ = ["app", "main"]

app = typer.Typer(
    name="convneur",
    cls=Group,
    help="Check what a vision backbone costs, see what its global path does to local features, "
    "measure the boundaries it predicts.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"convneur {convneur.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


for _name, _body in (
    ("flops", flops.flops),
    ("bench", bench.bench),
    ("frontier", frontier.frontier),
    ("audit", audit.audit),
    ("viz-gates", viz_gates.viz_gates),
    ("erf", erf.erf),
    ("eval-boundary", eval_boundary.eval_boundary),
    ("eval-detection", eval_detection.eval_detection),
    ("train", train.train),
    ("predict", predict.predict),
    ("export", export.export),
    ("study", study.study),
    ("models", models.models),
    ("tables", tables.tables),
    ("demo", demo.demo),
):
    register(app, _name, _body, LAYOUTS.get(_name))
_figures = typer.Typer(name="figure", cls=Group, help="Redraw the paper's Figures 1, 2 and 3.", no_args_is_help=True)
register(_figures, "accuracy", figure.accuracy)
register(_figures, "architecture", figure.architecture)
register(_figures, "boundaries", figure_boundaries.boundaries)
app.add_typer(_figures)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; exits with the contract's code (see `convneur_cli.errors`)."""
    try:
        code = app(args=arguments, prog_name="convneur", standalone_mode=False)
    except TyperException as error:
        # A usage error knows its command; the one-line form leaves the usage box to --help.
        message = " ".join(error.format_message().split()).replace(": Value error, ", ": ")
        context = getattr(error, "ctx", None)
        where = context.command_path if context is not None else "convneur"
        if message:
            say(f"error: {message.rstrip('.')}; see '{where} --help'")
        sys.exit(USAGE)
    except OSError as error:  # help and version, for which stdout had no place
        print(f"error: stdout: {error.strerror or error}", file=sys.stderr)
        sys.exit(FAILED)
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    if code == INTERRUPTED:  # outside a command's body, where nothing has said so
        print("interrupted", file=sys.stderr)
    sys.exit(code or 0)
