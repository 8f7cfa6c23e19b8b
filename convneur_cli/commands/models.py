"""`convneur models`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from convneur.formats import csv_table, grouped, markdown_table, significant
from convneur_cli.errors import FAILED
from convneur_cli.options.common import CommonOptions, option_group
from convneur_cli.options.model import PANEL, ModelOptions
from convneur_cli.results import RESULTS, check_outputs, write_result
from convneur_cli.sizes import parse_size

__all__ = ["models"]

_COLUMNS = ["model", "parameters", "widths", "C_m", "GMACs", "paper GMACs", "chunks in stages 1-4"]


@option_group
@dataclass(frozen=True)
class ListedModels(ModelOptions):
    """The nets to list: all, where other commands take one."""

    model: Annotated[
        str | None,
        typer.Option(
            help="m1 to m4, several with commas, all, or a JSON file of settings.",
            rich_help_panel=PANEL,
        ),
    ] = "all"


def models(
    model: ListedModels,
    common: CommonOptions,
    size: Annotated[str, typer.Option(help="Image side in pixels, or HEIGHTxWIDTH.", metavar="SIZE")] = "224",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the list: .json, .csv, .md.", metavar="FILE")
    ] = None,
) -> int | None:
    """List the nets with their parameters, multiply-adds and chunks; all variants unless --model names some.

    Example: `convneur models --size 512x2048 --model-preset dense`
    """
    height, width = parse_size("--size", size)
    check_outputs(("--output", output, RESULTS), force=common.force)
    configs = model.configs()

    from convneur.cost import CountingError, NetCounter

    printer = common.printer()
    found: list[dict[str, Any]] = []
    rows: list[list[str]] = []
    refused = False
    with printer.steps("counting", len(configs)) as advance:
        for name, config in configs.items():
            net = NetCounter(config)
            about = {"name": name, "params": net.params, "dims": config.dims, "mem_dim": config.mem_dim}
            row = [name, grouped(net.params), " ".join(map(str, config.dims)), str(config.mem_dim)]
            try:
                cost = net.at(height, width)
            except CountingError as error:
                refused = True
                printer.error(f"{name} at {size}: {error}")
                found.append(about | {"macs": None, "macs_paper": None, "chunks": None, "error": str(error)})
                rows.append([*row, "refused", "-", "-"])
            else:
                found.append(
                    about | {"macs": cost.macs, "macs_paper": cost.macs_paper, "chunks": cost.chunks, "error": None}
                )
                gmacs = [significant(macs / 1e9) for macs in (cost.macs_full, cost.macs_paper)]
                chunks = " ".join(map(str, cost.chunks)) if any(cost.chunks) else "-"
                rows.append([*row, *gmacs, chunks])
            advance(f"counting {name}")
    title = f"ConvNeur at {height}x{width}"
    as_json = {"schema": "convneur.models/1", "size": {"height": height, "width": width}, "models": found}
    if output is not None:
        write_result(
            output,
            force=common.force,
            as_json=as_json,
            as_csv=lambda: csv_table(found),
            as_markdown=lambda: f"## {title}\n\n{markdown_table(_COLUMNS, rows)}\n",
        )
        printer.note(f"written: {output}")
    printer.json(as_json)
    printer.table(title, _COLUMNS, rows)
    printer.sentence(
        "GMACs: billions of multiply-adds, everything executed, memory updates in Gram form. paper GMACs: without the "
        "products of memory updates and of self-attention. FLOPs: two for each."
    )
    ones = [1 in (each["chunks"] or ()) for each in found]
    if any(net.first_chunk_reads_start and one for net, one in zip(configs.values(), ones, strict=True)):
        printer.sentence("A stage with one chunk reads the learned M_0 alone, which is the same for every image.")
    return FAILED if refused else None
