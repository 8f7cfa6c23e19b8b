"""`convneur models`."""

import dataclasses
from typing import Annotated, Any

import typer

from convneur_cli.errors import FAILED
from convneur_cli.model_options import ModelOptions
from convneur_cli.options import CommonOptions
from convneur_cli.output import grouped, significant
from convneur_cli.sizes import parse_size

__all__ = ["models"]


def models(
    model: ModelOptions,
    common: CommonOptions,
    size: Annotated[str, typer.Option(help="Image side in pixels, or HEIGHTxWIDTH.", metavar="SIZE")] = "224",
) -> int | None:
    """List the nets with their parameters, multiply-adds and chunks; all variants unless --model names some.

    Example: `convneur models --size 512x2048 --model-preset dense`
    """
    height, width = parse_size("--size", size)
    if model.model is None:
        model = dataclasses.replace(model, model="all")
    configs = model.configs()

    from convneur.cost import CountingError, NetCounter

    printer = common.printer()
    found: list[dict[str, Any]] = []
    rows: list[list[str]] = []
    refused = False
    with printer.progress("counting", len(configs)) as advance:
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
    printer.json({"schema": "convneur.models/1", "size": {"height": height, "width": width}, "models": found})
    printer.table(
        f"ConvNeur at {height}x{width}",
        ["model", "parameters", "widths", "C_m", "GMACs", "paper GMACs", "chunks in stages 1-4"],
        rows,
    )
    printer.sentence(
        "GMACs: billions of multiply-adds, everything executed, memory updates in Gram form. paper GMACs: without the "
        "products of memory updates and of self-attention. FLOPs: two for each."
    )
    if any(config.read == "before" for config in configs.values()):
        printer.sentence("A stage with one chunk reads the learned M_0 alone, which is the same for every image.")
    return FAILED if refused else None
