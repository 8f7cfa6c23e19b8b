"""The presets' tables, against facts that their sources state."""

import typing

import pytest

from convneur.data.presets import PRESETS
from convneur_cli.options.data import DataSetOptions


@pytest.mark.parametrize(
    ("name", "classes", "ignored", "first", "last"),
    [
        ("ade20k", 150, 255, "wall", "flag"),
        ("cityscapes", 19, 255, "road", "bicycle"),
        ("voc", 21, 255, "background", "tvmonitor"),
        ("camvid", 11, 11, "sky", "bicyclist"),
        ("coco-stuff", 171, 255, "person", "wood"),
    ],
)
def test_classes_and_ignored_label(name: str, classes: int, ignored: int, first: str, last: str) -> None:
    preset = PRESETS[name]
    assert (len(preset.names), preset.ignore_index) == (classes, ignored)
    assert (preset.names[0], preset.names[-1]) == (first, last)
    assert len(set(preset.names)) == classes
    for naming in (*preset.gt, *preset.pred):
        if naming.ids:
            assert sorted(k for k in naming.ids.values() if k is not None) == list(range(classes))
    for colours in (preset.palette, preset.colours and preset.colours.classes):
        assert all(0 <= part <= 255 for colour in colours or () for part in colour)
    assert preset.palette is None or len(preset.palette) == classes


def test_the_command_offers_every_preset() -> None:
    hints = typing.get_type_hints(DataSetOptions)
    (literal,) = (kind for kind in typing.get_args(hints["preset"]) if kind is not type(None))
    assert set(typing.get_args(literal)) == set(PRESETS)


def test_ids_of_ade20k() -> None:
    (naming,) = PRESETS["ade20k"].gt
    assert naming.ids == {0: None} | {stored: stored - 1 for stored in range(1, 151)}
    # objectInfo150.txt: 13 person, 21 car, 137 traffic light
    assert [PRESETS["ade20k"].names[k - 1] for k in (13, 21, 137)] == ["person", "car", "traffic light"]


def test_ids_of_cityscapes() -> None:
    stored, classes = PRESETS["cityscapes"].gt
    assert (stored.template, classes.template) == ("**/{stem}_gtFine_labelIds", "**/{stem}_gtFine_labelTrainIds")
    assert classes.ids is None
    assert stored.ids is not None
    assert set(stored.ids) == set(range(34))
    # labels.py: 7 road 0, 11 building 2, 18 polegroup and 29 caravan ignored, 26 car 13, 33 bicycle 18
    assert [stored.ids[k] for k in (0, 7, 11, 18, 26, 29, 33)] == [None, 0, 2, None, 13, None, 18]


def test_ids_of_coco_stuff() -> None:
    ids = PRESETS["coco-stuff"].gt[1].ids
    names = PRESETS["coco-stuff"].names
    assert ids is not None
    # labels.txt counts from 1 (1 person, 13 stop sign, 92 banner, 182 wood), masks hold one less.
    named = {stored + 1: names[k] for stored, k in ids.items() if k is not None}
    assert {k: named[k] for k in (1, 13, 90, 92, 149, 182)} == {
        1: "person", 13: "stop sign", 90: "toothbrush", 92: "banner", 149: "road", 182: "wood"
    }  # fmt: skip
    assert ids[255] is None
    assert 11 not in ids  # street sign, which no image holds


def test_colours_of_voc_and_camvid() -> None:
    voc = PRESETS["voc"]
    assert voc.palette is not None
    assert (voc.palette[1], voc.palette[15], voc.palette[20]) == ((128, 0, 0), (192, 128, 128), (0, 64, 128))
    assert voc.colours is not None
    assert voc.colours.classes[224, 224, 192] is None
    camvid = PRESETS["camvid"].colours
    assert camvid is not None
    assert len(camvid.classes) == 32  # as label_colors.txt
    assert camvid.classes[128, 0, 192] == camvid.names.index("road")  # lane markings
    assert camvid.classes[0, 0, 0] is None
