"""A file appears whole or not at all, and an older one stays until it does."""

import errno
from pathlib import Path

import pytest

from convneur import InputError
from convneur.files import new_file, new_folder, refuse_existing


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_finished_file_takes_its_name(tmp_path: Path) -> None:
    with new_file(tmp_path / "a.txt", force=False) as temporary:
        assert temporary.suffix == ".txt"  # writers choose their format by it
        assert not (tmp_path / "a.txt").exists()
        temporary.write_text("whole")
    assert listing(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert (tmp_path / "a.txt").stat().st_mode & 0o044  # readable as other files are


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), RuntimeError("no"), OSError(errno.ENOSPC, "No space left")])
def test_an_interrupted_one_leaves_nothing_and_spares_the_old(tmp_path: Path, stop: BaseException) -> None:
    old = tmp_path / "a.txt"
    old.write_text("old")
    expected = InputError if isinstance(stop, OSError) else type(stop)

    def write_half() -> None:
        with new_file(old, force=True) as temporary:
            temporary.write_text("half")
            raise stop

    with pytest.raises(expected) as caught:
        write_half()
    assert listing(tmp_path) == ["a.txt"]
    assert old.read_text() == "old"
    if isinstance(stop, OSError):
        assert str(caught.value) == f"{old}: could not be written (No space left)"


def test_what_is_there_is_refused_before_any_work(tmp_path: Path) -> None:
    old = tmp_path / "a.txt"
    old.write_text("old")
    with pytest.raises(InputError, match="force=True"):
        refuse_existing(tmp_path / "new.txt", old, force=False)
    refuse_existing(old, force=True)
    with pytest.raises(InputError, match="is a folder"):
        refuse_existing(tmp_path, force=True)
    with pytest.raises(InputError, match="no such folder"):
        refuse_existing(tmp_path / "missing" / "a.txt", force=True)


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert new_folder(tmp_path / "a" / "b").is_dir()
    assert new_folder(tmp_path / "a").is_dir()  # that is there already
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="not a folder"):
            new_folder(path)
    monkeypatch.setattr("convneur.files.os.access", lambda *_: False)
    with pytest.raises(InputError, match="cannot write there"):
        refuse_existing(tmp_path / "new.txt", force=False)
