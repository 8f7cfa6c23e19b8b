"""Names of others, in files and on terminals: nothing in them acts."""

import csv
import io
import json
import re
import xml.etree.ElementTree
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from convneur.figures.style import drawable, save_figure
from convneur.formats import (
    as_text,
    csv_cells,
    csv_table,
    html_table,
    latex_table,
    markdown_table,
    printable,
    text_table,
    to_json,
)

# A title for the terminal, a colour, a C1 introducer, DEL, a right-to-left override, an isolate, a line separator, half
# of a surrogate pair, a byte that is no UTF-8, line feed, carriage return and tab.
EVIL = "\x1b]0;owned\x07\x1b[31mred\x9b2J\x7f\u202egpj\u2066\u2028\ud800\udcff\n\r\t"
ACTS = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def test_what_acts_on_a_terminal_is_spelled() -> None:
    assert printable(EVIL) == (
        r"\x1b]0;owned\x07\x1b[31mred\x9b2J\x7f\u202egpj\u2066\u2028\ud800\xff\n\r\t"
    )  # fmt: skip
    assert printable("a\nb\x1b", lines=True) == "a\nb\\x1b"


@pytest.mark.parametrize("name", ["café", "道路", "👩‍🔬.png", "می‌خواهم", "a b", "100 %", "[red]x[/red]", "C:\\x1b"])
def test_names_of_any_language_stay_as_they_are(name: str) -> None:
    assert printable(name) == as_text(name) == name


def test_json_holds_the_same_text_and_shows_none_of_it() -> None:
    text = to_json({EVIL: [EVIL]})
    assert not ACTS.search(text.replace("\n", ""))
    assert json.loads(text) == {as_text(EVIL): [as_text(EVIL)]}
    text.encode("utf-8")  # a lone surrogate would not
    assert as_text(EVIL) == EVIL.replace("\ud800", r"\ud800").replace("\udcff", r"\xff")


@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "＝"])
def test_no_text_in_a_csv_becomes_a_formula(begins: str) -> None:
    name = f"{begins}cmd|' /C calc'!A0"
    rows = list(csv.reader(io.StringIO(csv_table([{name: name, "value": -0.5}]), newline="")))
    assert rows == [[f"'{name}", "value"], [f"'{name}", "-0.5"]]


@pytest.mark.parametrize("begins", ["\t", "\r", "\n"])
def test_blanks_before_a_formula_are_spelled(begins: str) -> None:
    assert csv_table([{"name": f"{begins}=1"}]) == f"name\n{begins!r}=1\n".replace("'", "")


def test_numbers_in_a_csv_stay_numbers() -> None:
    cells = [-1, -0.5, 1e-7, "-0.5", "+1.6", "-1e-7", "−0.5", None, True, (-1, 2), "road"]
    assert csv_cells(cells) == [-1, -0.5, 1e-7, "-0.5", "+1.6", "-1e-7", "−0.5", None, True, "'-1 2", "road"]


def test_tables_spell_it_and_keep_their_shape() -> None:
    columns, rows = ["class", "a\nb"], [[EVIL + "|<b>", "1"]]
    made = {
        "text": text_table("t", columns, rows),
        "markdown": markdown_table(columns, rows),
        "latex": latex_table(columns, rows),
        "html": html_table("t", columns, rows),
    }
    lines = {"text": 5, "markdown": 3, "latex": 7, "html": 1}
    assert {name: len(text.split("\n")) for name, text in made.items()} == lines
    assert not any(ACTS.search(text.replace("\n", "")) for text in made.values())
    assert r"\|&lt;b>" in made["markdown"]
    assert "&lt;b&gt;" in made["html"]
    assert r"\textbackslash{}x1b" in made["latex"]


def test_an_svg_with_such_a_name_is_xml_and_no_mathematics(tmp_path: Path) -> None:
    figure = Figure()
    figure.suptitle(drawable(EVIL + r"$\nothing$ & <b> 道", dollars=True))
    save_figure(figure, tmp_path / "a.svg")
    xml.etree.ElementTree.parse(tmp_path / "a.svg")
