"""Files that are read back: what does not fit is named by its place, whatever it is."""

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

import pytest

from convneur.data.colours import read_colour_table
from convneur.errors import ConfigError, InputError
from convneur.schema import MOST_BYTES, SchemaError, parsed, read_json, read_lines, read_text, sealed, typed, unsealed
from convneur.study.plan import StudyPlan
from convneur.training import RunPlan
from convneur.training.folder import RecordLog, read_losses
from convneur.training.settings import read_recipe, recipe_settings
from convneur.variants import find_config

LEGACY = Path(__file__).parent / "legacy"


@dataclass(frozen=True)
class Side:
    pixels: int
    unit: Literal["px", "%"] = "px"

    def __post_init__(self) -> None:
        if self.pixels < 1:
            raise ConfigError("pixels", "must be at least 1", value=self.pixels)


class Record(TypedDict):
    step: int
    loss: NotRequired[float]


@dataclass(frozen=True)
class Kept:
    sides: tuple[Side, ...]
    scale: tuple[float, float] | None = None
    names: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    about: Any = field(default=None, metadata={"key": "more"})


def test_typed_data_come_back_as_they_are_meant() -> None:
    value = parsed('{"sides": [{"pixels": 3}], "scale": [1, 2.5], "records": [{"step": 1}], "more": {"a": [null, 1]}}')
    assert typed(value, Kept) == Kept((Side(3),), (1, 2.5), {}, [{"step": 1}], {"a": [None, 1]})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "must be an object, not a list"),
        ("{}", "sides: is missing"),
        ('{"sides": 3}', "sides: must be a list, not 3"),
        ('{"sides": [], "side": 1}', "side: is unknown here"),
        ('{"sides": [{"pixels": 1.0}]}', "sides[0].pixels: must be a whole number, not 1.0"),
        ('{"sides": [{"pixels": true}]}', "sides[0].pixels: must be a whole number, not true"),
        ('{"sides": [{"pixels": 0}]}', "sides[0].pixels: 0 must be at least 1"),
        ('{"sides": [{"pixels": 99999999999999999999}]}', "sides[0].pixels: is too large a number"),
        ('{"sides": [{"pixels": 1, "unit": "cm"}]}', 'sides[0].unit: must be one of px, %, not "cm"'),
        ('{"sides": [], "scale": [1]}', "scale: needs 2 values, not 1"),
        ('{"sides": [], "scale": [1, "x"]}', 'scale[1]: must be a number, not "x"'),
        ('{"sides": [], "scale": "x"}', 'scale: must be a list or null, not "x"'),
        ('{"sides": [], "scale": [1, 1e999]}', "scale[1]: must be finite"),
        ('{"sides": [], "names": {"a": 1}}', "names.a: must be text, not 1"),
        ('{"sides": [], "names": {"a": "\\u0000"}}', "names.a: holds a NUL character"),
        ('{"sides": [], "names": {"a": "\\ud800"}}', "names.a: holds half a character"),
        ('{"sides": [], "records": [{"loss": 1}]}', "records[0].step: is missing"),
        ('{"sides": [], "more": ' + "[" * 40 + "]" * 40 + "}", "is nested too deep"),
        ("[" * 100_000, "is nested too deep"),
        ('{"sides": ' * 100_000, "is nested too deep"),
        ("1" * 5000, "holds a number of thousands of digits"),
        ("NaN", "holds NaN, which is not a JSON number"),
        ('{"sides": [], "sides": []}', 'holds the key "sides" twice'),
        ("", "is empty"),
        ('{"sides": [', "is no JSON (line 1, column 12"),
    ],
)
def test_what_does_not_fit_is_named_by_its_place(text: str, words: str) -> None:
    with pytest.raises(SchemaError) as caught:
        typed(parsed(text), Kept)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_is_no_text_or_too_large_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for content, words in (
        ('{"a": 1}'.encode("utf-16"), "is no UTF-8 text"),
        (b" " * (MOST_BYTES + 1), "holds more than 32 MiB"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=words):
            read_json(path, dict[str, int], mend="correct it")
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}')  # as some editors save it
    assert read_json(path, dict[str, int], mend="correct it") == {"a": 1}
    with pytest.raises(InputError, match="is a folder; name a file"):
        read_json(tmp_path, dict[str, int], mend="correct it")
    path.write_bytes(b"1\n" + b"x" * (MOST_BYTES + 5) + b"\n2\n")
    with path.open("rb") as file:
        assert [len(line) for line in read_lines(file)] == [2, MOST_BYTES, 6, 2]


def test_a_list_may_be_a_pipe_and_is_not_read_without_end() -> None:
    there, back = os.pipe()
    os.write(back, b"\xef\xbb\xbfroad\r\nsky")
    os.close(back)
    assert read_text(Path(f"/dev/fd/{there}"), mend="") == "road\nsky"
    os.close(there)
    with pytest.raises(InputError, match="holds more than 64 MiB; write a line per name"):
        read_text(Path("/dev/zero"), mend="write a line per name")


def test_no_byte_of_what_was_sealed_can_change() -> None:
    line = sealed({"name": "a", "scores": [0.5, 12, None]})
    assert json.loads(line)["scores"] == unsealed(line + b"\n")["scores"] == [0.5, 12, None]
    for at in range(len(line)):
        for byte in (line[at] ^ 1, ord("7"), ord("}")):
            if byte != line[at]:
                with pytest.raises(SchemaError):
                    unsealed(line[:at] + bytes([byte]) + line[at + 1 :])


# -- Every reader of such files, on damaged ones --

VALUES = [
    None, True, 0, -1, 1.5, 1e308, 2**53, 2**63, 10**400, "", "x", "\0", "a" * 5000, [], {}, [[]], [1, 2], {"a": 1},
]  # fmt: skip
RAW = ["NaN", "1e999", "9" * 5000, "[" * 100_000, '{"a": 1, "a": 2}']


def places(value: Any) -> list[tuple[Any, Any]]:
    """Each container with a key of it."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [found for key in keys for found in [(value, key), *places(value[key])]]


def damaged(text: bytes, rng: random.Random) -> bytes:
    """The same with a few bytes or a few values changed."""
    if rng.random() < 0.4:
        at = rng.randrange(len(text))
        some = bytes(rng.randrange(256) for _ in range(rng.randrange(4)))
        return rng.choice([text[:at], text[:at] + some + text[at + 1 :], text[:at] + some + text[at:]])
    value = json.loads(text)
    for _ in range(rng.choice([1, 1, 3])):
        holder, key = rng.choice(places(value) or [({0: 0}, 0)])
        if rng.random() < 0.3:
            del holder[key]
        else:
            holder[key] = rng.choice([*VALUES, "@"])
    return json.dumps(value).replace('"@"', rng.choice(RAW)).encode()


def of_run(path: Path) -> object:
    plan = RunPlan.read(path.parent)
    return plan.by_name(), plan.settings.augmentation(), plan.settings.lr_at(0, plan.steps)


def of_records(path: Path) -> object:
    RecordLog(path, 10, main=True)
    return read_losses(path.parent)


READERS: dict[str, tuple[str, Callable[[], bytes], Callable[[Path], object]]] = {
    "model": ("model.json", lambda: json.dumps(find_config("m1").to_dict()).encode(), find_config),
    "recipe": (
        "recipe.json",
        lambda: json.dumps(read_recipe("small", "segmentation")).encode(),
        lambda path: recipe_settings(str(path), "segmentation"),
    ),
    "first run": ("config.json", (LEGACY / "run" / "config.json").read_bytes, of_run),
    "run": ("config.json", lambda: json.dumps(RunPlan.read(LEGACY / "run").to_dict()).encode(), of_run),
    "first study": (
        "config.json",
        (LEGACY / "study" / "config.json").read_bytes,
        lambda path: StudyPlan.read(path.parent),
    ),
    "study": (
        "config.json",
        lambda: json.dumps(StudyPlan.read(LEGACY / "study").to_dict()).encode(),
        lambda path: StudyPlan.read(path.parent),
    ),
    "records": ("metrics.jsonl", lambda: b'{"step": 5, "loss": 0.5, "lr": 1e-3}', of_records),
    "colours": ("colours.json", lambda: b'{"road": [1, 2, 3], "sky": [4, 5, 6]}', read_colour_table),
}


@pytest.mark.parametrize("kind", READERS)
def test_damaged_files_are_refused_by_name_or_read(kind: str, tmp_path: Path) -> None:
    name, content, read = READERS[kind]
    path, text = tmp_path / name, content()
    refused: list[InputError] = []
    for seed in range(100):
        path.write_bytes(damaged(text, random.Random(seed)) + b"\n")
        try:
            read(path)
        except InputError as error:
            refused.append(error)
    for error in refused:
        assert str(path) in str(error)
        assert "\n" not in str(error)
        assert len(error.problem) < 400
    assert (len(refused) > 50) == (kind != "records")  # damaged records are left out
