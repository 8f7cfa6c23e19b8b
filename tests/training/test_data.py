"""The images of a run: binary masks, ignored pixels, links, files that are left aside."""

import dataclasses
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convneur.data.examples import find_examples, read_example
from convneur.data.reading import Reading
from convneur.errors import ConfigError, InputError
from convneur.progress import ProgressLines
from convneur.training import TrainingData, prepare_data


def write(path: Path, pixels: np.ndarray[Any, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def masks(root: Path, *values: int, val: tuple[int, ...] | None = None) -> Path:
    """Two images to train on and one to validate on; each mask's columns hold these values."""
    for k, (split, name, held) in enumerate(
        (("train", "a", values), ("train", "b", values), ("val", "c", val or values))
    ):
        write(root / "images" / split / f"{name}.png", np.full((4, 8, 3), k))
        write(root / "masks" / split / f"{name}.png", np.tile(np.array(held).repeat(8 // len(held)), (4, 1)))
    return root


def prepared(root: Path, **settings: Any) -> TrainingData:
    return prepare_data(root, "segmentation", **settings)


def test_a_label_map_is_not_paired_with_an_image_of_its_name_in_another_folder(tmp_path: Path) -> None:
    for city, number in (("a", 1), ("a", 2), ("b", 1), ("b", 3)):
        write(tmp_path / "masks" / "train" / city / f"{number}.png", np.zeros((4, 8)))
        if (city, number) != ("b", 1):
            write(tmp_path / "images" / "train" / city / f"{number}.png", np.zeros((4, 8, 3)))
    with pytest.raises(InputError, match=r"no image b/1 under .*; names must be equal but for the suffix"):
        find_examples(tmp_path, "segmentation", Reading())
    (tmp_path / "masks" / "train" / "b" / "1.png").rename(tmp_path / "masks" / "train" / "2.png")
    with pytest.raises(InputError, match=r"masks.train.a.2.png: .*a.2.png is the image of .*masks.train.2.png, too"):
        find_examples(tmp_path, "segmentation", Reading())


@pytest.mark.parametrize("classes", [None, ["background", "object"]])
def test_masks_of_0_and_255_are_two_classes(
    tmp_path: Path, classes: list[str] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    data = prepared(masks(tmp_path, 0, 255), classes=classes, progress=ProgressLines())
    assert (data.names, data.counts, data.binary) == (("background", "object"), (32, 32), True)
    _, labels = read_example(data.train[0], data.reading, 2)
    np.testing.assert_array_equal(np.unique(labels), [0, 1])
    said = capsys.readouterr().err
    assert "255 is read as class 1, object" in said
    assert "0.0% of the pixels are ignored" in said


def test_a_run_that_goes_on_reads_masks_as_it_did(tmp_path: Path) -> None:
    data = prepared(masks(tmp_path, 0, 255))

    @dataclasses.dataclass(frozen=True)
    class Begun:
        classes = data.names
        counts = data.counts
        left_out = data.left_out
        binary = data.binary

    assert prepared(tmp_path, begun=Begun()) == data


@pytest.mark.parametrize(
    ("values", "settings", "share"),
    [
        ((0, 255), {"ignore_index": 255}, "50.0%"),
        ((0, 255), {"classes": ["a", "b", "c"]}, "50.0%"),
        ((0, 0, 0, 255), {"ignore_index": 255, "classes": ["a", "b"]}, "25.0%"),
    ],
)
def test_a_set_that_shows_one_class_alone_is_refused(
    tmp_path: Path, values: tuple[int, ...], settings: dict[str, Any], share: str
) -> None:
    with pytest.raises(ConfigError, match=f"shows .* alone, and {share} of the pixels are ignored .label 255"):
        prepared(masks(tmp_path, *values), **settings)


def test_background_alone_is_refused_without_an_ignored_label_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs two classes, but shows road alone; check"):
        prepared(masks(tmp_path, 0, 0), classes=["road", "sky"])
    with pytest.warns(UserWarning, match="validate on show road alone"):
        prepared(masks(tmp_path / "more", 0, 1, val=(0, 0)), classes=["road", "sky"])


def test_masks_of_0_and_255_among_masks_of_0_and_1_are_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(masks(tmp_path, 0, 1, val=(0, 255)), classes=["a", "b"], progress=ProgressLines())
    assert "2 masks of 0 and 1 beside 1 mask of 0 and 255, which is ignored" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "settings", "said"),
    [
        ((0, 1, 2, 254), {}, "label 254 lies far above the others, 0 to 2: .* add `ignore_index 254`"),
        ((0, 1, 254, 255), {}, "label 254 lies far above the others, 0 to 1: .* write the ignored label for it"),
        ((0, 1001, 1002, 2001), {}, "4 labels, the highest 2001: they look like ids of objects"),
        ((0, 254), {}, "look like masks of 0 and 254; write 1 for 254"),
        ((0, 0, 128, 255), {}, "look like trimaps, 0, 128 and 255, where 255 is ignored; write 1 for 255"),
        ((0, 85, 170, 255), {}, "labels 0, 85, 170 look spread for viewing, and 255, which is ignored, may be one"),
    ],
)
def test_labels_that_no_numbering_of_classes_gives_are_said(
    tmp_path: Path, values: tuple[int, ...], settings: dict[str, Any], said: str
) -> None:
    root = masks(tmp_path, *values)
    for path in (root / "masks").rglob("*.png"):  # 16 bits, which ids need
        Image.fromarray(np.tile(np.array(values, np.uint16).repeat(8 // len(values)), (4, 1))).save(path)
    with pytest.warns(UserWarning, match=said) as warned:
        prepared(root, **settings)
    assert len(warned) == 1


@pytest.mark.parametrize("values", [(0, 1, 2, 3), (0, 1, 255, 255), (1, 2, 3, 4), (0, 0, 5, 20)])
def test_a_numbering_of_classes_is_not_odd(tmp_path: Path, values: tuple[int, ...], recwarn: Any) -> None:
    prepared(masks(tmp_path, *values))
    assert all("cannot learn it" in str(each.message) for each in recwarn)


def test_an_ignored_label_that_was_not_given_is_named(tmp_path: Path) -> None:
    root = masks(tmp_path, 0, 1, 2, 254)
    with pytest.raises(InputError, match=r"label 254 is none of 0 to 2 .*; if it stands .* add `ignore_index 254`"):
        prepared(root, classes=["a", "b", "c"])
    assert prepared(root, classes=["a", "b", "c"], ignore_index=254).counts == (16, 16, 16)


def test_ids_of_objects_are_named_as_such(tmp_path: Path) -> None:
    root = masks(tmp_path, 0, 1)
    for path in (root / "masks").rglob("*.png"):
        Image.fromarray(np.full((4, 8), 26001, np.uint16)).save(path)
    with pytest.raises(InputError, match=r"label 26001 is none of .*; they look like ids of .*labelIds files\); if"):
        prepared(root)


@pytest.mark.parametrize(
    ("values", "settings", "said"),
    [
        ((0, 1, 2, 65535), {"classes": ["a", "b", "c"]}, r"add `ignore_index 65535`$"),
        ((0, 200), {"classes": ["a", "b"]}, r"of a mask of two classes write 1 for 200$"),
        ((0, 5), {"classes": ["a", "b"]}, r"check `preset`, `classes` and `ignore_index`$"),
        ((0, 200), {"ignore_index": 200, "classes": ["a", "b"]}, r"are ignored \(label 200\); check `preset` and"),
    ],
)
def test_labels_that_are_no_classes_have_a_mend(
    tmp_path: Path, values: tuple[int, ...], settings: dict[str, Any], said: str
) -> None:
    root = masks(tmp_path, *values)
    for path in (root / "masks").rglob("*.png"):
        Image.fromarray(np.tile(np.array(values, np.uint16).repeat(8 // len(values)), (4, 1))).save(path)
    with pytest.raises((InputError, ConfigError), match=said):
        prepared(root, **settings)


def test_a_split_of_another_name_is_said(tmp_path: Path) -> None:
    root = masks(tmp_path, 0, 1)
    for kind in ("images", "masks"):
        (root / kind / "val").rename(root / kind / "Validation")
    with pytest.warns(UserWarning, match="the split Validation is not read; name it val to validate on it"):
        assert len(prepared(root).val) == 1
    for kind in ("images", "masks"):
        (root / kind / "Validation").rename(root / kind / "val")
    assert [example.name for example in prepared(root).val] == ["c"]


def test_images_to_validate_on_that_are_trained_on_are_said(tmp_path: Path) -> None:
    root = masks(tmp_path, 0, 1)
    (root / "images/val/c.png").write_bytes((root / "images/train/b.png").read_bytes())
    with pytest.warns(UserWarning, match=r"1 of 1 images to validate on are training images too \(c\)"):
        prepared(root)


def test_255_beside_two_classes_stays_ignored_and_its_share_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = prepared(masks(tmp_path, 0, 1, 1, 255), classes=["a", "b"], progress=ProgressLines())
    assert (data.counts, data.binary, data.reading.ignore_index) == ((16, 32), False, 255)
    assert "25.0% of the pixels are ignored" in capsys.readouterr().err


def test_where_255_is_told_to_count_the_way_out_is_named(tmp_path: Path) -> None:
    root = masks(tmp_path, 0, 255)
    with pytest.warns(UserWarning, match=r"masks of 0 and 255; leave `ignore_index` out, and 255 is read as"):
        prepared(root, ignore_index="none")
    with pytest.raises(InputError, match=r"label 255 is none of 0 to 1; leave `ignore_index` out, and masks of 0 and"):
        prepared(root, ignore_index="none", classes=["a", "b"])


def test_links_out_of_the_folders_are_followed_where_that_is_asked_for(tmp_path: Path) -> None:
    store, data = masks(tmp_path / "store", 0, 1), tmp_path / "data"
    for path in sorted(store.rglob("*.png")):
        link = data / path.relative_to(store)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    with pytest.raises(InputError, match=r"no label map in it .*2 links are not followed: .*`follow_links`"):
        prepared(data)
    assert len(prepared(data, follow_links=True).train) == 2


def test_what_is_not_read_is_said(tmp_path: Path) -> None:
    root = masks(tmp_path, 0, 1)
    (root / "images" / "train" / "x.heic").touch()
    (root / "masks" / "val" / "y.mat").touch()
    with pytest.warns(UserWarning, match="not read") as caught:
        prepared(root)
    said = sorted(str(each.message).removeprefix(f"{root}/") for each in caught)
    assert said == [
        "images/train: 1 file is not read (1 .heic); convert them to PNG or JPEG",
        "masks/val: 1 file is not read (1 .mat); write label maps as PNG, TIFF or NPY",
    ]
    write(root / "masks" / "train" / "x.png", np.zeros((4, 8)))
    with pytest.raises(InputError, match=r"no image x under .* \(the nearest is .\).*1 .heic"):
        prepared(root)


def test_class_folders_pair_in_either_unicode_form(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    for split, name in (("train", composed), ("val", decomposed)):
        for folder in (name, "pub"):
            write(tmp_path / split / folder / "a.gif", np.zeros((4, 4, 3)))
    write(tmp_path / "train" / "loose.png", np.zeros((4, 4, 3)))
    (tmp_path / "train" / "pub" / "b.heic").touch()
    found = find_examples(tmp_path, "classification", Reading())
    assert [example.target for example in (*found.train, *found.val)] == [0, 1, 0, 1]
    assert [line.partition(": ")[2] for line in found.warnings] == [
        "1 file is not read (1 .heic); convert them to PNG or JPEG",
        f"1 image in no class folder, left out: {tmp_path}/train/loose.png",
    ]


def test_an_image_of_the_same_name_is_said_to_be_left_out(tmp_path: Path) -> None:
    write(masks(tmp_path, 0, 1) / "images" / "train" / "a.webp", np.zeros((4, 8, 3)))
    found = find_examples(tmp_path, "segmentation", Reading())
    twin = tmp_path / "images" / "train" / "a.webp"
    assert found.warnings == (f"1 image named as another one but for the suffix, left out: {twin}",)
