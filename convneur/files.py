"""Whole files or none: what is written appears under its name only when it is complete.

A file is written under a hidden name beside its own, locked while its writer lives, then renamed. What a killed writer
left is known by being unlocked, and the next one removes it.
"""

import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from convneur.errors import InputError, OutputExistsError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["lock_alone", "new_file", "new_folder", "new_text", "output_path", "refuse_existing", "remove_leftovers"]

_HIDDEN = ".convneur-"  # begins a temporary name
_LONGEST = 255  # bytes of a name, on every common file system
_LONGEST_SUFFIX = 16  # that a temporary name keeps
_TRIES = 3


def output_path(folder: Path, name: str, suffix: str = "") -> Path:
    """The path of an output that is named by something read: a file's name, a key in a shard, a class, a row of a list.

    It is inside the folder, and no other name gives the same path. Every such path is made here.

    Args:   name: without suffix; parts between slashes are folders.
    Raises: InputError: the name leads out of the folder, is not in its plainest form, or is too long for a file.

    >>> output_path(Path("labels"), "city/street", ".png").as_posix()
    'labels/city/street.png'
    >>> output_path(Path("labels"), "../street", ".png")
    Traceback (most recent call last):
    convneur.errors.InputError: ../street: cannot name an output, for it leads out of labels; rename it
    """
    pure = PurePath(name)
    if pure.anchor or ".." in pure.parts:
        raise InputError(name, f"cannot name an output, for it leads out of {folder}; rename it")
    if "\0" in name or not pure.parts or pure.as_posix() != name:
        raise InputError(repr(name), "cannot name an output; rename it")
    path = folder / f"{name}{suffix}"
    for part in path.parts[len(folder.parts) :]:
        _refuse_long(path, part)
    return path


def refuse_existing(*paths: Path, force: bool) -> None:
    """Raise before any work is done if one of the outputs is there already or cannot be written.

    A link counts as there, wherever it leads; with `force` the file takes the link's place. What killed writers left in
    the outputs' folders is removed.

    Raises: InputError: an output exists and `force` is off, it is a folder, a pipe or a device, another process writes
        it, its name is too long, or its folder is missing or read-only.
    """
    for folder in {path.parent for path in paths}:
        remove_leftovers(folder)
    for path in paths:
        _refuse(path, force=force)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed writers left in a folder; what a living one writes stays."""
    for path in folder.glob(f"{_HIDDEN}*"):
        _leftover_removed(path)


def new_folder(path: Path) -> Path:
    """Create an output folder, its parents included; a folder that is there already is used as it is.

    Raises: InputError: the path is a file, or the folder cannot be created.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(path, "is not a folder; choose another name") from None
    except OSError as error:
        raise InputError(path, f"cannot create the folder ({error.strerror})") from None
    return path


@contextmanager
def new_file(path: Path, *, force: bool) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` once the block has ended without an error.

    The temporary name keeps the suffix, since writers choose their format by it. After an error (a full disk,
    Ctrl-C) nothing is left and an older file under the name is untouched. Without `force` a file that appeared there
    meanwhile is untouched too.

    Raises: InputError: as `refuse_existing`, or the disk refused the bytes.
    """
    _refuse(path, force=force)
    try:
        temporary, handle = _claimed(path)
    except OSError as error:
        raise InputError(path.parent, f"cannot write there ({error.strerror})") from None
    try:
        yield temporary
        _put(temporary, path, force=force)
    except OSError as error:
        if error.filename not in (None, str(path), str(temporary)):  # of a file that was read meanwhile
            raise
        raise InputError(path, f"could not be written ({error.strerror or error})") from None
    finally:
        temporary.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def new_text(path: Path, text: str, *, force: bool) -> None:
    """Write a text file, whole or not at all; bytes of a name that are no text are spelled out.

    Raises: InputError: as `new_file`.
    """
    with new_file(path, force=force) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")


def lock_alone(handle: int) -> bool:
    """Lock an open file until it is closed, by its process's end at the latest; False: another holds it.

    Where files cannot be locked nobody is known to hold it.
    """
    try:
        _lock(handle)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _refuse(path: Path, *, force: bool) -> None:
    _refuse_long(path, path.name)
    try:
        kind = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        kind = None
    except OSError as error:
        raise InputError(path, f"cannot write there ({error.strerror})") from None
    if path.is_dir():
        raise InputError(path, "is a folder; name a file")
    if kind is not None and not stat.S_ISREG(kind) and not stat.S_ISLNK(kind):
        raise InputError(path, "is a pipe, a socket or a device; name a file")
    if kind is not None and not force:
        nowhere = " (a link that leads nowhere)" if not path.exists() else ""
        raise OutputExistsError(path, f"exists already{nowhere}")
    folder = path.parent
    if not folder.is_dir():
        raise InputError(folder, "no such folder; create it first")
    if not os.access(folder, os.W_OK):
        raise InputError(folder, "cannot write there; choose another folder")
    if not _leftover_removed(_beside(path)):
        raise _taken(path)


def _refuse_long(path: Path, name: str) -> None:
    try:
        size = len(os.fsencode(name))
    except UnicodeEncodeError:  # half of a letter, which JSON can hold
        raise InputError(repr(name), "cannot name an output; rename it") from None
    if size > _LONGEST:
        raise InputError(path, f"its name has {size} bytes, {_LONGEST} is the most; choose a shorter one")


def _taken(path: Path) -> InputError:
    return InputError(path, "another process is writing it; choose another name")


def _beside(path: Path) -> Path:
    """The temporary name of an output: short whatever its own, and the same each time."""
    digest = hashlib.blake2s(os.fsencode(path.name), digest_size=8).hexdigest()
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= _LONGEST_SUFFIX else ""
    return path.with_name(f"{_HIDDEN}{digest}{suffix}")


def _claimed(path: Path) -> tuple[Path, int | None]:
    """A temporary file that is this writer's alone, and what it is locked by."""
    temporary = _beside(path)
    for _ in range(_TRIES):
        try:
            handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            if not _leftover_removed(temporary):
                break
            continue
        try:
            _lock(handle)
            if os.path.samestat(os.fstat(handle), temporary.lstat()):
                return temporary, handle
        except (BlockingIOError, FileNotFoundError):  # taken for a leftover in the moment before it was locked
            pass
        except OSError:  # files cannot be locked here, so that a name shared with another writer would not be safe
            os.close(handle)
            alone = temporary.with_stem(f"{temporary.stem}-{secrets.token_hex(4)}")
            temporary.replace(alone)
            return alone, None
        os.close(handle)
    raise _taken(path)


def _leftover_removed(temporary: Path) -> bool:
    """Remove what a killed writer left under a temporary name; False: its writer lives."""
    try:
        handle = os.open(temporary, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:  # none there, by far the most often; whatever else it is, no writer of ours holds it
        return True
    try:
        _lock(handle)
        temporary.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    except OSError:
        pass
    finally:
        os.close(handle)
    return True


def _lock(handle: int) -> None:
    """Raises: BlockingIOError: another holds it; OSError: files cannot be locked here."""
    if fcntl is None:
        raise OSError("no locks")
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _put(temporary: Path, path: Path, *, force: bool) -> None:
    """Give the finished file its name."""
    if not force:
        try:
            os.link(temporary, path)  # unlike a renaming, never over another file
        except FileExistsError:
            raise OutputExistsError(path) from None
        except OSError:  # a file system without links
            if os.path.lexists(path):
                raise OutputExistsError(path) from None
        else:
            return
    temporary.replace(path)
