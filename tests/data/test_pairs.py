"""Which file belongs to which."""

import os
from pathlib import Path

import pytest

from convneur.data.pairs import find_pairs
from convneur.errors import ConfigError, InputError


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    return tmp_path / "pred", tmp_path / "gt"


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_two_files_are_a_pair_whatever_their_names(tmp_path: Path) -> None:
    touch(tmp_path, "a.npy", "b.c.png")
    (pair,) = find_pairs(tmp_path / "a.npy", tmp_path / "b.c.png").pairs
    assert (pair.name, pair.pred.name, pair.gt.name) == ("b.c", "a.npy", "b.c.png")


def test_folders_pair_by_relative_path_without_suffix_in_order(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    touch(pred, "b.npy", "city/x.1.png", "a.PNG", "other.png", "notes.txt", ".hidden.png", ".cache/a.png")
    touch(gt, "a.tif", "b.png", "city/x.1.npz", "README.md", "._b.png")
    pairing = find_pairs(pred, gt)
    assert [pair.name for pair in pairing.pairs] == ["a", "b", "city/x.1"]
    assert [pair.pred.relative_to(pred).as_posix() for pair in pairing.pairs] == ["a.PNG", "b.npy", "city/x.1.png"]
    assert (pairing.without_pred, pairing.without_gt, pairing.links) == ((), ("other",), ())


def test_a_ground_truth_without_a_prediction(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    touch(pred, "a.png")
    touch(gt, "a.png", "b.png", "c.png", "d.png", "e.png")
    with pytest.raises(InputError, match=r"4 of 5 ground truths \(b, c, d, \.\.\.\).*--missing skip"):
        find_pairs(pred, gt)
    pairing = find_pairs(pred, gt, missing="skip")
    assert [pair.name for pair in pairing.pairs] == ["a"]
    assert pairing.without_pred == ("b", "c", "d", "e")


@pytest.mark.parametrize("missing", ["error", "skip"])
def test_no_pair_at_all(folders: tuple[Path, Path], missing: str) -> None:
    touch(folders[0], "x.png")
    touch(folders[1], "y.png")
    with pytest.raises(InputError, match="1 of 1 ground truths") as error:
        find_pairs(*folders, missing=missing)
    assert "--missing" not in str(error.value)


def test_two_files_of_one_name(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    touch(pred, "a.png", "a.npy")
    touch(gt, "a.png")
    with pytest.raises(InputError, match="equal names but for the suffix"):
        find_pairs(pred, gt)


def test_an_empty_folder_and_a_mix_of_file_and_folder(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    touch(pred, "a.jpg")
    touch(gt, "a.png")
    with pytest.raises(InputError, match="no label map in it"):
        find_pairs(pred, gt)
    with pytest.raises(ConfigError, match="two files or two folders"):
        find_pairs(pred, gt / "a.png")


def test_links_out_of_the_folder_are_not_followed(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pred, gt = folders
    touch(tmp_path / "elsewhere", "b.png", "deep/c.png")
    touch(pred, "a.png", "real.png")
    touch(gt, "a.png", "within.png")
    (pred / "b.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    (pred / "deep").symlink_to(tmp_path / "elsewhere" / "deep")
    (pred / "within.png").symlink_to(pred / "real.png")
    (pred / "loop").symlink_to(pred)
    pairing = find_pairs(pred, gt)
    assert [pair.name for pair in pairing.pairs] == ["a", "within"]
    assert [path.name for path in pairing.links] == ["b.png", "deep", "loop"]
    touch(gt, "b.png")
    with pytest.raises(InputError, match="3 links that lead elsewhere are not followed"):
        find_pairs(pred, gt)


def test_a_folder_may_be_a_link_itself(folders: tuple[Path, Path], tmp_path: Path) -> None:
    touch(folders[0], "a.png")
    folders[1].symlink_to(folders[0])
    assert len(find_pairs(*folders).pairs) == 1


@pytest.mark.skipif(os.name == "nt", reason="file names are bytes on POSIX only")
def test_names_that_are_no_text(folders: tuple[Path, Path]) -> None:
    for folder in folders:
        folder.mkdir()
        (folder / os.fsdecode(b"caf\xe9.png")).touch()
    assert [pair.name for pair in find_pairs(*folders).pairs] == ["caf\\xe9"]
