"""Values and tables as text: strict JSON, CSV, Markdown, LaTeX, HTML, plain text; numbers as people read them.

Names come from files of others. `printable` is what they pass before a terminal, a page or a figure shows them.
"""

import csv
import html
import io
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "as_text",
    "csv_cells",
    "csv_table",
    "grouped",
    "html_table",
    "latex_table",
    "markdown_table",
    "millions",
    "plural",
    "printable",
    "short_names",
    "significant",
    "text_table",
    "to_json",
]


# What moves a cursor, colours or renames a terminal, turns the direction of writing, ends a line, or is no character:
# C0, DEL and C1; bidirectional marks, embeddings, overrides and isolates; line separators; halves of surrogate pairs.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_NO_CHARACTER = re.compile("[\ud800-\udfff]")


def _spelled(found: re.Match[str]) -> str:
    byte = ord(found[0]) - 0xDC00  # how Python keeps a byte of a file name that is no text
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else found[0].encode("unicode_escape").decode()


def printable(text: object, *, lines: bool = False) -> str:
    r"""Text of others as it can be shown: control characters and those that turn the direction of writing are spelled.

    Args: lines: line feeds stay.

    >>> print(printable("red\x1b[31m\n"))
    red\x1b[31m\n
    """
    parts = str(text).split("\n") if lines else [str(text)]
    return "\n".join(_UNSEEN.sub(_spelled, part) for part in parts)


def as_text(text: object) -> str:
    """A name as a file of text can hold it: bytes that are no UTF-8 are spelled, all else stays."""
    return _NO_CHARACTER.sub(_spelled, str(text))


def _plain(value: Any) -> Any:
    """JSON has neither NaN nor infinity: undefined is null, infinite the string "inf"."""
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, float):
        if math.isnan(value):
            return None
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return value
    if isinstance(value, Mapping):
        return {as_text(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a numpy scalar
        return _plain(value.item())
    return value


def to_json(value: Any, *, encoding: str = "utf-8") -> str:
    """Strict JSON, indented; NaN becomes null and an infinity the string "inf".

    What `printable` spells becomes JSON's own escapes: safe to show, and read back as the same text.

    Args: encoding: that it will be written in; where it lacks a letter, all but ASCII is escaped.

    >>> to_json([1.5, float("nan")]).split()
    ['[', '1.5,', 'null', ']']
    >>> to_json("é", encoding="ascii")
    '"\\\\u00e9"'
    """
    plain = _plain(value)
    text = json.dumps(plain, indent=2, allow_nan=False, ensure_ascii=False)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(plain, indent=2, allow_nan=False)
    return "\n".join(_UNSEEN.sub(lambda sign: f"\\u{ord(sign[0]):04x}", line) for line in text.split("\n"))


def grouped(number: float) -> str:
    """A whole number with its thousands apart.

    >>> grouped(4317092)
    '4 317 092'
    """
    return f"{number:,.0f}".replace(",", " ")


def short_names(*paths: str) -> list[str]:
    """As much of each path's end as tells them apart.

    >>> short_names("runs/a/labels", "runs/b/labels")
    ['a/labels', 'b/labels']
    """
    for most in range(1, max(len(Path(path).parts) for path in paths)):
        names = [str(Path(*Path(path).parts[-most:])) for path in paths]
        if len(set(names)) == len(names):
            return names
    return list(paths)


def significant(number: float) -> str:
    """Four significant figures, six decimals at most, no exponent.

    >>> significant(0.70451), significant(16.0512), significant(187883.2)
    ('0.7045', '16.05', '187 883')
    """
    if number >= 1000:
        return grouped(number)
    return f"{number:#.4g}".rstrip(".") if number >= 0.001 or number == 0 else f"{number:.6f}"


def millions(count: int) -> str:
    """Of parameters: two decimals; small models are told apart.

    >>> millions(4_321_098), millions(2_393)
    ('4.32', '0.002393')
    """
    return f"{count / 1e6:.2f}" if count >= 1e5 or count == 0 else significant(count / 1e6)


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count and its noun.

    >>> plural(1, "image"), plural(1200, "image"), plural(2, "class", "classes")
    ('1 image', '1 200 images', '2 classes')
    """
    return f"{grouped(count)} {one if count == 1 else many or one + 's'}"


# With these a spreadsheet begins a formula; the wide forms are taken for the narrow ones in some of its languages.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def csv_cells(values: Iterable[Any]) -> list[Any]:
    """The cells of a row of CSV: printable, and text that a spreadsheet would take for a formula after a quote mark.

    Numbers stay as they are, those written as text too. A list or tuple is one cell, its items apart by spaces.

    >>> csv_cells(["=1+2", -0.5, "-0.5", "sky", (1, 2)])
    ["'=1+2", -0.5, '-0.5', 'sky', '1 2']
    """
    return [_csv_cell(value) for value in values]


def _csv_cell(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        value = " ".join(map(str, value))
    elif not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()


def csv_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """A header of the first row's keys, then the rows, their cells as `csv_cells` writes them."""
    text = io.StringIO()
    columns = list(rows[0]) if rows else []
    writer = csv.DictWriter(text, fieldnames=columns, lineterminator="\n")
    for row in [dict(zip(columns, columns, strict=True)), *rows]:
        writer.writerow(dict(zip(row, csv_cells(row.values()), strict=True)))
    return text.getvalue()


def _is_text(left: int | Collection[int], number: int) -> bool:
    """Whether a column holds words: the first `left`, or those numbered in it."""
    return number < left if isinstance(left, int) else number in left


def markdown_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: int | Collection[int] = 1,
    bold: Collection[tuple[int, int]] = (),
) -> str:
    """A table whose first `left` columns, or those numbered in it, are text. A heading's broken lines are one.

    bold: (row, column) of cells.

    >>> print(markdown_table(["model", "mIoU"], [["m1", "0.5"]], bold=[(0, 1)]))
    | model | mIoU |
    | :-- | --: |
    | m1 | **0.5** |
    """
    rule = [":--" if _is_text(left, number) else "--:" for number in range(len(columns))]
    cells = [
        [f"**{cell}**" if (row, column) in bold else cell for column, cell in enumerate(_markdown_cells(line))]
        for row, line in enumerate(rows)
    ]
    lines = [_markdown_cells(_one_line(columns)), rule, *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _markdown_cells(cells: Iterable[str]) -> list[str]:
    """Cells that cannot end early or begin an element of HTML."""
    return [printable(cell).replace("|", r"\|").replace("<", "&lt;") for cell in cells]


def _one_line(heads: Iterable[str]) -> list[str]:
    return [name.replace("\n", " ") for name in heads]


# What LaTeX reads as commands, and signs of our tables that its default encoding lacks.
_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": "$<$", ">": "$>$", "×": r"$\times$", "±": r"$\pm$",
    "–": "--", "−": "$-$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "∞": r"$\infty$",
}  # fmt: skip


def _tex(text: str) -> str:
    return "".join(_TEX.get(sign, sign) for sign in printable(text))


def latex_caption(sentences: Iterable[str]) -> str:
    r"""A caption for the same table environment.

    >>> print(latex_caption(["8 images.", "50% of them."]))
    \caption{8 images. 50\% of them.}
    """
    return rf"\caption{{{_tex(' '.join(sentences))}}}"


def latex_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    left: int | Collection[int] = 1,
    bold: Collection[tuple[int, int]] = (),
) -> str:
    r"""A tabular with the rules of the booktabs package, for `\input` inside a table environment.

    bold: (row, column) of cells.

    >>> print(latex_table(["model", "mIoU"], [["m1_a", "51.2%"]]))
    \begin{tabular}{lr}
    \toprule
    model & mIoU \\
    \midrule
    m1\_a & 51.2\% \\
    \bottomrule
    \end{tabular}
    """
    body = [
        [rf"\textbf{{{_tex(cell)}}}" if (row, column) in bold else _tex(cell) for column, cell in enumerate(line)]
        for row, line in enumerate(rows)
    ]
    lines = [" & ".join(line) + r" \\" for line in (map(_tex, _one_line(columns)), *body)]
    kinds = "".join("l" if _is_text(left, number) else "r" for number in range(len(columns)))
    ruled = [r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([rf"\begin{{tabular}}{{{kinds}}}", *ruled, r"\end{tabular}"])


def html_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, left: int | Collection[int] = 1
) -> str:
    """A table for a notebook; every text is escaped."""

    def cell(tag: str, number: int, text: str) -> str:
        side = "left" if _is_text(left, number) else "right"
        return f'<{tag} style="text-align: {side}">{html.escape(printable(text))}</{tag}>'

    def cells(tag: str, line: Sequence[str]) -> str:
        return f"<tr>{''.join(cell(tag, number, text) for number, text in enumerate(line))}</tr>"

    caption = f'<caption style="text-align: left">{html.escape(printable(title))}</caption>' if title else ""
    head = cells("th", _one_line(columns))
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
    heads = [printable(name, lines=True).split("\n") for name in columns]
    height = max((len(head) for head in heads), default=0)
    # A heading of fewer lines stands at the bottom.
    top = [[head[line - (height - len(head))] if line >= height - len(head) else "" for head in heads]
           for line in range(height)]  # fmt: skip
    body = [list(map(printable, row)) for row in rows]
    widths = [max(len(line[number]) for line in [*top, *body]) for number in range(len(columns))]
    lines = [
        "  ".join(
            cell.ljust(width) if _is_text(left, number) else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [*top, *body]
    ]
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return "\n".join([*([printable(title)] if title else []), *lines[:height], rule, *lines[height:]])
