"""What stands where a file should: text of a checkout that is not whole, or a pipe, which is waited for without end."""

import stat
from pathlib import Path, PurePosixPath

__all__ = ["stand_in"]

_LONGEST = 1024  # bytes
_LFS, _ANNEX = "version https://git-lfs.github.com/spec/", "/annex/objects/"


def stand_in(path: Path) -> str | None:
    """What a file is, and the mend, where it stands for another one; None for the file itself, a folder or none at all.

    Choice: a pointer of Git LFS or git-annex by its first line, whatever its name. A link that git wrote as text, as it
        does where the system has no links, is one line that leads to a path, without a line's end.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "cat.png")
    ...     _ = path.write_text("../store/cat.png")
    ...     stand_in(path)
    'is text, a link to ../store/cat.png; put the file that it leads to in its place'
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            return None if stat.S_ISDIR(found.st_mode) else "is no file but a pipe or a device"
        if not 0 < found.st_size <= _LONGEST:
            return None
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if text.startswith(_LFS):
        return "is a pointer of Git LFS, not the file itself; fetch it with git lfs pull"
    if text.startswith(_ANNEX):
        return "is a pointer of git-annex, not the file itself; fetch it with git annex get"
    leads = "/" in text or PurePosixPath(text).suffix.lower() == path.suffix.lower() != ""
    if leads and text.isprintable() and " " not in text.strip():
        return f"is text, a link to {text[:200]}; put the file that it leads to in its place"
    return None
