"""What lies under a folder: files, others, links."""

from pathlib import Path

import pytest

from convneur.data.folders import Kind, list_files, nearest
from convneur.errors import InputError

KIND = Kind("label map", (".png",), "write them as PNG")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(folder: Path, *, follow_links: bool = False) -> list[str]:
    listing = list_files(folder, KIND, follow_links=follow_links)
    return [path.relative_to(folder).as_posix() for path in listing.files]


def test_files_lie_at_any_depth_and_hidden_ones_do_not_count(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a/c.PNG", "a/.hidden.png", ".git/d.png", "__MACOSX/._b.png", "e f [1] 50%.png", "g.txt")
    assert names(tmp_path) == ["a/c.PNG", "b.png", "e f [1] 50%.png"]


def test_links_are_followed_to_files_and_folders_but_not_in_circles(tmp_path: Path) -> None:
    data, store = tmp_path / "data", tmp_path / "store"
    touch(store, "blob.png", "more/x.png")
    touch(data, "real/a.png")
    (data / "blob.png").symlink_to(store / "blob.png")
    (data / "more").symlink_to(store / "more")
    (data / "again").symlink_to(store / "more")
    (data / "real" / "up").symlink_to(data)
    (store / "more" / "back").symlink_to(data)
    (data / "self.png").symlink_to(data / "self.png")
    (data / "inner.png").symlink_to("real/a.png")
    assert names(data) == ["inner.png", "real/a.png", "self.png"]
    assert len(list_files(data, KIND).links) == 4
    followed = list_files(data, KIND, follow_links=True)
    assert names(data, follow_links=True) == ["again/x.png", "blob.png", "inner.png", "real/a.png", "self.png"]
    assert not followed.links
    (said,) = followed.warnings()
    assert "3 links lead to a folder that is read already" in said


def test_a_folder_without_a_file_of_the_kind_says_what_lies_there(tmp_path: Path) -> None:
    touch(tmp_path, "a.heic", "b.HEIC", "c.nii.gz", "d", "e.xyz")
    problem = list_files(tmp_path, KIND).nothing().problem
    assert (
        problem
        == "no label map in it (a file that ends in .png), but 2 .heic, 1 .nii.gz, 1 without suffix, 1 .xyz; "
        + ("write them as PNG")
    )
    with pytest.raises(InputError, match="cannot be read"):
        list_files(tmp_path / "none", KIND)


def test_the_nearest_name_is_found_among_many() -> None:
    many = [f"frame_{number:05}" for number in range(20_000)]
    assert nearest("frame_00123_mask", many) == ["frame_00123"]
    assert nearest("mask_frame_00123", many) == ["frame_00123"]
    assert nearest("FRAME_00123", many) == ["frame_00123"]
