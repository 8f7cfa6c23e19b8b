"""Files that are read back, checked once: JSON within bounds, then values of the types that code goes on with.

Choice: no library for this. msgspec takes unknown settings and doubled keys in silence and refuses the NaN that scores
may hold; pydantic adds 50 to 90 ms to a command; and bounds, words and places would be written beside either.
"""

import json
import math
import re
import types
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

from convneur.errors import ConfigError, InputError

__all__ = [
    "DECODER",
    "LENIENT_DECODER",
    "MOST_BYTES",
    "SchemaError",
    "parsed",
    "read_bytes",
    "read_json",
    "read_lines",
    "read_text",
    "sealed",
    "typed",
    "unsealed",
]

MOST_BYTES = 32 << 20
"""Of a JSON file, and of a line of a file of JSON lines: brackets alone unpack to twenty times as much."""

_MOST_TEXT = 64 << 20  # bytes of a list: COCO's largest file of annotations is larger, its categories are not
_DEEPEST = 32  # levels of what is kept as it is
_LARGEST = 2**63 - 1
_WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", types.NoneType: "null"}
_SEAL = re.compile(rb', "checksum": "([0-9a-f]{8})"\}\s*\Z')
_T = TypeVar("_T")


class SchemaError(ValueError):
    """place: in the file, such as settings.crop[0], "" for all of it; problem: what is wrong there.

    >>> str(SchemaError("settings.crop[0]", "must be a whole number, not true"))
    'settings.crop[0]: must be a whole number, not true'
    """

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(place, problem)
        self.place, self.problem = place, problem

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}" if self.place else self.problem


def read_json(path: Path, kind: type[_T], *, mend: str) -> _T:
    """What a JSON file holds, as `typed` makes it. mend: what to do where it is damaged.

    Raises: InputError: a file that cannot be read, or that holds something else: with the place in it.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "sides.json")
    ...     _ = path.write_text('{"height": 32, "width": "wide"}')
    ...     read_json(path, dict[str, int], mend="correct it")
    Traceback (most recent call last):
    convneur.errors.InputError: ...sides.json: width: must be a whole number, not "wide"; correct it
    """
    text = read_bytes(path, mend=mend)
    try:
        return typed(parsed(text), kind)
    except SchemaError as error:
        raise InputError(path, f"{error}; {mend}") from None


def read_bytes(path: Path, *, mend: str) -> bytes:
    """A file's bytes for `parsed`, no more than it takes. Raises: InputError: a file that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError.unreadable(path, error, mend) from None


def read_text(path: Path, *, mend: str) -> str:
    """A text file such as a list, its line ends made line feeds. mend: how such a file is written.

    It may be a pipe, as a shell's `<(...)` is, and is read no further than a list can be long.
    Raises: InputError: a file that cannot be read, longer, or no UTF-8.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "classes.txt")
    ...     _ = path.write_bytes(b"road\\r\\nsky")
    ...     read_text(path, mend="write a name per line")
    'road\\nsky'
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_TEXT + 1)
        if len(text) > _MOST_TEXT:
            raise InputError(path, f"holds more than {_MOST_TEXT >> 20} MiB; {mend}")
        return text.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise InputError(path, f"is no UTF-8 text; {mend}") from None
    except OSError as error:
        raise InputError.unreadable(path, error) from None


def parsed(text: str | bytes, *, finite: bool = True) -> Any:
    """The value of a JSON text. finite: refuse NaN and Infinity, which are no JSON but which Python writes.

    Raises: SchemaError: no UTF-8, no JSON, a key that stands twice, too large, too deep.

    >>> parsed('{"depths": [1, 2]}')
    {'depths': [1, 2]}
    >>> parsed("[1, 2")
    Traceback (most recent call last):
    convneur.schema.SchemaError: is no JSON (line 1, column 6: Expecting ',' delimiter)
    """
    if len(text) > MOST_BYTES:
        raise SchemaError("", f"holds more than {MOST_BYTES >> 20} MiB")
    try:
        if isinstance(text, bytes):
            text = text.decode("utf-8-sig")
        if not text.strip():
            raise SchemaError("", "is empty")
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number if finite else None)
    except UnicodeDecodeError:
        raise SchemaError("", "is no UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise SchemaError("", f"is no JSON (line {error.lineno}, column {error.colno}: {error.msg})") from None
    except RecursionError:
        raise SchemaError("", "is nested too deep") from None
    except SchemaError:
        raise
    except ValueError:  # Python's limit, against the time that converting takes
        raise SchemaError("", "holds a number of thousands of digits") from None


def sealed(value: Mapping[str, Any]) -> bytes:
    """An object as JSON with a checksum as its last key, by which `unsealed` knows that no digit changed.

    >>> sealed({"f1": 0.75})
    b'{"f1": 0.75, "checksum": "e9cfb38d"}'
    """
    text = json.dumps(value).encode()
    return text[:-1] + b', "checksum": "%08x"}' % zlib.crc32(text)


def unsealed(text: bytes, *, finite: bool = True) -> Any:
    """What was sealed; finite: as `parsed` takes it. Raises: SchemaError: no checksum, or not that of the text.

    >>> unsealed(sealed({"f1": 0.75}))
    {'f1': 0.75}
    >>> unsealed(sealed({"f1": 0.75}).replace(b"7", b"9", 1))
    Traceback (most recent call last):
    convneur.schema.SchemaError: its checksum does not fit: it was changed after it was written
    """
    seal = _SEAL.search(text, max(len(text) - 80, 0))
    if seal is None:
        raise SchemaError("", "its checksum is missing")
    text = text[: seal.start()] + b"}"
    if zlib.crc32(text) != int(seal[1], 16):
        raise SchemaError("", "its checksum does not fit: it was changed after it was written")
    return parsed(text, finite=finite)


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file with their ends; what is longer than `MOST_BYTES` comes in pieces, which are no JSON.

    >>> import io
    >>> list(read_lines(io.BytesIO(b"{}\\n[")))
    [b'{}\\n', b'[']
    """
    while text := file.readline(MOST_BYTES):
        yield text


def typed(value: Any, kind: type[_T], place: str = "", *, strict: bool = True) -> _T:
    """A value of parsed JSON as a type: numbers, text, Literal, unions, sequences, mappings, dataclasses.

    Args:
        kind: a dataclass is made of an object with a key for each field, or under `metadata["key"]`; a field that has a
            default may be missing. Any: plain data, not too deep; object: whatever there is, to be looked into later.
        place: of the value in its file. strict: refuse keys that no field has, else leave them aside.
    Raises: SchemaError: the first thing that does not fit, what a dataclass itself refuses included.

    >>> typed([1, 2], tuple[int, ...])
    (1, 2)
    >>> typed({"scale": [0.5, None]}, dict[str, tuple[float, float]])
    Traceback (most recent call last):
    convneur.schema.SchemaError: scale[1]: must be a number, not null
    """
    made: Any = _typed(value, kind, place, strict)
    return made


def _typed(value: Any, kind: Any, place: str, strict: bool) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is object:
        return value
    if kind is Any:
        return _plain(value, place, _DEEPEST)
    if origin in (Union, types.UnionType):
        return _either(value, inner, place, strict)
    if origin is Literal:
        if not any(value == each and type(value) is type(each) for each in inner):
            _refuse(value, kind, place)
        return value
    if is_dataclass(kind) or is_typeddict(kind):
        return _made(value, kind, place, strict)
    if origin in (tuple, list):
        if not isinstance(value, (list, tuple)):
            _refuse(value, kind, place)
        if origin is tuple and inner[-1] is not ...:
            if len(value) != len(inner):
                raise SchemaError(place, f"needs {len(inner)} values, not {len(value)}")
            kinds = inner
        else:
            kinds = (inner[0],) * len(value)
        pairs = enumerate(zip(value, kinds, strict=True))
        return origin(_typed(each, of, f"{place}[{at}]", strict) for at, (each, of) in pairs)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            _refuse(value, kind, place)
        return {_text(key, place): _typed(each, inner[1], _inside(place, key), strict) for key, each in value.items()}
    if kind is str:
        return _text(value, place)
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        _refuse(value, kind, place)
    if isinstance(value, int) and not -_LARGEST <= value <= _LARGEST:
        raise SchemaError(place, "is too large a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise SchemaError(place, "must be finite")
    return value


def _either(value: Any, kinds: tuple[Any, ...], place: str, strict: bool) -> Any:
    deepest: SchemaError | None = None
    for kind in kinds:
        try:
            return _typed(value, kind, place, strict)
        except SchemaError as error:
            # One that was found inside says more than that the whole is of another kind.
            if error.place != place or not error.problem.startswith("must be"):
                deepest = error
    words = " or ".join(dict.fromkeys(map(_words, kinds)))
    raise deepest or SchemaError(place, f"must be {words}, not {_short(value)}")


def _made(value: Any, kind: Any, place: str, strict: bool) -> Any:
    if not isinstance(value, Mapping):
        _refuse(value, kind, place)
    wanted = _fields_of(kind)
    known = {key for key, _, _ in wanted.values()}
    unknown = [key for key in value if key not in known]
    if unknown and strict:
        raise SchemaError(_inside(place, unknown[0]), "is unknown here")
    made = {}
    for name, (key, of, needed) in wanted.items():
        if key in value:
            made[name] = _typed(value[key], of, _inside(place, key), strict)
        elif needed:
            raise SchemaError(_inside(place, key), "is missing")
    try:
        return kind(**made)
    except ConfigError as error:
        problem = error.problem.replace("`", "")  # what it names are keys of the file, not arguments
        if error.value is not None:
            problem = f"{error.value}{'' if problem.startswith(('must ', 'is ')) else ':'} {problem}"
        raise SchemaError(_inside(place, error.setting), problem) from None


@cache
def _fields_of(kind: Any) -> dict[str, tuple[str, Any, bool]]:
    """By name: key in the file, type, and whether it must be there."""
    hints = get_type_hints(kind)
    if is_typeddict(kind):
        return {name: (name, of, name in kind.__required_keys__) for name, of in hints.items()}
    return {
        field.name: (
            field.metadata.get("key", field.name),
            hints[field.name],
            field.default is MISSING and field.default_factory is MISSING,
        )
        for field in fields(kind)
        if field.init
    }


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        _refuse(value, str, place)
    try:
        value.encode("utf-8", "surrogateescape")  # bytes of a file's name that are no UTF-8 may be kept so
    except UnicodeEncodeError:
        raise SchemaError(place, "holds half a character") from None
    if "\0" in value:
        raise SchemaError(place, "holds a NUL character")
    return value


def _plain(value: Any, place: str, levels: int) -> Any:
    """The value as it is, if it is nowhere deeper and each of its values may stand alone."""
    if not levels:
        raise SchemaError(place, "is nested too deep")
    if isinstance(value, Mapping):
        for key, each in value.items():
            _plain(each, _inside(place, _text(key, place)), levels - 1)
    elif isinstance(value, (list, tuple)):
        for at, each in enumerate(value):
            _plain(each, f"{place}[{at}]", levels - 1)
    elif value is not None:
        _typed(value, type(value), place, strict=True)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise SchemaError("", f"holds the key {_short(twice)} twice")
    return made


def _no_number(name: str) -> NoReturn:
    raise SchemaError("", f"holds {name}, which is not a JSON number")


DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number)
"""As strict as `parsed`, for files that are read a value at a time."""

LENIENT_DECODER = json.JSONDecoder(object_pairs_hook=_object)
"""The same, but for NaN and infinities."""


def _refuse(value: Any, kind: Any, place: str) -> NoReturn:
    raise SchemaError(place, f"must be {_words(kind)}, not {_short(value)}")


def _words(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}" if len(inner) > 1 else str(inner[0])
    if origin in (tuple, list):
        return "a list"
    return _WORDS.get(kind, "an object")


def _short(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, Mapping):
        return "an object"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _inside(place: str, key: str) -> str:
    key = key if len(key) <= 60 else f"{key[:57]}..."
    return f"{place}.{key}" if place else key
