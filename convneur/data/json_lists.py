"""The long lists of a JSON file, an entry at a time: memory is that of what is kept, whatever the file's size."""

import codecs
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from convneur.errors import InputError
from convneur.schema import DECODER, LENIENT_DECODER, SchemaError

__all__ = ["MOST_CHARACTERS", "listed_entries"]

MOST_CHARACTERS = 8 << 20
"""Of one entry, and of any other value: brackets alone unpack to twenty times as much."""

_CHUNK = 1 << 20
_AFTER_A_VALUE = tuple(":,]} \t\r\n")


def listed_entries(
    path: Path, lists: Collection[str], *, read: Callable[[int], object] = lambda count: None
) -> Iterator[tuple[str, int, Any]]:
    """Each entry of the lists under some keys of an object, in the order of the file: key, number from 0, entry.

    Choice: NaN and infinities in an entry come through, for its reader to refuse with its place.
    Args:   lists: keys of the object in the file; "" where the file holds a list itself. Other keys are left aside.
        read: called with the number of bytes after each part of the file.
    Raises: InputError: a file that cannot be read; SchemaError: no JSON, or another value where a list should be.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "gt.json")
    ...     _ = path.write_text('{"info": {"year": 2017}, "images": [{"id": 1}, {"id": 2}]}')
    ...     list(listed_entries(path, ["images"]))
    [('images', 0, {'id': 1}), ('images', 1, {'id': 2})]
    """
    text = _Text(path, read)
    try:
        if text.next() == "":
            raise SchemaError("", "is empty")
        if "" in lists:
            yield from _entries(text, "")
        else:
            yield from _members(text, lists)
        if text.next():
            raise SchemaError("", "is no JSON (something follows its end)")
    except OSError as error:
        raise InputError.unreadable(path, error) from None
    finally:
        text.close()


def _members(text: "_Text", lists: Collection[str]) -> Iterator[tuple[str, int, Any]]:
    text.take("{", "must be an object")
    seen: set[str] = set()
    while text.next() != "}":
        if seen:
            text.take(",", "is no JSON (a comma is missing between two keys)")
        key = text.value("a key")
        if not isinstance(key, str):
            raise SchemaError("", "is no JSON (a key that is no text)")
        if key in seen and key in lists:
            raise SchemaError("", f'holds the key "{key}" twice')
        seen.add(key)
        text.take(":", "is no JSON (a colon is missing after a key)")
        if key in lists:
            yield from _entries(text, key)
        else:
            text.value(key[:60])
    text.take("}", "")


def _entries(text: "_Text", key: str) -> Iterator[tuple[str, int, Any]]:
    text.take("[", f"{key}: must be a list" if key else "must be a list")
    number = 0
    while text.next() != "]":
        if number:
            text.take(",", f"is no JSON (a comma is missing after {key}[{number - 1}])")
        yield key, number, text.value(f"{key}[{number}]", LENIENT_DECODER)
        number += 1
    text.take("]", "")


class _Text:
    """A file's text, read as far as the next value needs."""

    def __init__(self, path: Path, read: Callable[[int], object]) -> None:
        self._read = read
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise InputError.unreadable(path, error) from None
        self._decoded = codecs.getincrementaldecoder("utf-8-sig")()
        self._text, self._at, self._ended = "", 0, False

    def close(self) -> None:
        self._file.close()

    def next(self) -> str:
        """The next character that is no space, "" at the end of the file."""
        while True:
            rest = json.decoder.WHITESPACE.match(self._text, self._at).end()  # type: ignore[attr-defined]
            self._at = rest
            if rest < len(self._text):
                return self._text[rest]
            if not self._more():
                return ""

    def take(self, sign: str, problem: str) -> None:
        """Go on behind a character. Raises: SchemaError: another one is next."""
        if self.next() != sign:
            raise SchemaError("", problem if self.next() else "is cut short")
        self._at += 1

    def value(self, place: str, decoder: json.JSONDecoder = DECODER) -> Any:
        """Go on behind a value, and give it. place: of it, for messages."""
        self.next()
        while True:
            try:
                found, end = decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._more():
                    continue
                cut = error.pos >= len(self._text.rstrip()) or error.msg.startswith("Unterminated")
                raise SchemaError("", "is cut short" if cut else f"is no JSON ({place}: {error.msg})") from None
            except RecursionError:
                raise SchemaError(place, "is nested too deep") from None
            except SchemaError as error:
                raise SchemaError(place, str(error)) from None
            except ValueError:  # Python's limit, against the time that converting takes
                raise SchemaError(place, "holds a number of thousands of digits") from None
            if (
                self._text[end : end + 1] not in _AFTER_A_VALUE and self._more()
            ):  # of 1e-7 a chunk may end in the middle
                continue
            self._at = end
            return found

    def _more(self) -> bool:
        """Read on; whether there was more."""
        if self._ended:
            return False
        if len(self._text) - self._at > MOST_CHARACTERS:
            raise SchemaError("", f"holds an entry of more than {MOST_CHARACTERS >> 20} MiB")
        chunk = self._file.read(_CHUNK)
        self._ended = not chunk
        self._read(len(chunk))
        try:
            self._text = self._text[self._at :] + self._decoded.decode(chunk, final=self._ended)
        except UnicodeDecodeError:
            raise SchemaError("", "is no UTF-8 text") from None
        self._at = 0
        return not self._ended
