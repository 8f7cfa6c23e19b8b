"""Lists of JSON an entry at a time: the values of `json.loads`, and files that are none."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from convneur.data import json_lists
from convneur.data.json_lists import listed_entries
from convneur.errors import InputError
from convneur.schema import SchemaError


def made(depth: int, choose: random.Random) -> Any:
    kind = choose.randrange(7 if depth else 5)
    if kind == 5:
        return [made(depth - 1, choose) for _ in range(choose.randrange(4))]
    if kind == 6:
        return {f'k{number}ü\\"': made(depth - 1, choose) for number in range(choose.randrange(4))}
    return [None, True, choose.randrange(-(10**9), 10**9), choose.random() * 1e-7, "té\U0001f600\n]},"][kind]


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_the_same_as_all_at_once(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lists, "_CHUNK", chunk)
    choose = random.Random(chunk)
    path = tmp_path / "file.json"
    for _ in range(20):
        value = {name: [made(2, choose) for _ in range(choose.randrange(4))] for name in ("a", "b", "c")}
        path.write_text(json.dumps(value, indent=choose.choice([None, 2]), ensure_ascii=choose.random() < 0.5))
        found: dict[str, list[Any]] = {"a": [], "c": []}
        for key, number, entry in listed_entries(path, found):
            assert number == len(found[key])
            found[key].append(entry)
        assert found == {"a": value["a"], "c": value["c"]}
        path.write_text(json.dumps(value["b"]))
        assert [entry for _, _, entry in listed_entries(path, [""])] == value["b"]


@pytest.mark.parametrize(
    ("text", "lists", "problem"),
    [
        ("", [""], "is empty"),
        ("[1, 2", [""], "is cut short"),
        ('[{"a": 1}, {"a": ', [""], "is cut short"),
        ("[1 2]", [""], "a comma is missing after [0]"),
        ("[1] 2", [""], "something follows its end"),
        ("{}", [""], "must be a list"),
        ("[]", ["a"], "must be an object"),
        ('{"a": {}}', ["a"], "a: must be a list"),
        ('{"a": [], "a": []}', ["a"], 'holds the key "a" twice'),
        ('{"a" []}', ["a"], "a colon is missing"),
        ("{1: []}", ["a"], "a key that is no text"),
        ('[{"a": 1, "a": 2}]', [""], '[0]: holds the key "a" twice'),
        ('{"info": NaN, "a": []}', ["a"], "info: holds NaN"),
        ("[" * 100_000, [""], "nested too deep"),
        ("[" + "9" * 10_000 + "]", [""], "thousands of digits"),
        ("[nul]", [""], "is no JSON ([0]: Expecting value)"),
    ],
)
def test_files_that_are_no_such_json(text: str, lists: list[str], problem: str, tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    with pytest.raises(SchemaError) as error:
        list(listed_entries(path, lists))
    assert problem in str(error.value)


def test_bytes_that_are_no_text_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(b'["\xff\xfe"]')
    with pytest.raises(SchemaError, match="is no UTF-8 text"):
        list(listed_entries(path, [""]))
    with pytest.raises(InputError, match="is a folder; name a file"):
        list(listed_entries(tmp_path, [""]))


def test_an_entry_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lists, "_CHUNK", 100)
    monkeypatch.setattr(json_lists, "MOST_CHARACTERS", 1000)
    path = tmp_path / "file.json"
    path.write_text(json.dumps([list(range(100))] * 50))
    assert len(list(listed_entries(path, [""]))) == 50
    path.write_text(json.dumps([1, list(range(1000))]))
    with pytest.raises(SchemaError, match="an entry of more than"):
        list(listed_entries(path, [""]))
