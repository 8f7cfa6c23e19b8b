"""`convneur tables`."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convneur.formats import csv_table, markdown_table
from convneur_cli.options.common import CommonOptions
from convneur_cli.results import RESULTS, check_outputs, write_result

if TYPE_CHECKING:
    from convneur.cost import TableName, TableRow

__all__ = ["tables"]

_TITLES: "dict[TableName, str]" = {
    "imagenet": "ImageNet-1K, the variants",
    "placement": "Where the memory stands, m3",
    "branch": "What the global branch holds, m3",
    "fusion": "How it meets the local features, m3",
    "mem-dim": "The memory's width C_m, m3",
    "segmentation": "ADE20K, with a dense head",
}
_COLUMNS = [
    "setting",
    "printed\nGMACs",
    "paper\nGMACs",
    "off by",
    "full\nGMACs",
    "printed\nparams",
    "params",
    "verdict",
]
_TERMS = (
    "printed: as the paper has it. paper GMACs: billions of multiply-adds by its convention, without the products of "
    "memory updates and of self-attention; off by: how far from the printed figure.",
    "full GMACs: everything executed, memory updates in Gram form. params: millions of parameters.",
    "Reproduced: every printed figure of the row is met at its digits or within 1%.",
)


def tables(
    common: CommonOptions,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the tables: .json, .csv, .md.", metavar="FILE")
    ] = None,
) -> None:
    """Set every cost that the paper prints of ConvNeur and its ablations beside what the nets here cost.

    Each net is built and counted on torch's meta device, by the paper's convention and in full; nothing is computed.

    Example: `convneur tables -o tables.md`
    """
    check_outputs(("--output", output, RESULTS), force=common.force)

    from convneur.cost import compare_printed, printed_costs

    printer = common.printer()
    rows: list[TableRow] = []
    costs = printed_costs()
    with printer.steps("counting", len(costs)) as advance:
        for printed in costs:
            advance(f"counting {printed.model} {printed.setting}", 0)
            rows.append(compare_printed(printed))
            advance()

    as_json: dict[str, Any] = {"schema": "convneur.tables/1", "rows": [_row_json(row) for row in rows]}
    if output is not None:
        write_result(
            output,
            force=common.force,
            as_json=as_json,
            as_csv=lambda: csv_table(as_json["rows"]),
            as_markdown=lambda: _to_markdown(rows),
        )
        printer.note(f"written: {output}")

    printer.json(as_json)
    for table, of_table in _by_table(rows):
        printer.table(_TITLES[table], _COLUMNS, [_cells(row) for row in of_table], dense=True)
        for row in of_table:
            printer.sentence(f"{_name(row)}: {row.why}.")
        printer.text()
    for sentence in (*_TERMS, _summary(rows)):
        printer.sentence(sentence)


def _row_json(row: "TableRow") -> dict[str, Any]:
    printed = row.printed
    return {
        "table": printed.table,
        "model": printed.model,
        "setting": printed.setting,
        "printed_gmacs": float(printed.gmacs),
        "paper_gmacs": row.paper_gmacs,
        "difference": row.difference,
        "full_gmacs": row.full_gmacs,
        "printed_params_m": None if printed.params_m is None else float(printed.params_m),
        "params_m": row.params_m,
        "verdict": row.verdict,
        "why": row.why,
    }


def _to_markdown(rows: "Sequence[TableRow]") -> str:
    parts = []
    for table, of_table in _by_table(rows):
        words = (0, len(_COLUMNS) - 1, len(_COLUMNS))
        lines = markdown_table([*_COLUMNS, "why"], [[*_cells(row), row.why] for row in of_table], left=words)
        parts += [f"## {_TITLES[table]}", lines]
    return "\n\n".join([*parts, "\n".join([*_TERMS, _summary(rows)])]) + "\n"


def _by_table(rows: "Sequence[TableRow]") -> "list[tuple[TableName, list[TableRow]]]":
    return [(table, list(of_table)) for table, of_table in groupby(rows, key=lambda row: row.printed.table)]


def _name(row: "TableRow") -> str:
    """A row's name inside its table."""
    printed = row.printed
    if printed.table == "imagenet":
        return printed.model
    return f"{printed.model} {printed.setting}" if printed.table == "segmentation" else printed.setting


def _cells(row: "TableRow") -> list[str]:
    printed = row.printed
    return [
        _name(row),
        str(printed.gmacs),
        f"{row.paper_gmacs:.3f}",
        f"{row.difference:+.1%}",
        f"{row.full_gmacs:.3f}",
        "-" if printed.params_m is None else str(printed.params_m),
        f"{row.params_m:.2f}",
        row.verdict,
    ]


def _summary(rows: "Sequence[TableRow]") -> str:
    off = [f"{_name(row)} ({row.printed.table})" for row in rows if row.verdict == "differs"]
    met = f"{len(rows) - len(off)} of {len(rows)} rows are reproduced"
    return f"{met}; {', '.join(off)} {'differ' if off[1:] else 'differs'}." if off else f"{met}."
