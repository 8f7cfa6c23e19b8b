"""Colour tables: what their files may look like, and what pictures mean by them."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convneur.data.colours import ColourTable, read_colour_table
from convneur.data.presets import PRESETS
from convneur.errors import InputError

TABLE = ColourTable(("sky", "road"), {(0, 0, 200): 0, (10, 20, 30): 1, (11, 20, 30): 1, (0, 0, 0): None})


def table(folder: Path, text: str, name: str = "colours.txt") -> ColourTable:
    (folder / name).write_text(text, encoding="utf-8")
    return read_colour_table(folder / name)


@pytest.mark.parametrize(
    "text",
    [
        "0 0 200\tsky\n10 20 30 road\n11 20 30 road\n0 0 0\t\tVoid\n",
        "name,r,g,b\r\nsky,0,0,200\r\nroad,10,20,30\r\nroad,11,20,30\r\nvoid,0,0,0\r\n",
        "# label:color_rgb:parts:actions\nsky:0,0,200::\nroad:10,20,30::\nroad:11,20,30::\nignore:0,0,0::\n",
        "\ufeff\nsky; 0; 0; 200  # blue\n\n'road' 10 20 30\n11,20,30,\"road\"\n0 0 0 unlabelled",
    ],
)
def test_the_common_ways_to_write_a_table(text: str, tmp_path: Path) -> None:
    assert table(tmp_path, text) == TABLE


def test_json_tables(tmp_path: Path) -> None:
    entries = [("sky", [0, 0, 200]), ("road", [10, 20, 30]), ("road", [11, 20, 30]), ("void", [0, 0, 0])]
    listed = json.dumps([{"name": name, "color": colour, "id": 7} for name, colour in entries])
    assert table(tmp_path, listed, "colours.json") == TABLE
    assert table(tmp_path, '{"sky": [0, 0, 200], "road": [1, 2, 3]}', "colours.json").names == ("sky", "road")


def test_names_with_blanks_and_commas_and_no_names(tmp_path: Path) -> None:
    assert table(tmp_path, "traffic light 250 170 30\n1 2 3 big sign\n").names == ("traffic light", "big sign")
    assert table(tmp_path, '"sign, big",1,2,3\n').names == ("sign, big",)
    assert table(tmp_path, "1 2 3\n4 5 6\n").names == ("0", "1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no class"),
        ("0 0 0 void\n", "names no class"),
        ("1 2 3 a\n7 128 64 128 road\n", "line 2: '7 128 64 128 road' is not R G B and the name"),
        ("0,road,1,2,3\n", "line 1: "),
        ("1 2 3 4\n", "line 1: "),
        ("1 2\n", "line 1: "),
        ("1 2 3 a\nred green blue\n", "line 2: "),
        ("1 2 300 a\n", "line 1: 1 2 300 is no colour"),
        ("1 2 3 a\n\n1 2 3 b\n", "line 3: colour 1 2 3 stands for two classes"),
    ],
)
def test_what_is_no_table(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"colours\.txt: ") as error:
        table(tmp_path, text)
    assert said in str(error.value)


@pytest.mark.parametrize(
    "text", ["{", "3", "[]", '{"a": [1, 2]}', '{"a": [1, 2, 3.5]}', '{"a": [1, 2, true]}', '[{"color": [1, 2, 3]}]']
)
def test_what_is_no_json_table(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"colours\.json: (is no JSON|entry 1 is not|names no class)"):
        table(tmp_path, text, "colours.json")


def test_a_table_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "colours.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="no UTF-8 text"):
        read_colour_table(tmp_path / "colours.txt")


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1), st.sampled_from([255, 2, -1, 70000]))
def test_pictures_become_the_classes_of_their_colours(height: int, width: int, seed: int, ignored: int) -> None:
    colours = list(TABLE.classes)
    chosen = np.random.default_rng(seed).integers(0, len(colours), (height, width))
    pixels = np.array(colours, np.uint8)[chosen]
    expected = [[ignored if (k := TABLE.classes[colours[i]]) is None else k for i in row] for row in chosen]
    np.testing.assert_array_equal(TABLE.labels(pixels, ignored), expected)


def test_large_pictures_are_read_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.array(list(TABLE.classes), np.uint8)[np.random.default_rng(0).integers(0, 4, (50, 7))]
    whole = TABLE.labels(pixels, 255)
    monkeypatch.setattr("convneur.data.colours._BLOCK", 16)
    np.testing.assert_array_equal(TABLE.labels(pixels, 255), whole)
    pixels[30:, 4] = 9
    with pytest.raises(InputError, match=r"colour 9 9 9 at row 30, column 4 .* \(20 pixels\)"):
        TABLE.labels(pixels, 255)


def test_unknown_colours_are_named_with_place_and_count() -> None:
    pixels = np.zeros((5, 6, 3), np.uint8)
    pixels[2, 3:5] = 7, 8, 9
    with pytest.raises(InputError, match=r"colour 7 8 9 at row 2, column 3 is not in the colour table \(2 pixels\)"):
        TABLE.labels(pixels, 255)
    pixels[4] = 1, 1, 1
    with pytest.raises(InputError, match=r"colour 1 1 1 at row 4, column 0 .* \(6 pixels; 1 more colour in 2\)"):
        TABLE.labels(pixels, 255)


def test_an_ignored_colour_needs_a_label() -> None:
    table = PRESETS["voc"].colours
    assert table is not None
    pixels = np.array([[(0, 0, 0), (224, 224, 192)]], np.uint8)
    assert table.labels(pixels, 255).tolist() == [[0, 255]]
    with pytest.raises(InputError, match=r"^colour 224 224 192 is to be ignored, .*; give `ignore_index` a number$"):
        table.labels(pixels, None)


def test_a_table_renumbered_by_names() -> None:
    moved = TABLE.renumbered(["Road", "water", "Sky"])
    assert (moved.classes[0, 0, 200], moved.classes[10, 20, 30], moved.classes[0, 0, 0]) == (2, 0, None)
    with pytest.raises(InputError, match="road is none of the 1 classes"):
        TABLE.renumbered(["sky"])


def test_a_name_with_half_a_character_is_refused(tmp_path: Path) -> None:
    (tmp_path / "table.json").write_text('{"ro\\ud800ad": [1, 2, 3]}')
    with pytest.raises(InputError, match="entry 1 holds half a character"):
        read_colour_table(tmp_path / "table.json")
