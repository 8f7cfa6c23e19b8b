"""Values and tables as text: strict JSON, CSV, Markdown, LaTeX, HTML, plain text; numbers as people read them."""

import csv
import html
import io
import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "as_text",
    "csv_table",
    "grouped",
    "html_table",
    "latex_table",
    "markdown_table",
    "plural",
    "significant",
    "text_table",
    "to_json",
]


def _plain(value: Any) -> Any:
    """JSON has neither NaN nor infinity: undefined is null, infinite the string "inf"."""
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a numpy scalar
        return _plain(value.item())
    return value


def to_json(value: Any, *, encoding: str = "utf-8") -> str:
    """Strict JSON, indented; NaN becomes null and an infinity the string "inf".

    Args: encoding: that it will be written in; where it lacks a letter, all but ASCII is escaped.

    >>> to_json([1.5, float("nan")]).split()
    ['[', '1.5,', 'null', ']']
    >>> to_json("é", encoding="ascii")
    '"\\\\u00e9"'
    """
    text = as_text(json.dumps(_plain(value), indent=2, allow_nan=False, ensure_ascii=False))
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(_plain(value), indent=2, allow_nan=False)
    return text


def as_text(path: str | Path) -> str:
    """A path as it can be written to a file: a name that is no valid text has its odd bytes spelled out."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def grouped(number: float) -> str:
    """A whole number with its thousands apart.

    >>> grouped(4317092)
    '4 317 092'
    """
    return f"{number:,.0f}".replace(",", " ")


def significant(number: float) -> str:
    """Four significant figures, six decimals at most, no exponent.

    >>> significant(0.70451), significant(16.0512), significant(187883.2)
    ('0.7045', '16.05', '187 883')
    """
    if number >= 1000:
        return grouped(number)
    return f"{number:#.4g}".rstrip(".") if number >= 0.001 or number == 0 else f"{number:.6f}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count and its noun.

    >>> plural(1, "image"), plural(1200, "image"), plural(2, "class", "classes")
    ('1 image', '1 200 images', '2 classes')
    """
    return f"{grouped(count)} {one if count == 1 else many or one + 's'}"


def csv_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A header of the first row's keys, then the rows; a list or tuple is one cell, its items apart by spaces."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        lists = {key: " ".join(map(str, value)) for key, value in row.items() if isinstance(value, (list, tuple))}
        writer.writerow({**row, **lists})
    return text.getvalue()


def _is_text(left: int | Collection[int], number: int) -> bool:
    """Whether a column holds words: the first `left`, or those numbered in it."""
    return number < left if isinstance(left, int) else number in left


def markdown_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int | Collection[int] = 1) -> str:
    """A table whose first `left` columns, or those numbered in it, are text. A heading's broken lines are one."""
    rule = [":--" if _is_text(left, number) else "--:" for number in range(len(columns))]
    lines = [[name.replace("\n", " ") for name in columns], rule, *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# What LaTeX reads as commands, and signs of our tables that its default encoding lacks.
_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "×": r"$\times$", "±": r"$\pm$",
    "–": "--", "−": "$-$", "∞": r"$\infty$",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(sign, sign) for sign in text.replace("\n", " "))


def latex_table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int | Collection[int] = 1) -> str:
    r"""A tabular with the rules of the booktabs package, for `\input` inside a table environment.

    >>> print(latex_table(["model", "mIoU"], [["m1_a", "51.2%"]]))
    \begin{tabular}{lr}
    \toprule
    model & mIoU \\
    \midrule
    m1\_a & 51.2\% \\
    \bottomrule
    \end{tabular}
    """
    lines = [" & ".join(map(_tex, line)) + r" \\" for line in (columns, *rows)]
    kinds = "".join("l" if _is_text(left, number) else "r" for number in range(len(columns)))
    body = [r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([rf"\begin{{tabular}}{{{kinds}}}", *body, r"\end{tabular}"])


def html_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int | Collection[int] = 1
) -> str:
    """A table for a notebook; every text is escaped."""

    def cells(tag: str, line: Sequence[str]) -> str:
        return "<tr>" + "".join(
            f'<{tag} style="text-align: {"left" if _is_text(left, number) else "right"}">{html.escape(text)}</{tag}>'
            for number, text in enumerate(line)
        ) + "</tr>"  # fmt: skip

    caption = f'<caption style="text-align: left">{html.escape(title)}</caption>' if title else ""
    head = cells("th", [name.replace("\n", " ") for name in columns])
    return f"<table>{caption}<thead>{head}</thead><tbody>{''.join(cells('td', row) for row in rows)}</tbody></table>"


def text_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int | Collection[int] = 1
) -> str:
    """A table in plain text, columns aligned, a rule under the heading.

    >>> print(text_table("Cost", ["model", "GMACs"], [["m1", "0.76"]]))
    Cost
    model  GMACs
    ------------
    m1      0.76
    """
    heads = [name.split("\n") for name in columns]
    height = max((len(head) for head in heads), default=0)
    # A heading of fewer lines stands at the bottom.
    top = [[head[line - (height - len(head))] if line >= height - len(head) else "" for head in heads]
           for line in range(height)]  # fmt: skip
    body = [list(row) for row in rows]
    widths = [max(len(line[number]) for line in [*top, *body]) for number in range(len(columns))]
    lines = [
        "  ".join(
            cell.ljust(width) if _is_text(left, number) else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [*top, *body]
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([*([title] if title else []), *lines[:height], rule, *lines[height:]])
