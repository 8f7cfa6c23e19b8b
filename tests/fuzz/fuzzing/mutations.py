"""Damage of fixed seed: to bytes anywhere, and to what a format's checksums or lengths would hide from that."""

import copy
import io
import json
import random
import struct
import tarfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

__all__ = [
    "damaged",
    "damaged_json",
    "damaged_json_lines",
    "damaged_npy",
    "damaged_png",
    "damaged_safetensors",
    "damaged_text",
    "hostile_name",
    "repacked_tar",
    "words",
]

Random = random.Random

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)


def damaged(rng: Random, data: bytes, *, times: int | None = None) -> bytes:
    """Bytes flipped, cut, repeated, overwritten, inserted or made extreme numbers, one to four times."""
    found = bytearray(data)
    for _ in range(times or rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(found) + 1) if rng.random() < 0.6 else rng.randrange(min(len(found), 128) + 1)
        size = rng.choice((1, 2, 4, 8, 64, 1024))
        kind = rng.randrange(9)
        if kind == 0 and found:
            found[min(at, len(found) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del found[at:]
        elif kind == 2:
            del found[at : at + size]
        elif kind == 3:
            found[at:at] = found[at : at + size]
        elif kind == 4:
            found[at : at + size] = bytes(size)
        elif kind == 5:
            found[at : at + size] = b"\xff" * size
        elif kind == 6:
            found[at:at] = rng.randbytes(size)
        elif kind == 7:
            width, order = rng.choice((1, 2, 4, 8)), rng.choice(("<", ">"))
            value = rng.choice(_NUMBERS) & (1 << 8 * width) - 1
            found[at : at + width] = struct.pack(f"{order}{'BHxIxxxQ'[width - 1]}", value)
        elif found:
            other = rng.randrange(len(found))
            found[at : at + size] = found[other : other + size]
    return bytes(found)


def damaged_png(rng: Random, data: bytes) -> bytes:
    """A PNG whose chunks are damaged but have right checksums, so that what lies behind them is reached."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (size,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    number = rng.randrange(len(chunks))
    name, body = chunks[number]
    kind = rng.randrange(7)
    if kind == 0:
        chunks[number] = name, damaged(rng, body)
    elif kind == 1:
        chunks.pop(number)
    elif kind == 2:
        chunks.insert(rng.randrange(len(chunks)), chunks[number])
    elif kind == 3:  # another size, bit depth, colour type or interlacing
        width, height, *rest = struct.unpack(">IIBBBBB", chunks[0][1])
        choice = rng.randrange(7)
        if choice < 2:
            width, height = (rng.choice((0, 1, width, 65535, 2**31 - 1, 2**32 - 1)) for _ in range(2))
        else:
            rest[choice - 2] = rng.choice((0, 1, 2, 3, 4, 6, 7, 8, 16, 255))
        chunks[0] = b"IHDR", struct.pack(">IIBBBBB", width, height, *rest)
    elif kind == 4:  # pixels that unpack to far more or less
        packed = zlib.compress(bytes(rng.choice((0, 10, 10_000, 3_000_000))))
        chunks = [(name, packed if name == b"IDAT" else body) for name, body in chunks]
    elif kind == 5:
        text = rng.choice((b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"iCCP", b"acTL", b"pHYs", b"tRNS", b"PLTE", b"gAMA"))
        chunks.insert(
            1, (text, rng.choice((b"", b"\0", rng.randbytes(40), b"a\0\0" + zlib.compress(bytes(1_000_000)))))
        )
    else:
        chunks[number] = rng.randbytes(4), body
    packed = [struct.pack(">I", len(b)) + n + b + struct.pack(">I", zlib.crc32(n + b)) for n, b in chunks]
    return data[:8] + b"".join(packed)


_RAW = {  # what json.dumps would not write: a mark -> what stands for it
    "deep": "[" * 100_000 + "]" * 100_000,
    "deep object": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "digits": "9" * 5_000,
    "exponent": "1e999999",
    "NaN": "NaN",
    "Infinity": "-Infinity",
    "surrogate": '"\\ud800"',
    "escape": '"\\u001b]0;owned\\u0007"',
    "torn": '{"a": ',
}
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 7, 255, 1000, 65536, 2**31, 2**63, 10**30, -(10**30), 0.5, -0.5, 1e-300, 1e308,
    "", "a", "1", "none", "../../up", "/", "\x1b[31mred", "é\u202e", "[red]x[/red]", "a" * 5000, "=1+1", "$x_$", "\0",
    [], [0], [1, 2], [1, 2, 3, 4], ["a"], [[1]], [None], [-1, 1e9], [0] * 5000, {}, {"a": 1}, {"": {"": {}}},
)  # fmt: skip


def hostile_value(rng: Random) -> Any:
    """A value of another type or size, or a mark that `_text` writes as JSON that no library writes."""
    if rng.random() < 0.15:
        return f"@raw {rng.choice(list(_RAW))}@"
    return copy.deepcopy(rng.choice(_VALUES))


def _places(value: Any) -> list[tuple[Any, Any]]:
    """(container, key) of all that is inside a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: list[tuple[Any, Any]] = []
    for key, item in items:
        found += [(value, key), *_places(item)]
    return found


def damaged_value(rng: Random, value: Any) -> Any:
    """Plain data with one to three things in it replaced, left out, added, renamed or made another size."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = _places(value)
        if not places or rng.random() < 0.02:
            return hostile_value(rng)
        container, key = rng.choice(places)
        kind = rng.randrange(8)
        item = container[key]
        if kind == 0:
            del container[key]
        elif kind == 1 and isinstance(container, dict):
            container[str(hostile_value(rng))] = container.pop(key)
        elif kind == 2 and isinstance(container, list):
            container[key:key] = [copy.deepcopy(item)] * rng.choice((1, 2, 1000))
        elif kind == 3 and isinstance(item, int | float):
            container[key] = rng.choice(
                (-item, item + 1, item - 1, item * 1000, item / 3, float(item), str(item), 1e12)
            )
        elif kind == 4:
            container[key] = [item]
        elif kind == 5:
            other, name = rng.choice(places)
            container[key] = copy.deepcopy(other[name])
        else:
            container[key] = hostile_value(rng)
    return value


def _text(value: Any, **how: Any) -> str:
    text = json.dumps(value, **how)
    for name, raw in _RAW.items():
        text = text.replace(f'"@raw {name}@"', raw)
    return text


def damaged_json(rng: Random, data: bytes) -> bytes:
    """A JSON file with another structure, or in one of four cases with other bytes."""
    if rng.random() < 0.25:
        return damaged(rng, data)
    return _text(damaged_value(rng, json.loads(data)), indent=rng.choice((None, 2))).encode("utf-8", "surrogatepass")


def damaged_json_lines(rng: Random, data: bytes) -> bytes:
    """A file of JSON lines: one line's structure, the order or number of lines, or bytes."""
    lines = data.splitlines()
    number = rng.randrange(len(lines))
    kind = rng.randrange(8)
    if kind == 0:
        return damaged(rng, data)
    if kind == 1:
        lines.pop(number)
    elif kind == 2:
        lines.insert(rng.randrange(len(lines) + 1), lines[number])
    elif kind == 3:
        rng.shuffle(lines)
    elif kind == 4:
        lines.insert(number, rng.choice((b"", b"null", b"[]", b"{}", b"1", b"\xff\xfe", b"\0" * 100, b"9" * 6000)))
    else:
        lines[number] = damaged_json(rng, lines[number])
    return b"\n".join(lines) + b"\n"


def damaged_safetensors(rng: Random, data: bytes) -> bytes:
    """Weights whose header has another structure but a right length; JSON inside its metadata too; or other bytes."""
    kind = rng.randrange(6)
    if kind == 0:
        return damaged(rng, data)
    (size,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + size]), data[8 + size :]
    about = header.get("__metadata__", {})
    inner = [key for key, text in about.items() if text.startswith(("{", "["))]
    if kind in (1, 2, 3) and inner:
        key = rng.choice(sorted(inner))
        about[key] = _text(damaged_value(rng, json.loads(about[key])))
    elif kind == 4:
        tensors = [key for key in header if key != "__metadata__"]
        name = rng.choice(tensors)
        choice = rng.randrange(5)
        if choice == 0:
            header[name]["shape"] = [rng.choice((0, 1, 8, 2**31, 2**62, -1)) for _ in range(rng.randrange(6))]
        elif choice == 1:
            header[name]["dtype"] = rng.choice(("F16", "F64", "I64", "BOOL", "U8", "BF16", "F8_E4M3", "X"))
        elif choice == 2:
            header[name]["data_offsets"] = [rng.choice((0, 4, len(body), 2**60)) for _ in range(2)]
        elif choice == 3:
            header[str(hostile_value(rng))] = header.pop(name)
        else:  # numbers that are none
            start, end = header[name]["data_offsets"]
            body = body[:start] + (b"\xff" * (end - start)) + body[end:]
    else:
        header = damaged_value(rng, header)
    text = _text(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + body


def damaged_npy(rng: Random, data: bytes) -> bytes:
    """An array whose header names another shape, type or order, or with other bytes."""
    if rng.random() < 0.3:
        return damaged(rng, data)
    major = data[6]
    start, size = (10, struct.unpack("<H", data[8:10])[0]) if major == 1 else (12, struct.unpack("<I", data[8:12])[0])
    shape = rng.choice((
        "()", "(0,)", "(24, 32)", "(32, 24)", "(1, 24, 32)", "(24, 32, 1)", "(2, 24, 32)", "(99999, 99999)",
        "(3000000000, 4)", "(-1, 5)", "(24,)", "(0, 5)", "(2.0, 3)", "(" * 200 + ")" * 200, "'a'", f"({'9' * 5000},)",
    ))  # fmt: skip
    kind = rng.choice((
        "|u1", "<i8", ">i4", "<f4", "|b1", "|O", "<U8", "|V4", "<c16", "<M8[s]", "|S3", "x", "<u2", "<f2",
        "[('a', '|u1')]",
    ))  # fmt: skip
    described = kind if kind.startswith("[") else repr(kind)
    order = rng.choice(("True", "False", "1"))
    text = f"{{'descr': {described}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    if rng.random() < 0.1:
        text = text.replace(b"'descr'", b"'other'")
    return data[:6] + b"\x02\x00" + struct.pack("<I", len(text)) + text + data[start + size :]


def damaged_text(rng: Random, data: bytes) -> bytes:
    """A file of lines: lines of other kinds, endings and encodings, or other bytes."""
    if rng.random() < 0.25:
        return damaged(rng, data)
    lines = data.decode("utf-8", "replace").splitlines() or [""]
    for _ in range(rng.choice((1, 1, 2, 3))):
        number = rng.randrange(len(lines))
        hostile = rng.choice((
            "", " ", "\0", '"', '"a', "a,b,c,d", ",,,", "\t\t", "0: a", "-1: a", "1e9: a", "99999999999: a",
            "{", "[]", "name,id", "#", "\x1b[2J", "\u202e", "../../up", "/etc/passwd", "a" * 100_000, "9" * 5000,
            "0,a,1,2,3", "=1+1", "0 0 0",
            "255, 255, 256, x", "[red]x[/red]", "$a$", "\ufeff", "a\rb", "é", "x" * 260, "~", "%s%n", "NaN",
        ))  # fmt: skip
        kind = rng.randrange(5)
        if kind == 0:
            lines[number] = hostile
        elif kind == 1:
            lines.insert(number, hostile)
        elif kind == 2:
            lines[number] = lines[number][: rng.randrange(len(lines[number]) + 1)] + hostile
        elif kind == 3:
            lines.insert(number, lines[rng.randrange(len(lines))])
        elif len(lines) > 1:
            lines.pop(number)
    how = rng.choice(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"))
    return rng.choice(("\n", "\n", "\r\n", "\r", "\n\n")).join(lines).encode(how, "replace")


def hostile_name(rng: Random, suffix: str = "") -> str:
    """A name for a file, a member of an archive or a class."""
    return rng.choice((
        "../up", "../../up", "/tmp/convneur-fuzz-up", "..", ".", "a/../../up", "~", "-o", "--force", "\x1b[31mred",
        "\u202egpj", "a\nb", "a\tb", " ", "a" * 250, "é", "e\u0301", "$x$", "[red]", "=1", "con", "a\\b", "..\\up",
        "{stem}", "%s", "`x`", "'", '"', "*", "?", "a;b", ".hidden",
    )) + suffix  # fmt: skip


def repacked_tar(rng: Random, data: bytes) -> bytes:
    """A tar with members of other names, kinds, order or content but right checksums, or with other bytes."""
    if rng.random() < 0.25:
        return damaged(rng, data)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    made = [(tarfile.TarInfo(name), body) for name, body in members]
    for _ in range(rng.choice((1, 1, 2))):
        number = rng.randrange(len(made))
        about, body = made[number]
        suffix = "".join(about.name.partition(".")[1:])  # none where a mutation before took it
        kind = rng.randrange(8)
        if kind == 0:
            about.name = hostile_name(rng, suffix)
        elif kind == 1:
            about.type = rng.choice(
                (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE)
            )
            about.linkname = rng.choice(("/etc/passwd", "../../up", about.name))
        elif kind == 2:
            made.pop(number)
            if not made:
                break
        elif kind == 3:
            made.append((copy.copy(about), body))
        elif kind == 4:
            about.name = about.name.removesuffix(suffix) + rng.choice(
                (".JPG", ".png", ".cls", ".json", ".x", "", ".tar", ".pyd")
            )
        elif kind == 5 and suffix == ".cls":
            body = rng.choice((b"", b"-1", b"1.5", b"300000000", b"9" * 5000, b"\xff", b"0x1", b" 1 ", b"1\n2", b"\0"))
        elif kind == 6:
            body = damaged_png(rng, body) if body.startswith(b"\x89PNG") else damaged(rng, body)
        else:
            rng.shuffle(made)
            continue
        made[number % len(made)] = about, body
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))) as tar:
        for about, body in made:
            about.size = len(body) if about.isreg() else 0
            tar.addfile(about, io.BytesIO(body))
    return packed.getvalue()


def words(rng: Random, choices: Sequence[Callable[[Random], list[str]]], most: int) -> list[str]:
    """Up to `most` of some options with their values."""
    return [word for choice in rng.sample(choices, rng.randrange(1, most + 1)) for word in choice(rng)]
