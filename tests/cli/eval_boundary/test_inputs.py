"""What `convneur eval-boundary` takes: data sets, colours, names, lists, sizes; and what it must refuse or warn of."""

import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convneur.data.presets import PRESETS


def save(path: Path, labels: object, dtype: type = np.uint8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(labels, dtype)).save(path)
    return path


def blocks(*labels: int) -> np.ndarray:
    """A map of vertical stripes, 12 pixels each."""
    return np.repeat(np.array([labels], np.uint8), 12, axis=1).repeat(20, axis=0)


# --- data sets ---


def test_ade20k(evaluate: Any, place: Path) -> None:
    save(place / "ade" / "ADE_val_00000001.png", blocks(0, 1, 13, 150))
    save(place / "out" / "ADE_val_00000001.png", blocks(5, 0, 12, 149))
    ran = evaluate("--preset", "ade20k", "--json", paths=("out", "ade"))
    assert ran.code == 0
    assert ran.json["settings"]["num_classes"] == 150
    assert ran.json["settings"]["num_classes_from"] == "--preset ade20k"
    assert ran.json["overall"]["miou"] == 1
    assert ran.json["per_class"][12]["name"] == "person"
    assert ran.json["labels"]["ground_truth"]["255"] == {"pixels": 240, "share": 0.25}
    save(place / "out" / "ADE_val_00000001.png", blocks(0, 1, 13, 150))  # not shifted
    ran = evaluate("--preset", "ade20k", "--json", paths=("out", "ade"))
    assert ran.code == 0
    assert "shifting the predictions' labels by -1 would agree with 100% of the ground truth" in ran.err
    ran = evaluate("--preset", "ade20k", "--pred-labels", "-1", "--json", paths=("out", "ade"))
    assert (ran.json["overall"]["miou"], ran.json["warnings"]) == (1, [])
    assert ran.json["settings"]["pred_labels"] == "-1"
    save(place / "ade" / "ADE_val_00000001.png", blocks(0, 1, 13, 151))
    ran = evaluate("--preset", "ade20k", "-q", paths=("out", "ade"))
    assert ran.code == 1
    assert "label 151 (25.00% of the pixels) is no id of this data set" in ran.err


@pytest.mark.parametrize("kind", ["_gtFine_labelIds", "_gtFine_labelTrainIds"])
def test_cityscapes_folders_and_names(evaluate: Any, place: Path, kind: str) -> None:
    truth = blocks(0, 7, 26, 33) if kind.endswith("Ids") and "Train" not in kind else blocks(255, 0, 13, 18)
    for city in ("ulm", "bonn"):
        stem = f"{city}_000000_000019"
        save(place / "gtFine" / "val" / city / f"{stem}{kind}.png", truth)
        save(place / "gtFine" / "val" / city / f"{stem}_gtFine_color.png", np.zeros((20, 48, 3)))
        save(place / "gtFine" / "val" / city / f"{stem}_gtFine_instanceIds.png", truth, np.uint16)
    save(place / "out" / "ulm_000000_000019_leftImg8bit.png", blocks(3, 0, 13, 18))
    save(place / "out" / "bonn" / "bonn_000000_000019_gtFine_labelIds.png", blocks(3, 7, 26, 33))
    ran = evaluate("--preset", "cityscapes", "--json", paths=("out", "gtFine/val"))
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["overall"]["miou"] == 1
    assert [row["name"] for row in ran.json["per_image"]] == ["bonn_000000_000019", "ulm_000000_000019"]
    assert ran.json["labels"]["ground_truth"]["255"]["share"] == 0.25


def test_voc_palettes_and_colours(evaluate: Any, place: Path) -> None:
    image = Image.fromarray(blocks(0, 15, 255)).convert("P")
    image.putdata(blocks(0, 15, 255).ravel().tolist())
    image.putpalette([channel for colour in PRESETS["voc"].palette or () for channel in colour])
    (place / "voc").mkdir()
    image.save(place / "voc" / "2007_000033.png")
    colours = np.array([(0, 0, 0), (192, 128, 128), (224, 224, 192)])
    save(place / "out" / "2007_000033.png", colours[blocks(0, 1, 1)])
    ran = evaluate("--preset", "voc", "--json", paths=("out", "voc"))
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["overall"]["miou"] == 1
    assert [row["name"] for row in ran.json["per_class"] if row["presence"]["both"]] == ["background", "person"]


def test_camvid_ids_and_its_own_colours(evaluate: Any, place: Path) -> None:
    save(place / "cam" / "0001TP_1.png", blocks(0, 10, 11))
    colours = np.array([(128, 128, 128), (192, 0, 192), (0, 0, 0)])  # sky, motorcycle, void
    save(place / "cam" / "0001TP_2_L.png", colours[blocks(0, 1, 2)])
    for number in (1, 2):
        save(place / "out" / f"0001TP_{number}.png", blocks(0, 10, 3))
    ran = evaluate("--preset", "camvid", "--json", paths=("out", "cam"))
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["settings"]["ignore_index"] == 11
    assert ran.json["overall"]["miou"] == 1
    assert ran.json["per_class"][10]["name"] == "bicyclist"


def test_coco_stuff_as_published_and_as_converted(evaluate: Any, place: Path) -> None:
    save(place / "coco" / "000000000139.png", blocks(255, 0, 12, 181))
    save(place / "coco" / "000000000285_labelTrainIds.png", blocks(255, 0, 11, 170))
    for name in ("000000000139", "000000000285"):
        save(place / "out" / f"{name}.png", blocks(0, 0, 11, 170))
    ran = evaluate("--preset", "coco-stuff", "--json", paths=("out", "coco"))
    assert (ran.code, ran.err) == (0, "")
    assert (ran.json["settings"]["num_classes"], ran.json["overall"]["miou"]) == (171, 1)


def test_what_is_typed_overrides_the_preset(evaluate: Any, place: Path) -> None:
    save(place / "ade" / "x_truth.png", blocks(0, 1, 13))
    save(place / "out" / "x.png", blocks(5, 0, 12))
    common = ("--preset", "ade20k", "--gt-name", "{stem}_truth", "--json")
    ran = evaluate(*common, "--num-classes", "20", "--ignore-index", "12", paths=("out", "ade"))
    assert ran.code == 0
    settings = ran.json["settings"]
    assert (settings["num_classes"], settings["num_classes_from"]) == (20, "--num-classes")
    assert (settings["ignore_index"], ran.json["per_class"][1]["name"]) == (12, "1")
    assert ran.json["labels"]["ground_truth"]["12"]["share"] == pytest.approx(2 / 3)
    (place / "names.txt").write_text("".join(f"class {k}\n" for k in range(150)))
    ran = evaluate(*common, "--classes", "names.txt", paths=("out", "ade"))
    assert ran.json["per_class"][3]["name"] == "class 3"
    ran = evaluate(*common, "--ignore-index", "none", paths=("out", "ade"))
    assert ran.code == 2
    assert "--ignore-index none: the colours or ids of this data set need one" in ran.line


# --- colours ---


def test_colours_through_a_table(evaluate: Any, place: Path) -> None:
    (place / "colours.txt").write_text("0 0 0 ground\n255 0 0 house\n9 9 9 void\n")
    table = np.array([(0, 0, 0), (255, 0, 0), (9, 9, 9)])
    save(place / "rgb" / "a.png", table[blocks(0, 1, 2)])
    save(place / "out" / "a.png", blocks(0, 1, 1))
    ran = evaluate("--colours", "colours.txt", "--json", paths=("out", "rgb"))
    assert (ran.code, ran.err) == (0, "")
    assert ran.json["settings"]["num_classes_from"] == "--colours"
    assert [row["name"] for row in ran.json["per_class"]] == ["ground", "house"]
    assert ran.json["overall"]["miou"] == 1
    (place / "names.txt").write_text("House\nground\n")
    ran = evaluate("--colours", "colours.txt", "--classes", "names.txt", "--json", paths=("rgb", "rgb"))
    assert ran.json["labels"]["ground_truth"]["0"]["pixels"] == 240
    assert [row["name"] for row in ran.json["per_class"]] == ["House", "ground"]


def test_colours_without_a_table_and_not_in_it(evaluate: Any, place: Path) -> None:
    pixels = np.zeros((20, 36, 3), np.uint8)
    pixels[5, 7] = 1, 2, 3
    save(place / "rgb" / "a.png", pixels)
    ran = evaluate("-q", paths=("rgb", "rgb"))
    assert ran.code == 1
    assert "a: rgb/a.png: holds colours (RGB), not class ids" in ran.err
    assert "--colours" in ran.err
    (place / "colours.txt").write_text("0 0 0 ground\n255 0 0 house\n")
    ran = evaluate("-q", "--colours", "colours.txt", paths=("rgb", "rgb"))
    assert ran.code == 1
    assert "rgb/a.png: colour 1 2 3 at row 5, column 7 is not in the colour table (1 pixel); add it" in ran.err


@pytest.mark.parametrize(
    ("text", "arguments", "code", "said"),
    [
        ("one two\n1 2\n", [], 1, "colours.txt: line 2: '1 2' is not R G B and the name of a class"),
        ("1 2 3 sky\n", ["--preset", "voc"], 1, "sky is none of the 21 classes"),
        ("1 2 3 void\n4 5 6 a\n", ["--ignore-index", "none"], 2, "--ignore-index none"),
    ],
)
def test_wrong_colour_tables(evaluate: Any, place: Path, text: str, arguments: list[str], code: int, said: str) -> None:
    (place / "colours.txt").write_text(text)
    ran = evaluate("--colours", "colours.txt", *arguments)
    assert ran.code == code
    assert said in ran.line
    assert evaluate("--colours", "none.txt").code == 2


# --- pairing ---


def test_templates(evaluate: Any, place: Path) -> None:
    for folder, ending in (("gt", "_truth"), ("pred", "_out")):
        path = place / folder / "city" / ("c.png" if folder == "gt" else "c.npy")
        path.rename(place / folder / f"c{ending}{path.suffix}")
    ran = evaluate("--pred-name", "**/{stem}_out", "--gt-name", "**/{stem}_truth", "--json")
    assert [row["name"] for row in ran.json["per_image"]] == ["c"]
    ran = evaluate("--gt-name", "truth")
    assert ran.code == 2
    assert "--gt-name truth: must hold {stem} once" in ran.line
    ran = evaluate("--gt-name", "{stem}_nowhere")
    assert ran.code == 1
    assert "gt: none of its 5 label maps is named {stem}_nowhere" in ran.line


def test_lists(evaluate: Any, place: Path) -> None:
    (place / "pairs.txt").write_text("a.npy,a.png\ncity/c.npy\tcity/c.png\n")
    inside = evaluate("--list", "pairs.txt", "--json").json
    assert [row["name"] for row in inside["per_image"]] == ["a", "city/c"]
    (place / "pairs.txt").write_text("pred/a.npy,gt/a.png\npred/city/c.npy\tgt/city/c.png\n")
    alone = evaluate("--list", "pairs.txt", "--json", paths=()).json
    assert alone["overall"] == inside["overall"]
    for arguments, paths, said in (
        (("--list", "pairs.txt", "--gt-name", "{stem}"), (), "--list: names both files of a pair"),
        (("--list", "none.txt"), (), "none.txt: no such file or folder"),
        ((), ("pred",), "PREDS: give the predictions and the ground truth, or pairs of them with --list"),
    ):
        ran = evaluate(*arguments, paths=paths)
        assert ran.code == 2
        assert said in ran.line


# --- stacks ---


def stacked(path: Path, maps: list[np.ndarray]) -> None:
    path.parent.mkdir(exist_ok=True)
    images = [Image.fromarray(labels) for labels in maps]
    images[0].save(path, save_all=True, append_images=images[1:], compression="tiff_lzw")


@pytest.fixture
def stacks(place: Path) -> Path:
    """The five pairs as pages of one file on either side, beside the same as single files of the pages' names."""
    names = ("a", "b", "city/c", "city/d", "e")
    for side, maps in (
        ("gt", [np.asarray(Image.open(place / "gt" / f"{name}.png")) for name in names]),
        ("pred", [np.load(place / "pred" / f"{name}.npy") for name in names]),
    ):
        stacked(place / f"{side}s" / "scan.tif", maps)
        for number, labels in enumerate(maps, start=1):
            save(place / f"{side}1" / "scan" / f"{number}.tif", labels)
    return place


def test_a_page_is_scored_as_a_file_is(
    evaluate: Any, stacks: Path, monkeypatch: pytest.MonkeyPatch, stopped_after_three: Any
) -> None:
    def outcome(*arguments: object, paths: tuple[str, ...]) -> tuple[Any, str]:
        ran = evaluate(*arguments, "--per-image", "rows.csv", "--json", "--force", paths=paths)
        assert ran.code == 0
        return ran.json, (stacks / "rows.csv").read_text()

    single = outcome(paths=("pred1", "gt1"))
    assert [row["name"] for row in single[0]["per_image"]] == [f"scan/{number}" for number in range(1, 6)]
    assert outcome(paths=("preds", "gts")) == single
    assert outcome("--workers", 2, paths=("preds", "gts")) == single
    assert outcome(paths=("preds/scan.tif", "gts/scan.tif")) == single
    (stacks / "pairs.txt").write_text("preds/scan.tif\tgts/scan.tif\n")
    listed, rows = outcome("--list", "pairs.txt", paths=())
    assert [row["name"] for row in listed["per_image"]] == [f"gts/scan/{number}" for number in range(1, 6)]
    assert (listed["overall"], rows.replace("gts/", "")) == (single[0]["overall"], single[1])

    begun = stopped_after_three(monkeypatch)
    assert evaluate("--per-image", "rows.csv", "--force", "-q", paths=("preds", "gts")).code == 130
    ran = evaluate("--per-image", "rows.csv", "--force", "--resume", "--json", paths=("preds", "gts"))
    assert begun == [f"scan/{number}" for number in (1, 2, 3, 4, 4, 5)]
    assert (ran.json, (stacks / "rows.csv").read_text()) == single


def test_stacks_of_other_lengths_fail_by_name(evaluate: Any, stacks: Path) -> None:
    stacked(stacks / "preds" / "short.tif", [blocks(0, 1), blocks(1, 2)])
    stacked(stacks / "gts" / "short.tif", [blocks(0, 1), blocks(1, 2), blocks(0, 2)])
    stacked(stacks / "preds" / "lone.tif", [blocks(0, 1), blocks(1, 2)])
    save(stacks / "gts" / "lone.png", blocks(0, 1))
    ran = evaluate("--json", paths=("preds", "gts"))
    assert ran.code == 1
    assert ran.json["failed"] == [
        {"name": "lone", "why": "preds/lone.tif: 2 pages, but 1 page in gts/lone.png; write as many"},
        {"name": "short", "why": "preds/short.tif: 2 pages, but 3 pages in gts/short.tif; write as many"},
    ]
    alone = evaluate("--json", paths=("preds/scan.tif", "gts/scan.tif")).json
    assert (ran.json["per_image"], ran.json["overall"]) == (alone["per_image"], alone["overall"])


def test_a_stack_cut_short_leaves_the_pages_that_are_whole(evaluate: Any, stacks: Path) -> None:
    Image.fromarray(blocks(0, 1)).save(
        stacks / "preds" / "scan.tif", save_all=True, append_images=[Image.fromarray(blocks(0, 1))]
    )
    stacked(stacks / "gts" / "scan.tif", [blocks(0, 1)] * 2)
    data = (stacks / "preds" / "scan.tif").read_bytes()
    (stacks / "preds" / "scan.tif").write_bytes(data[:-40])
    ran = evaluate("--json", paths=("preds", "gts"))
    assert ran.code == 1
    assert [row["name"] for row in ran.json["per_image"]] == ["scan/1"]
    (failed,) = ran.json["failed"]
    assert failed["name"] == "scan/2"
    assert failed["why"].startswith("preds/scan.tif: page 2: damaged or cut short")


def test_models_are_compared_and_drawn_page_by_page(evaluate: Any, stacks: Path) -> None:
    stacked(stacks / "others" / "scan.tif", [blocks(0, 1)] * 2)
    ran = evaluate("--against", "preds", "--json", "--report", "r.html", "--figures-count", 1, paths=("preds", "gts"))
    assert ran.code == 0
    assert ran.json["comparison"]["images"] == 5
    page = (stacks / "r.html").read_text()
    assert all(f"scan/{number}" in page for number in range(1, 6))
    ran = evaluate("--against", "others", "--json", paths=("preds", "gts"))
    assert (ran.code, ran.json["images"], ran.json["comparison"]) == (1, 5, None)
    assert [row["why"] for row in ran.json["failed"]] == [
        "others/scan.tif: 2 pages, but 5 pages in gts/scan.tif; write as many"
    ]


def test_resizing_on_request(evaluate: Any, place: Path) -> None:
    save(place / "small" / "a.png", blocks(0, 1)[::2, ::2])
    save(place / "truth" / "a.png", blocks(0, 1))
    ran = evaluate("-q", paths=("small", "truth"))
    assert ran.code == 1
    assert "a: the prediction is 10x12 but the ground truth 20x24 (height x width)" in ran.err
    ran = evaluate("--resize", "nearest", "--json", paths=("small", "truth"))
    assert ran.code == 0
    assert ran.err == "warning: 1 prediction was of another size than the ground truth, resized by nearest pixel\n"
    assert (ran.json["overall"]["miou"], ran.json["settings"]["resize"]) == (1, "nearest")
    assert evaluate("--resize", "linear").code == 2


# --- what must be refused, skipped or warned of, and must not stop the rest ---


def png(width: int, height: int, rows: bytes) -> bytes:
    """A grey PNG whose header may promise more than there is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


BAD = {
    "float": (lambda path: np.save(path.with_suffix(".npy"), np.full((20, 36), 0.5)), "holds float64, not class ids"),
    "nan": (lambda path: np.save(path.with_suffix(".npy"), np.full((20, 36), np.nan)), "holds float64, not class ids"),
    "float-tiff": (
        lambda path: Image.fromarray(np.full((20, 36), np.nan, np.float32)).save(path.with_suffix(".tif")),
        "holds floating-point values",
    ),
    "colours": (lambda path: save(path, np.zeros((20, 36, 3))), "holds colours (RGB), not class ids"),
    "zero-byte": (lambda path: path.write_bytes(b""), "is empty (0 bytes)"),
    "truncated": (
        lambda path: path.write_bytes(save(path, np.random.default_rng(0).integers(0, 2, (99, 99))).read_bytes()[:700]),
        "damaged or cut short",
    ),
    "bomb": (lambda path: path.write_bytes(png(60_000, 60_000, bytes(1 << 24))), "more than 67108864"),
    "pages": (
        lambda path: Image.new("L", (36, 20)).save(
            path, format="TIFF", save_all=True, append_images=[Image.new("L", (36, 20))]
        ),
        "has several pages",
    ),
    "text": (lambda path: path.write_text("no image"), "not a PNG or TIFF image"),
}


def as_options(problem: str) -> str:
    """The library names arguments, the shell its options."""
    return re.sub(r"`(\w+)`", lambda found: "--" + found[1].replace("_", "-"), problem)


@pytest.mark.parametrize("side", ["gt", "pred"])
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_named_and_the_rest_scored(evaluate: Any, place: Path, kind: str, side: str) -> None:
    make, said = BAD[kind]
    for folder in ("gt", "pred"):
        save(place / "in" / folder / "good.png", blocks(0, 1, 0))
        if folder == side:
            make(place / "in" / folder / "bad.png")
        else:
            save(place / "in" / folder / "bad.png", blocks(0, 1, 0))
    ran = evaluate("--json", "-q", paths=("in/pred", "in/gt"))
    assert ran.code == 1
    assert "Traceback" not in ran.err
    (failed,) = ran.json["failed"]
    assert failed["name"] == "bad"
    assert failed["why"].startswith(f"in/{side}/bad.")
    assert said in failed["why"]
    assert ran.err.splitlines()[0] == f"error: bad: {as_options(failed['why'])}"
    alone = evaluate("--json", "-q", paths=("in/pred/good.png", "in/gt/good.png")).json
    assert (ran.json["images"], ran.json["overall"]) == (1, alone["overall"])


@pytest.mark.parametrize(
    "name", ["with blank", "a,b", "-dash", "--json", "größe ü 図", "quote'\"", "per%cent", "#hash", "[bold]"]
)
def test_odd_names_go_through_every_output(evaluate: Any, place: Path, name: str) -> None:
    for folder in ("pred", "gt"):
        save(place / "odd" / folder / f"{name}.png", blocks(0, 1))
    ran = evaluate("--json", "--per-image", "rows.csv", "-o", "out.json", "-q", paths=("odd/pred", "odd/gt"))
    assert (ran.code, ran.err) == (0, "")
    assert [row["name"] for row in ran.json["per_image"]] == [name]
    assert json.loads((place / "out.json").read_text(encoding="utf-8")) == ran.json
    (place / "odd" / "gt" / f"{name}.png").write_bytes(b"")
    ran = evaluate("-q", paths=("odd/pred", "odd/gt"))
    assert ran.err.splitlines()[0].startswith(f"error: {name}: odd/gt/{name}.png: is empty")


def test_a_leading_dash_on_the_command_line(evaluate: Any, place: Path) -> None:
    for folder in ("-pred", "-gt"):
        save(place / folder / "a.png", blocks(0, 1))
    assert evaluate("--json", "--", "-pred", "-gt", paths=()).json["overall"]["miou"] == 1
    assert evaluate(paths=("-pred", "-gt")).code == 2


def test_links_out_of_the_folder(evaluate: Any, place: Path) -> None:
    save(place / "elsewhere" / "secret.png", blocks(0, 1))
    (place / "gt" / "secret.png").symlink_to(place / "elsewhere" / "secret.png")
    (place / "gt" / "all").symlink_to(place / "elsewhere")
    ran = evaluate("--json")
    assert (ran.code, ran.json["images"]) == (0, 5)
    said = "gt: 2 links are not followed: gt/all, gt/secret.png; --follow-links reads what they lead to"
    assert ran.err == f"warning: {said}\n"


def test_two_files_of_one_stem(evaluate: Any, place: Path) -> None:
    np.save(place / "gt" / "a.npy", blocks(0, 1))
    ran = evaluate()
    assert ran.code == 1
    assert "equal names but for the suffix; keep one of them" in ran.line


def test_no_partner_at_all(evaluate: Any, place: Path) -> None:
    save(place / "other" / "x.png", blocks(0, 1))
    for missing in ("error", "skip"):
        ran = evaluate("--missing", missing, paths=("other", "gt"))
        assert ran.code == 1
        assert "other: no prediction for 5 of 5 ground truths (a, b, city/c, ...)" in ran.line


def test_fewer_classes_than_the_data_hold(evaluate: Any, place: Path) -> None:
    save(place / "gt" / "e.png", np.ones((44, 50)))
    ran = evaluate("--num-classes", "2", "--json", "-q")
    assert ran.code == 1
    for failed in ran.json["failed"]:
        assert "ground-truth label 2 (" in failed["why"]
        assert "is no class: classes are 0..1, 255 is ignored" in failed["why"]
        assert failed["why"].endswith("; correct `num_classes`, `classes` or `ignore_index`")
    assert [row["name"] for row in ran.json["per_image"]] == ["e"]


def test_predicted_ids_out_of_range_are_a_warning(evaluate: Any, place: Path) -> None:
    np.save(place / "pred" / "a.npy", np.full((40, 62), -7, np.int16))
    np.save(place / "pred" / "e.npy", np.full((44, 50), 2**40))
    ran = evaluate("--json", "--num-classes", "3")
    assert ran.code == 0
    assert ran.err == f"warning: predicted labels that are no class count as wrong: -7 in 1 image, {2**40} in 1 image\n"


def test_predicted_masks_of_0_and_255(evaluate: Any, place: Path) -> None:
    save(place / "mask" / "a.png", blocks(0, 255, 0))
    save(place / "truth" / "a.png", blocks(0, 1, 0))
    ran = evaluate("-q", paths=("mask", "truth"))
    assert ran.code == 0
    assert "the predictions hold 0 and 255; add --pred-labels 255:1" in ran.err
    ran = evaluate("-q", "--num-classes", "2", paths=("truth", "mask"))
    assert "the ground truth holds 0 and 255 and the predictions hold 0 and 1, where 255 is ignored" in ran.err


def test_links_are_followed_where_that_is_asked_for(evaluate: Any, place: Path) -> None:
    for side in ("pred", "gt"):
        save(place / "cache" / side / "linked.png", blocks(0, 1))
        (place / side / "linked.png").symlink_to(place / "cache" / side / "linked.png")
    ran = evaluate("--json", "--follow-links")
    assert (ran.code, ran.json["images"], ran.err) == (0, 6, "")
