"""The names of a data set's classes, from the files in which labelling tools and data sets keep them."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from convneur.data.colours import colour_and_name
from convneur.data.folders import nfc
from convneur.errors import InputError
from convneur.formats import as_text
from convneur.schema import read_text

__all__ = ["read_class_names"]

_PLAIN = "write a class name per line, that of label 0 first"
_VALUES = 'write names by number, such as {"0": "road", "1": "sky"}'  # in JSON, which is YAML too
_HIGHEST = 65_535  # of class numbers: label maps have 16 bits
_LONGEST_LINE = 100_000  # characters: all names of ImageNet in one line are fewer

# Choice: labelme's name for what is labelled and not to be trained on, and its number; other tools' names for the like
# are left out where their number lies apart from the others, as 255 does.
_NO_CLASS = "__ignore__"
_IGNORED = frozenset({"ignore", "ignored", "void", "unlabelled", "unlabeled", "dontcare", "don't care", _NO_CLASS})

_OF_NUMBERS = frozenset(
    [
        "id", "ids", "idx", "index", "no", "nr", "number", "code", "class_id", "classid", "category_id", "label_id",
        "train_id", "trainid", "pixel_value", "pixel", "value", "label_value", "class_value", "class_index",
        "class_idx", "class_number",
    ]
)  # fmt: skip
_OF_NAMES = frozenset(["name", "names", "class", "class_name", "classname", "label", "label_name", "category", "title"])
# A line of its own above names; what could itself be a class, such as "name" on a form, is asked about.
_HEADINGS = frozenset(
    ["classes", "class_name", "class_names", "classname", "classnames", "names", "labels", "categories"]
)
_MAYBE_HEADINGS = frozenset(["name", "label", "class", "category", "title"])

_NUMBERED = re.compile(r"(-?\d+)\s*(?:[,;:\t|=)]|[-=]>|\.(?=\s))\s*(?:(['\"])(.*)\2|(.*?))[\s,;]*")
_NUMBERED_BY_BLANKS = re.compile(r"(-?\d+)\s+(\D.*)")
_NAMED = re.compile(r"(['\"]?)([^\d,;:\t][^,;:\t]*?)\1\s*[,;:\t=]\s*(-?\d+)[\s,;]*")

_Numbers = list[tuple[str, int, str]]  # where, number, name


def read_class_names(path: Path) -> list[str]:
    """The names in a file, by class number from 0 on.

    Choice: a name per line, numbered by lines; or with numbers, which then count: `0: road`, `0, road` (Roboflow's
        _classes.csv), `road, 0`, a table with a heading, with tabs, commas or semicolons. Colours beside names
        (`road:128,64,128::` of CVAT's labelmap.txt) are passed over, as are a heading and comments after `# `.
        labelme's `__ignore__` is no class, nor is a negative number. JSON: a list of names, names by number or numbers
        by name, also as `id2label`, `labels` (nnU-Net), `names` or COCO's `categories`; YAML: the same, such as the
        data.yaml of Ultralytics. A number between others that has no name is named as itself.
    Returns: a name for each number up to the highest.
    Raises:  InputError: no such list, or one that could be read in two ways; a name or a number twice.
    """
    text = read_text(path, mend=_PLAIN)
    if "\0" in text or text.lstrip().startswith("<"):
        raise InputError(path, f"is no list of classes; {_PLAIN}")
    text = nfc(text)
    if not text.strip():
        raise InputError(path, "is empty; write one class name per line")
    if path.suffix.lower() == ".json" or text.lstrip()[0] in "[{":
        numbered = _of_values(path, _json(path, text))
    elif path.suffix.lower() in (".yaml", ".yml"):
        numbered = _of_values(path, _yaml(path, text))
    else:
        numbered = _of_lines(path, text)
    return _by_number(path, numbered)


def _by_number(path: Path, numbered: _Numbers) -> list[str]:
    """The names in the order of their numbers. Raises: InputError: one twice, a number that no label map can hold."""
    kept: dict[int, str] = {}
    places: dict[str, str] = {}
    for where, number, name in numbered:
        if number < 0 or name == _NO_CLASS:
            continue
        if not name:
            raise InputError(path, f"{where} is empty; name the class, or remove it")
        if as_text(name) != name:
            raise InputError(path, f"{where} holds half a character; write the name again")
        if number > _HIGHEST:
            raise InputError(
                path, f"{where}: {name} has the number {number}, above {_HIGHEST}; number the classes from 0 on"
            )
        if number in kept:
            raise InputError(
                path, f"{where}: {name} has the number {number}, as {kept[number]} has; number each class once"
            )
        if name in places:
            raise InputError(path, f"{where} is a repetition: {name} stands in {places[name]}; name each class once")
        kept[number], places[name] = name, where
    rest = [number for number, name in kept.items() if name.casefold() not in _IGNORED]
    if rest and len(kept) == len(rest) + 1 and (highest := max(kept)) > max(rest) + 1:
        del kept[highest]
    if not kept:
        raise InputError(path, f"names no class; {_PLAIN}")
    if sorted(kept) == [0, 255]:
        return [kept[0], kept[255]]  # of binary masks
    return [kept.get(number, str(number)) for number in range(max(kept) + 1)]


def _of_lines(path: Path, text: str) -> _Numbers:
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.rstrip().splitlines(), start=1)
        if not re.match(r"\s*#(\s|$|label:)", line)
    ]
    filled = [(number, line) for number, line in lines if line]
    for number, line in filled:
        if len(line) > _LONGEST_LINE:
            raise InputError(path, f"line {number} has {len(line)} characters; {_PLAIN}")
    if not filled:
        raise InputError(path, f"names no class; {_PLAIN}")
    if filled[0][1].startswith(("names:", "classes:")) or all(line.startswith("- ") for _, line in filled):
        return _of_values(path, _yaml(path, text))
    mark = next((mark for mark in "\t;," if mark in filled[0][1]), None)
    if len(filled) == 1 and mark:
        return [(f"name {at + 1}", at, name) for at, name in enumerate(_cells(filled[0][1].rstrip(mark), mark))]
    return _numbered_lines(path, filled) or _coloured_lines(filled) or _table(path, filled) or _plain_lines(path, lines)


def _numbered_lines(path: Path, lines: Sequence[tuple[int, str]]) -> _Numbers | None:
    """Lines of a number and a name, in either order; a heading above them is passed over. None: they are none."""
    for shape in (_NUMBERED, _NUMBERED_BY_BLANKS, _NAMED):
        matches = [(number, line, shape.fullmatch(line)) for number, line in lines]
        if matches[0][2] is None and _is_heading(lines[0][1]):
            matches = matches[1:]
        fitting = sum(match is not None for _, _, match in matches)
        if not matches or not fitting:
            continue
        if fitting < len(matches):
            if shape is _NUMBERED and fitting > len(matches) // 2:
                number, line, _ = next(each for each in matches if each[2] is None)
                raise InputError(path, f"line {number}: {line[:40]!r} has no number, as other lines have; give it one")
            continue
        found: _Numbers = []
        for number, _, match in matches:
            assert match is not None
            if shape is _NAMED:
                found.append((f"line {number}", _number(path, number, match[3]), match[2].strip()))
                continue
            name = (match[2] if shape is _NUMBERED_BY_BLANKS else match[3] or match[4] or "").strip()
            if re.fullmatch(r"[\d\s,;:.]*", name) or re.search(r"[,;\t]", name):
                return None  # more columns than two
            found.append((f"line {number}", _number(path, number, match[1]), name))
        return found
    return None


def _coloured_lines(lines: Sequence[tuple[int, str]]) -> _Numbers | None:
    """Lines of a colour and a name, numbered as a colour table numbers them. None: they are none."""
    found = [(f"line {number}", colour_and_name(line)) for number, line in lines]
    if found[0][1] is None and _is_heading(lines[0][1]):
        found = found[1:]
    names: dict[str, str] = {}
    for where, each in found:
        if each is None or not each[1]:
            return None
        if each[1].casefold() not in _IGNORED:
            names.setdefault(each[1], where)
    return [(where, at, name) for at, (name, where) in enumerate(names.items())]


def _table(path: Path, lines: Sequence[tuple[int, str]]) -> _Numbers | None:
    """A table of numbers, names and what else there is, such as colours. None: the lines are no table."""
    mark = next((mark for mark in ("\t", ";", ",", ":") if all(mark in line for _, line in lines)), None)
    rows = [_cells(line, mark) for _, line in lines]
    headed = len(rows) > 1 and _is_heading(lines[0][1], mark)
    heading = [_word(cell) for cell in rows[0]] if headed else None
    body = list(zip([number for number, _ in lines], rows, strict=True))[1 if headed else 0 :]
    width = min(len(row) for _, row in body)
    if width < 2:
        return None
    integer = [all(re.fullmatch(r"-?\d+", row[k]) for _, row in body) for k in range(width)]
    texts = [k for k in range(width) if all(re.search(r"[^\W\d]", row[k]) for _, row in body)]
    if not texts or not (heading or any(integer)):
        return None
    names = [k for k in texts if heading and k < len(heading) and heading[k] in _OF_NAMES] or texts
    numbers = [k for k in range(width) if heading and integer[k] and k < len(heading) and heading[k] in _OF_NUMBERS]
    if heading is None and names[0] == 1 and integer[0]:
        numbers = [0]  # 0, road, 128, 64, 128
    elif heading and not numbers and integer[0] and heading[0] == "":
        numbers = [0]  # a data frame's index
    return [
        (f"line {line}", _number(path, line, row[numbers[0]]) if numbers else at, row[names[0]])
        for at, (line, row) in enumerate(body)
    ]


def _plain_lines(path: Path, lines: Sequence[tuple[int, str]]) -> _Numbers:
    first = _word(lines[0][1])
    if len(lines) > 1 and first in _MAYBE_HEADINGS:
        raise InputError(
            path,
            f"line {lines[0][0]}: {lines[0][1]!r} may be a heading or a class; remove it, or number the classes, "
            f"such as 0: {lines[1][1]}",
        )
    if first in _HEADINGS or lines[0][1] == _NO_CLASS:
        lines = lines[1:]
    for number, line in lines:
        if any(line.count(left) != line.count(right) for left, right in ("()", "[]", "{}")):
            raise InputError(path, f"is no list of classes (line {number}: {line[:40]!r}); {_PLAIN}")
    for number, line in lines[:-1]:
        if line == _NO_CLASS:
            raise InputError(path, f"line {number}: {_NO_CLASS} stands in the first line of labelme's lists; move it")
    return [(f"line {number}", at, line.strip("\"'") or "") for at, (number, line) in enumerate(lines)]


def _of_values(path: Path, content: Any) -> _Numbers:
    """Of what JSON or YAML holds."""
    if isinstance(content, dict):
        for key in ("id2label", "labels", "names", "categories", "classes"):
            if isinstance(content.get(key), (dict, list)):
                return _of_values(path, content[key])
    entries = content.items() if isinstance(content, dict) else enumerate(content if isinstance(content, list) else ())
    numbered = _without_colours(list(entries))
    found = [_entry(at, each, named=isinstance(content, dict)) for at, each in numbered]
    if not found or None in found:
        raise InputError(path, f"is no list of classes; {_VALUES}")
    return [each for each in found if each is not None]


def _without_colours(entries: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Names with a colour each, as names by number: in their order, or by the value of grey (Supervisely)."""
    colours = [
        each if isinstance(each, list) and len(each) == 3 and all(type(part) is int for part in each) else None
        for _, each in entries
    ]
    if not entries or None in colours or not all(isinstance(name, str) for name, _ in entries):
        return entries
    grey = all(colour and len(set(colour)) == 1 for colour in colours)
    return [
        (name, colour[0] if grey and colour else at)
        for at, ((name, _), colour) in enumerate(zip(entries, colours, strict=True))
    ]


def _entry(at: Any, value: Any, *, named: bool) -> tuple[str, int, str] | None:
    """One class: a key and its value of a mapping, or a place and its value in a list."""
    if named:
        if isinstance(value, str) and _whole(at) is not None and _whole(value) is None:
            return f"entry {at}", _whole(at) or 0, value.strip()
        number = _whole(value)
        return None if number is None else (f"entry {at}", number, str(at).strip())
    if isinstance(value, str):
        return f"entry {at + 1}", at, value.strip()
    # Choice: CVAT and Supervisely number labels in their data bases; these are no values of pixels.
    if isinstance(value, dict) and not {"attributes", "shape", "geometry_config"} & value.keys():
        names = [value[key] for key in ("name", "label", "title") if isinstance(value.get(key), str)]
        numbers = [_whole(value[key]) for key in ("id", "value", "index", "trainId") if key in value]
        if len(names) == 1 and numbers and numbers[0] is not None:
            return f"entry {at + 1}", numbers[0], names[0].strip()
    return None


def _number(path: Path, line: int, text: str) -> int:
    """A class number as written. Raises: InputError: more digits than Python itself takes."""
    try:
        return int(text)
    except ValueError:
        raise InputError(
            path, f"line {line}: a number of {len(text)} digits, above {_HIGHEST}; number the classes from 0 on"
        ) from None


def _whole(value: Any) -> int | None:
    """A whole number, also as text; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,9}", value.strip()):
        return int(value)
    return value if type(value) is int else None


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(path, f"is no JSON ({error}); {_VALUES}") from None
    except ValueError:  # of int(), with advice for programmers
        raise InputError(path, f"holds a number of thousands of digits; {_VALUES}") from None


def _yaml(path: Path, text: str) -> Any:
    try:
        return yaml.load(text, Loader=yaml.BaseLoader)  # builds nothing but text: `no` stays a name
    except (yaml.YAMLError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise InputError(path, f"is no YAML ({problem}); {_VALUES}") from None


def _cells(line: str, mark: str | None) -> list[str]:
    if mark is None:
        return [line]
    cells = next(csv.reader([line], delimiter=mark, skipinitialspace=True))
    if mark == ":":  # road:128,64,128:: has its colour in one column
        cells = [part for cell in cells for part in (cell.split(",") if re.fullmatch(r"[\d, ]+", cell) else [cell])]
    return [cell.strip() for cell in cells]


def _is_heading(line: str, mark: str | None = None) -> bool:
    """Whether a line names columns: no number in it, and one of the names is that of a column of names."""
    marks = [mark] if mark else ["\t", ";", ","]
    used = next((each for each in marks if each in line), None)
    words = [_word(cell) for cell in _cells(line, used)]
    return len(words) > 1 and not any(word.isdigit() for word in words) and any(word in _OF_NAMES for word in words)


def _word(cell: str) -> str:
    return re.sub(r"[\s_-]+", "_", cell.strip("\"' :#").casefold())
