"""Published models: the packaged list of timm's, or a file of the user's."""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from convneur.errors import ConfigError, InputError
from convneur.schema import SchemaError, parsed, read_bytes, typed

__all__ = ["Peer", "Peers", "read_peers"]

_FORM = "a row has model, macs_g and top1, and may have size, params_m, distilled and images_per_s"
_RATE = "images_per_s"  # in a file it may say on what: images_per_s_4090_amp
_YES, _NO = ("true", "yes", "1"), ("false", "no", "0", "")


@dataclass(frozen=True)
class Peer:
    """A published model. macs_g: billions of multiply-adds at `size` pixels a side. top1: percent on ImageNet-1K.

    params_m: millions; images_per_s: of the file's device; None where it does not say. distilled: a teacher was used.

    >>> Peer("resnet50.tv_in1k", macs_g=4.1, top1=76.1).size
    224
    """

    model: str
    macs_g: float
    top1: float
    size: int = 224
    params_m: float | None = None
    distilled: bool = False
    images_per_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("macs_g", "size", "params_m", _RATE):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(name, "must be above 0", value=value)
        if not 0 <= self.top1 <= 100:
            raise ConfigError("top1", "must be a percentage", value=self.top1)

    @property
    def shown(self) -> str:
        """Its name, with its size where that is not 224."""
        return self.model if self.size == 224 else f"{self.model} at {self.size}"


_KEYS = frozenset(field.name for field in fields(Peer))


@dataclass(frozen=True)
class Peers:
    """A list of published models. name: timm, or the file's. source: where the values are from. note: on them.

    >>> Peers("mine", (Peer("resnet50", macs_g=4.1, top1=76.1),)).models[0].shown
    'resnet50'
    """

    name: str
    models: tuple[Peer, ...]
    source: str = ""
    note: str = ""


def read_peers(peers: str | Path = "timm") -> Peers:
    """Published models: "timm" for the packaged ones, or a JSON or CSV file of the same keys in their place.

    Args:   peers: of a JSON file, {"source": ..., "note": ..., "models": [rows]} or the rows alone; of a CSV file, rows
        under a header. A row has model, macs_g and top1, and may have size (224), params_m, distilled and
        images_per_s.
    Raises: ConfigError: no such file. InputError: a file that does not fit, with the row that is wrong.

    >>> len(read_peers().models)
    174
    """
    if peers == "timm":
        return _packaged()
    path = Path(peers)
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "no such file"
        raise ConfigError("peers", f"{problem}; give timm, or a .json or .csv file", value=peers)
    text = read_bytes(path, mend=_FORM)
    try:
        return _from_csv(path.name, text) if path.suffix.lower() == ".csv" else _from_json(path.name, text)
    except SchemaError as error:
        raise InputError(path, f"{error}; {_FORM}") from None


@cache
def _packaged() -> Peers:
    return _from_json("timm", files("convneur.peers").joinpath("timm.json").read_bytes())


def _from_json(name: str, text: bytes) -> Peers:
    value = parsed(text)
    about = value if isinstance(value, dict) else {"models": value}
    if "models" not in about:
        raise SchemaError("", "has no models")
    rows = typed(about["models"], list[dict[str, object]], "models")
    peers = [_peer(row, f"models[{number}]") for number, row in enumerate(rows)]
    return _checked(name, peers, str(about.get("source", "")), str(about.get("note", "")))


def _from_csv(name: str, text: bytes) -> Peers:
    try:
        lines = csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline=""), strict=True)
        rows = [(lines.line_num, row) for row in lines]
    except (UnicodeDecodeError, csv.Error) as error:
        raise SchemaError("", f"is no CSV ({error})") from None
    return _checked(name, [_peer(dict(_values(row, f"line {line}")), f"line {line}") for line, row in rows])


def _values(row: Mapping[str | None, Any], line: str) -> Iterator[tuple[str, object]]:
    """A line's cells as what JSON would hold; empty ones left out."""
    for key, cell in row.items():
        if key is None or cell is None:
            raise SchemaError(line, "has another number of cells than the header")
        name = _field(key.strip())
        if name not in _KEYS:
            continue
        if name == "model":
            yield name, cell.strip()
        elif name == "distilled" and cell.strip().casefold() in _YES + _NO:
            yield name, cell.strip().casefold() in _YES
        elif cell.strip():
            try:
                number = float(cell)
            except ValueError:
                kind = "yes or no" if name == "distilled" else "a number"
                raise SchemaError(line, f"{key}: must be {kind}, not {cell!r}") from None
            if not math.isfinite(number):
                raise SchemaError(line, f"{key}: must be finite")
            yield name, int(number) if number.is_integer() else number


def _field(key: str) -> str:
    return _RATE if key.startswith(_RATE) else key


def _peer(row: Mapping[str, object], place: str) -> Peer:
    """Other keys than ours are left aside: such lists have many columns. Raises: SchemaError: with the model's name."""
    model = row.get("model")
    if isinstance(model, str) and model:
        place = f"{place} ({model})"
    return typed({name: value for key, value in row.items() if (name := _field(key)) in _KEYS}, Peer, place)


def _checked(name: str, peers: list[Peer], source: str = "", note: str = "") -> Peers:
    if not peers:
        raise SchemaError("", "has no models")
    seen: set[tuple[str, int]] = set()
    for peer in peers:
        if (peer.model, peer.size) in seen:
            raise SchemaError(peer.shown, "stands there twice")
        seen.add((peer.model, peer.size))
    return Peers(name, tuple(peers), source, note)
