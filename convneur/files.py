"""Whole files or none: what is written appears under its name only when it is complete."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from convneur.errors import InputError, OutputExistsError

__all__ = ["new_file", "new_folder", "refuse_existing"]


def refuse_existing(*paths: Path, force: bool) -> None:
    """Raise before any work is done if one of the outputs is there already or cannot be written.

    Raises: InputError: an output exists and `force` is off, it is a folder, or its folder is missing or read-only.
    """
    for path in paths:
        if path.is_dir():
            raise InputError(path, "is a folder; name a file")
        if path.exists() and not force:
            raise OutputExistsError(path)
        folder = path.parent
        if not folder.is_dir():
            raise InputError(folder, "no such folder; create it first")
        if not os.access(folder, os.W_OK):
            raise InputError(folder, "cannot write there; choose another folder")


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
    Ctrl-C) nothing is left and an older file under the name is untouched.

    Raises: InputError: as `refuse_existing`, or the disk refused the bytes.
    """
    refuse_existing(path, force=force)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}.", suffix=path.suffix, dir=path.parent)
    except OSError as error:
        raise InputError(path.parent, f"cannot write there ({error.strerror})") from None
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp's 0600 is for secrets
        temporary.replace(path)
    except OSError as error:
        raise InputError(path, f"could not be written ({error.strerror or error})") from None
    finally:
        temporary.unlink(missing_ok=True)
