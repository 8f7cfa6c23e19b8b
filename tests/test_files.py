"""A file appears whole or not at all, and an older one stays until it does."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from convneur import InputError
from convneur.errors import OutputExistsError
from convneur.files import new_file, new_folder, new_text, output_path, refuse_existing


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


@pytest.mark.parametrize("name", ["a", "city/a", "a b", "..a", "a\nb", "caf\udce9", "x" * 251])
def test_a_name_that_was_read_becomes_a_path_inside(tmp_path: Path, name: str) -> None:
    path = output_path(tmp_path, name, ".png")
    assert path.relative_to(tmp_path).as_posix() == f"{name}.png"
    new_folder(path.parent)
    new_text(path, "whole", force=False)
    assert path.read_text() == "whole"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../a", "leads out"),
        ("a/../../b", "leads out"),
        ("a/../b", "leads out"),
        ("/a", "leads out"),
        ("..", "leads out"),
        ("", "cannot name"),
        (".", "cannot name"),
        ("a//b", "cannot name"),
        ("./a", "cannot name"),  # which would be the path of another name, a
        ("a/", "cannot name"),
        ("a\0b", "cannot name"),
        ("a\ud800", "cannot name"),
        ("x" * 252, "256 bytes"),
        ("é" * 126, "256 bytes"),
        ("x" * 300 + "/a", "300 bytes"),
    ],
)
def test_a_name_that_leads_out_or_is_none_is_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        output_path(tmp_path, name, ".png")


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    if not links:
        monkeypatch.setattr("convneur.files.os.link", refused)
    new_text(tmp_path / "first.txt", "whole", force=False)
    assert (tmp_path / "first.txt").read_text() == "whole"

    def write() -> None:
        with new_file(tmp_path / "a.txt", force=False) as temporary:
            temporary.write_text("ours")
            (tmp_path / "a.txt").write_text("another's")

    with pytest.raises(OutputExistsError, match=r"a\.txt: exists already"):
        write()
    assert (tmp_path / "a.txt").read_text() == "another's"
    assert listing(tmp_path) == ["a.txt", "first.txt"]


def test_a_link_counts_as_there_and_is_replaced_itself(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    for link, target in (("a.txt", "target"), ("b.txt", "nowhere")):
        (tmp_path / link).symlink_to(tmp_path / target)
        with pytest.raises(OutputExistsError):
            new_text(tmp_path / link, "new", force=False)
        assert (tmp_path / link).is_symlink()
        new_text(tmp_path / link, "new", force=True)
        assert not (tmp_path / link).is_symlink()
        assert (tmp_path / link).read_text() == "new"
    assert (tmp_path / "target").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_pipe_is_no_output(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    for force in (True, False):
        with pytest.raises(InputError, match="is a pipe"):
            new_text(tmp_path / "a.txt", "new", force=force)
    assert (tmp_path / "a.txt").is_fifo()


KILLED = """
import os, signal, sys
from pathlib import Path
from convneur.files import new_file
with new_file(Path(sys.argv[1]), force=True) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 251}.txt"  # as long as a name may be: the temporary one is short
    path.write_text("old")
    for tidy in (
        lambda: refuse_existing(path, force=True),
        lambda: new_text(path, "new", force=True),
    ):
        killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert path.read_text() == "old"
        assert len(listing(tmp_path)) == 2
        tidy()
        assert listing(tmp_path) == [path.name]
    assert path.read_text() == "new"


def test_a_left_over_name_of_the_output_itself_is_removed_without_a_loss(tmp_path: Path) -> None:
    """A writer may be killed when its file has both names already."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with new_file(path, force=True) as temporary:
        name = temporary
    os.link(path, name)

    def stopped() -> None:
        with new_file(path, force=True):
            raise KeyboardInterrupt

    before = path.read_text()
    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert path.read_text() == before
    assert listing(tmp_path) == ["a.txt"]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with new_file(tmp_path / "a.txt", force=False) as temporary:
        temporary.write_text("ours")
        with pytest.raises(InputError, match="another process is writing it"):
            new_text(tmp_path / "a.txt", "theirs", force=True)
        new_text(tmp_path / "b.txt", "theirs", force=True)
    assert (tmp_path / "a.txt").read_text() == "ours"


def test_where_files_cannot_be_locked_writers_have_names_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("convneur.files.fcntl.flock", refused)
    with new_file(tmp_path / "a.txt", force=True) as one:
        one.write_text("one")
        with new_file(tmp_path / "a.txt", force=True) as other:
            other.write_text("other")
        assert (tmp_path / "a.txt").read_text() == "other"
    assert (tmp_path / "a.txt").read_text() == "one"
    assert listing(tmp_path) == ["a.txt"]


def test_a_full_disk_is_of_the_output_and_an_unreadable_input_is_not(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def write_much() -> None:
        with new_file(tmp_path / "a.txt", force=False) as temporary:
            temporary.write_bytes(bytes(1 << 17))

    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(InputError, match=r"a\.txt: could not be written \(File too large\)"):
            write_much()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(FileNotFoundError), new_file(tmp_path / "b.txt", force=False):
        (tmp_path / "input").read_text()
    assert listing(tmp_path) == []


def test_leftovers_of_other_outputs_go_too_but_not_a_living_writers(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "other.png")], check=False)
    assert killed.returncode == -signal.SIGKILL
    with new_file(tmp_path / "b.txt", force=False) as living:
        refuse_existing(tmp_path / "a.txt", force=False)
        assert listing(tmp_path) == [living.name]
