"""Which file belongs to which."""

import os
import re
import unicodedata
from pathlib import Path

import pytest

from convneur.data.pairs import find_pairs, listed_pairs
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
    assert (pairing.without_pred, pairing.without_gt, pairing.unread) == ((), ("other",), ())


def test_a_ground_truth_without_a_prediction(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    touch(pred, "a.png")
    touch(gt, "a.png", "b.png", "c.png", "d.png", "e.png")
    with pytest.raises(InputError, match=r"4 of 5 ground truths \(b, c, d, \.\.\.\).*`missing=\"skip\"`"):
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
    (said,) = pairing.unread
    assert re.search(r"3 links are not followed: .*b\.png, .*deep, .*loop; `follow_links`", said)
    touch(gt, "b.png")
    with pytest.raises(InputError, match=r"3 links are not followed.*`follow_links`"):
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


def test_templates_say_what_names_have_in_common(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    touch(pred, "ulm/a_photo.png", "ulm/b_photo.png", "ulm/a.png")
    touch(gt, "ulm/a_ids.png", "ulm/b_ids.png", "ulm/b_colour.png")
    pairing = find_pairs(pred, gt, pred_names=["{stem}_photo"], gt_names=["{stem}_ids.png"])
    assert [(pair.name, pair.gt.name) for pair in pairing.pairs] == [("ulm/a", "a_ids.png"), ("ulm/b", "b_ids.png")]
    with pytest.raises(InputError, match=r"none of its 3 label maps is named \{stem\}_truth or \{stem\}_label"):
        find_pairs(pred, gt, gt_names=["{stem}_truth", "{stem}_label"])


def test_templates_that_leave_folders_out(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    touch(pred, "a_photo.png", "deep/er/b_photo.png")
    touch(gt, "ulm/a_ids.png", "bonn/b_ids.png")
    pairing = find_pairs(pred, gt, pred_names=["**/{stem}_photo"], gt_names=["**/{stem}_ids"])
    assert [pair.name for pair in pairing.pairs] == ["a", "b"]
    touch(gt, "bonn/a_ids.png")
    with pytest.raises(InputError, match=r"equal names but for the folder; leave \*\*/ out of `gt_name`"):
        find_pairs(pred, gt, pred_names=["**/{stem}_photo"], gt_names=["**/{stem}_ids"])


def test_the_earlier_template_counts(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    touch(pred, "a.png")
    touch(gt, "a_ids.png", "a_classes.png", "a.png")
    for templates, name in (
        (["{stem}_ids", "{stem}_classes"], "a_ids.png"),
        (["{stem}_classes", "{stem}_ids"], "a_classes.png"),
    ):
        (pair,) = find_pairs(pred, gt, gt_names=templates).pairs
        assert pair.gt.name == name


def test_signs_in_a_template_are_no_pattern(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    touch(pred, "a.png")
    touch(gt, "a(1).x.png", "axx.png")
    (pair,) = find_pairs(pred, gt, gt_names=["{stem}(1).x"]).pairs
    assert pair.gt.name == "a(1).x.png"


@pytest.mark.parametrize("template", ["ids", "", "{name}_ids", "{stem}_{stem}", "{stem"])
def test_templates_without_a_stem(template: str, folders: tuple[Path, Path]) -> None:
    with pytest.raises(ConfigError, match=r"must hold \{stem\} once"):
        find_pairs(*folders, gt_names=[template])


def test_a_list_of_pairs(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pred, gt = folders
    touch(pred, "one.png", "two, three.png", "vier ü.npy")
    touch(gt, "a.png", "sub/b c.png", "-d.png")
    listed = tmp_path / "pairs.txt"
    listed.write_text(
        '\ufeffvier ü.npy\t-d.png\r\n\r\none.png, a.png\n"two, three.png",sub/b c.png\n', encoding="utf-8"
    )
    pairing = listed_pairs(listed, pred, gt)
    assert [(pair.name, pair.pred.name) for pair in pairing.pairs] == [
        ("-d", "vier ü.npy"), ("a", "one.png"), ("sub/b c", "two, three.png")
    ]  # fmt: skip
    listed.write_text(f"{pred}/one.png\t{gt}/a.png\n")
    (pair,) = listed_pairs(listed, Path(), Path()).pairs
    assert (pair.pred, pair.gt) == (pred / "one.png", gt / "a.png")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "lists no pair"),
        ("one.png\n", "line 1: give a prediction, a tab or comma, and its ground truth"),
        ("one.png,a.png\none.png,a.png,b.png", "line 2: give"),
        ("one.png,\n", "line 1: give"),
        ("one.png\ta.png\none.png\ta.png\n", "line 2: a is listed before"),
        ("one.png,none.png\n", "line 1: .*none.png: no such file"),
        ("prediction,truth\none.png,a.png\n", "line 1: .*truth: no such file; remove the line if it is a heading"),
        ("one.png,folder\\a.png\n", "line 1: .*no such file; write / between folders"),
        ("one.png,.\n", "line 1: .* is a folder; list the files in it"),
        (".,a.png\n", "line 1: .* is a folder; list the files in it"),
        ("one.png,/\n", "line 1: / is a folder; list the files in it"),
        ("x" * 200_000 + ",a.png\n", "line 1: field larger than field limit .*; write two paths per line"),
        ("none.png,a.png\n", 'line 1: .*none.png: no such file; `missing="skip"`'),
    ],
)
def test_wrong_lists(text: str, said: str, folders: tuple[Path, Path], tmp_path: Path) -> None:
    touch(folders[0], "one.png")
    touch(folders[1], "a.png")
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(InputError, match=said):
        listed_pairs(tmp_path / "pairs.txt", *folders)


def test_listed_predictions_that_are_missing_can_be_skipped(folders: tuple[Path, Path], tmp_path: Path) -> None:
    touch(folders[0], "one.png")
    touch(folders[1], "a.png", "b.png")
    (tmp_path / "pairs.txt").write_text("one.png,a.png\nnone.png,b.png\n")
    pairing = listed_pairs(tmp_path / "pairs.txt", *folders, missing="skip")
    assert ([pair.name for pair in pairing.pairs], pairing.without_pred) == (["a"], ("b",))
    (tmp_path / "pairs.txt").write_text("none.png,b.png\n")
    with pytest.raises(InputError, match="lists no pair of files that exist"):
        listed_pairs(tmp_path / "pairs.txt", *folders, missing="skip")


def test_a_template_with_a_suffix_means_files_of_this_type(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    touch(pred, "a.npz", "a.png", "b.npz", "b.PNG", "c.tiff", "c.png", "c.npz")
    touch(gt, "a.png", "b.png", "c.png")
    with pytest.raises(InputError, match=r'a.npz and .*a.png: equal names.*`pred_name="\{stem\}.png"`'):
        find_pairs(pred, gt)
    pairing = find_pairs(pred, gt, pred_names=["{stem}.png"], gt_names=["{stem}.png"])
    assert [pair.pred.name for pair in pairing.pairs] == ["a.png", "b.PNG", "c.png"]
    (pair,) = find_pairs(pred, gt, pred_names=["{stem}.tif"], missing="skip").pairs
    assert pair.pred.name == "c.tiff"


def test_names_that_differ_in_unicode_form_pair(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pred, gt = folders
    composed, decomposed = (unicodedata.normalize(form, "café/über_1") for form in ("NFC", "NFD"))
    touch(pred, f"{decomposed}.png")
    touch(gt, f"{composed}.png")
    (pair,) = find_pairs(pred, gt).pairs
    assert pair.name == composed
    (tmp_path / "pairs.txt").write_text(f"{composed}.png,{decomposed}.png\n", encoding="utf-8")
    (listed,) = listed_pairs(tmp_path / "pairs.txt", pred, gt).pairs
    assert (listed.name, listed.pred, listed.gt) == (pair.name, pair.pred, pair.gt)
    touch(pred, f"{composed}.png")
    with pytest.raises(InputError, match="the form of accents; keep one"):
        find_pairs(pred, gt)


@pytest.mark.parametrize(
    ("preds", "gts"),
    [
        (["img1", "img2"], ["img1_mask", "img2_mask"]),
        (["img1_pred", "img2_pred"], ["img1", "img2"]),
        (["img1_pred", "img10_pred"], ["img1_gt", "img10_gt"]),
        (["pred_001", "pred_002"], ["gt_001", "gt_002"]),
        (["a_1", "b_2"], ["city/a_1", "town/b_2"]),
        (["city/a_1_out", "town/b_2_out"], ["a_1_gtFine", "b_2_gtFine"]),
        (["x/1 (a) 50%", "x/2 (a) 50%"], ["1 [m]", "2 [m]"]),
        (["a.jpg", "b.jpg"], ["a", "b"]),
        (["Out-a.v2", "Out-b.v2"], ["a", "b"]),
    ],
)
def test_the_advice_about_names_pairs_them(preds: list[str], gts: list[str], folders: tuple[Path, Path]) -> None:
    touch(folders[0], *(f"{name}.png" for name in preds))
    touch(folders[1], *(f"{name}.png" for name in gts))
    with pytest.raises(InputError, match=r"no prediction for 2 of 2.*nearest to .*would pair 2 of 2") as error:
        find_pairs(*folders)
    advice = dict(re.findall(r'`(pred_name|gt_name)="([^"]*)"`', error.value.problem))
    assert advice
    pairing = find_pairs(*folders, **{f"{setting}s": [text] for setting, text in advice.items()})
    assert len(pairing.pairs) == 2


def test_names_that_no_template_pairs_are_to_be_listed(folders: tuple[Path, Path]) -> None:
    touch(folders[0], "one.png", "Two.png")
    touch(folders[1], "eins.png", "two.png")
    with pytest.raises(InputError, match=r"nearest to eins is one; .*`pred_name` and `gt_name`, or list .*`listed`"):
        find_pairs(*folders)
    touch(folders[0], "eins.png")
    with pytest.raises(InputError, match="Two differs from two in upper and lower case"):
        find_pairs(*folders)


def test_a_missing_prediction_of_another_suffix_is_said(folders: tuple[Path, Path]) -> None:
    touch(folders[0], "a.png", "b.bmp")
    touch(folders[1], "a.png", "b.png")
    with pytest.raises(
        InputError, match=r"no prediction for 1 of 2.*1 file is not read \(1 .bmp\); write label maps as"
    ):
        find_pairs(*folders)


def test_files_that_are_not_read_are_counted(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    touch(pred, "a.png", "b.png", "b.npy.gz", "plans.json", "progress.txt")
    touch(gt, "a.png", "b.png", "a.jpg", "c.jpg", "d.JPG", "e.nii.gz", "Thumbs.db", "._f.png", "g.bmp", "notes.md")
    (said,) = find_pairs(pred, gt).unread
    assert said.startswith(f"{gt}: 4 files are not read (2 .jpg, 1 .nii.gz, 1 .bmp); JPEG changes class numbers")
    for path in gt.glob("*.png"):
        path.unlink()
    with pytest.raises(InputError, match=r"no label map in it .*, but 3 .jpg, 1 .nii.gz, 1 .bmp, 1 .md; JPEG changes"):
        find_pairs(pred, gt)
