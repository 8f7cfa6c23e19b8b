"""`convneur eval-boundary` through its entry point: output, exit codes, files, and what goes wrong."""

import csv
import json
import math
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import convneur.evaluation.run
from convneur.metrics import BoundaryAccumulator, BoundarySettings, score_pair
from convneur.metrics.settings import DEFAULT_METRICS
from convneur_cli.app import main

CASES = Path(__file__).parents[2] / "metrics" / "cases"
DISTANCES = ("hausdorff", "hd95", "assd", "masd")


def save(path: Path, labels: np.ndarray) -> None:
    Image.fromarray(labels).save(path)


def same(ours: Any, theirs: Any) -> None:
    """JSON against figures: null is NaN, numbers equal to the last bit."""
    if isinstance(theirs, Mapping):
        assert ours.keys() == {str(key) for key in theirs}
        for key, value in theirs.items():
            same(ours[str(key)], value)
    elif isinstance(theirs, (list, tuple)):
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    elif isinstance(theirs, float) and math.isnan(theirs):
        assert ours is None
    else:
        assert ours == theirs


# --- the result ---


def test_json_has_the_keys_and_figures_of_the_contract(evaluate: Any, place: Path) -> None:
    ran = evaluate(
        "--json", "--tolerance", "0.008,3px,0.75%diag", "--trimap-width", "3,1", "--surface-dice-tau", "1,2.50"
    )
    assert ran.code == 0
    result = ran.json
    assert result["schema"] == "convneur.boundary/1"
    assert result["images"] == 5
    assert result["failed"] == []
    metric_keys = set(DEFAULT_METRICS)
    assert metric_keys <= result["overall"].keys()
    assert [row["class"] for row in result["per_class"]] == [0, 1, 2]
    assert [row["name"] for row in result["per_image"]] == ["a", "b", "city/c", "city/d", "e"]
    for row in (result["overall"], *result["per_class"], *result["per_image"]):
        assert metric_keys <= row.keys()
        assert list(row["boundary_f1"]) == ["0.008", "3px", "0.75%diag"]
        assert list(row["trimap_miou"]) == ["3", "1"]
        assert list(row["surface_dice"]) == ["1", "2.50"]
        for metric in DISTANCES:
            assert list(row[metric]) == ["finite_mean", "penalised_mean", "missed", "spurious"]
        for metric in ("boundary_iou", "miou", "pixel_accuracy"):
            assert row[metric] is None or 0 <= row[metric] <= 1

    settings = BoundarySettings(
        num_classes=3, tolerance=("0.008", "3px", "0.75%diag"), trimap_width=(3, 1), surface_dice_tau=("1", "2.50")
    )
    total = BoundaryAccumulator(settings)
    for name in ("e", "city/c", "a", "b", "city/d"):
        gt = np.asarray(Image.open(place / "gt" / f"{name}.png"))
        total.add(name, score_pair(np.load(place / "pred" / f"{name}.npy"), gt, settings))
    expected = total.summary()
    same(result["overall"], expected.overall)
    same(result["per_class"], expected.per_class)
    same(result["per_image"], expected.per_image)


def test_settings_and_definitions_are_in_the_result(evaluate: Any) -> None:
    settings = evaluate("--json").json["settings"]
    assert settings["num_classes"] == 3
    assert settings["num_classes_from"] == "highest ground-truth label + 1"
    assert settings["tolerance"] == ["0.008"]
    assert settings["trimap_width"] == [1, 3, 5, 10]
    assert (settings["trimap_seed"], settings["trimap_seed_asked"]) == ("class", "auto")
    assert settings["definitions"]["hd95"] == "directed: larger 95th percentile, px"
    settings = evaluate("--json", "--hd95", "pooled", "--spacing", "2,0.5", "--aggregate", "pooled").json["settings"]
    assert settings["definitions"]["hd95"] == "pooled: 95th percentile of both, units of spacing 2 x 0.5"
    assert settings["spacing"] == [2, 0.5]


def test_options_reach_the_metrics(evaluate: Any) -> None:
    plain = evaluate("--json").json
    for arguments, path in (
        (("--hd95", "pooled"), ("hd95", "finite_mean")),
        (("--connectivity", "8"), ("assd", "finite_mean")),
        (("--spacing", "3,1"), ("hausdorff", "finite_mean")),
        (("--aggregate", "pooled"), ("boundary_f1", "0.008")),
        (("--trimap-seed", "void"), ("trimap_miou", "3")),
        (("--trimap-shape", "disk"), ("trimap_miou", "3")),
        (("--boundary-iou-ratio", "0.1"), ("boundary_iou",)),
        (("--ignore-index", "1", "--num-classes", "256"), ("miou",)),
        (("--count-absent", "--num-classes", "9"), ("boundary_f1", "0.008")),
    ):
        before, after = plain["overall"], evaluate("--json", *arguments).json["overall"]
        for step in path:
            before, after = before[step], after[step]
        assert before != after, arguments


def test_only_the_metrics_asked_for(evaluate: Any) -> None:
    ran = evaluate("--json", "--metrics", "miou,hd95")
    assert list(ran.json["overall"]) == ["hd95", "miou", "presence"]
    ran = evaluate("--metrics", "pixel_accuracy")
    assert "Pixel accuracy" in ran.out
    assert "Hausdorff" not in ran.out
    assert "penalised" not in ran.out


def test_single_files(evaluate: Any) -> None:
    result = evaluate("--json", paths=("pred/a.npy", "gt/a.png")).json
    assert [row["name"] for row in result["per_image"]] == ["a"]


def test_the_oracle_case_through_the_command(evaluate: Any) -> None:
    """One value per metric that another tool gave, end to end."""
    case = json.loads((CASES / "oracles.json").read_text())["cases"]["e07_ignore"]
    pair = (str(CASES / "pred" / "e07_ignore.png"), str(CASES / "gt" / "e07_ignore.png"))
    row = evaluate("--json", "--num-classes", "3", paths=pair).json["per_class"][1]
    theirs = case["per_class"]["1"]
    assert row["boundary_f1"]["0.008"] == pytest.approx(theirs["davis2017.f_measure|bound_th=0.008"], abs=1e-9)
    assert row["hausdorff"]["finite_mean"] == pytest.approx(theirs["medpy.hd|connectivity=1"], abs=1e-9)
    assert row["hd95"]["finite_mean"] == pytest.approx(theirs["MetricsReloaded.hd95"], abs=1e-9)
    assert row["assd"]["finite_mean"] == pytest.approx(theirs["medpy.assd|connectivity=1"], abs=1e-9)
    assert row["masd"]["finite_mean"] == pytest.approx(theirs["MetricsReloaded.masd"], abs=1e-9)
    assert row["surface_dice"]["2"] == pytest.approx(theirs["MetricsReloaded.nsd|2"], abs=1e-9)
    assert row["boundary_iou"] == pytest.approx(theirs["boundary_iou_api|dilation_ratio=0.02"], abs=1e-9)
    assert row["trimap_miou"]["3"] == pytest.approx(case["trimap"]["class_boundary|square|w=3"]["iou"][1], abs=1e-9)


# --- for people ---


def test_the_report_names_definitions_labels_and_counts(evaluate: Any, place: Path) -> None:
    (place / "names.txt").write_text("sky\nroad\na rather long name of a class\n")
    ran = evaluate("--classes", "names.txt", "--tolerance", "1px,3px", "--num-classes", "3")
    assert (ran.code, ran.err) == (0, "")
    assert "5 pairs scored; 3 classes (as named); 255 ignored." in ran.out
    assert "Labels in the ground truth: 0 " in ran.out
    assert "255 (ignored) 4." in ran.out
    assert "Boundary F1 @ 1px" in ran.out
    assert "Boundary F1 @ 3px" in ran.out
    assert "directed: larger 95th percentile, px" in ran.out
    assert "near class changes (auto), square, one matrix" in ran.out
    assert "missed 1, spurious 0" in ran.out
    assert "a rather long nam…" in ran.out
    by_class = ran.out[ran.out.index("By class") :].splitlines()
    assert max(map(len, by_class)) <= 100
    assert "F1@1px" in by_class[1]


def test_classes_in_no_map_are_not_listed(evaluate: Any) -> None:
    ran = evaluate("--num-classes", "150")
    assert "147 classes occur in no map and are left out of every mean." in ran.out
    assert ran.out.count("\n") < 60


def test_masks_of_0_and_255(evaluate: Any, place: Path) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[5:9, 5:25] = 255
    for folder in ("gt", "pred"):
        save(place / folder / "mask.png", mask)
    pair = ("pred/mask.png", "gt/mask.png")
    ran = evaluate(paths=pair)
    assert ran.code == 0
    assert "255 (ignored) 13.33%" in ran.out
    assert "where 255 is ignored; add --pred-labels 255:1 --gt-labels 255:1" in ran.err
    ran = evaluate("--pred-labels", "255:1", "--gt-labels", "255:1", "--json", paths=pair)
    assert ran.json["overall"]["boundary_f1"]["0.008"] == 1
    assert [row["miou"] for row in ran.json["per_class"]] == [1, 1]
    ran = evaluate("--ignore-index", "none", "--json", paths=pair)
    assert [row["class"] for row in ran.json["per_class"]] == [0, 255], "those that occur"
    ran = evaluate("--strict", "-o", "scores.json", paths=pair)
    assert ran.code == 3
    assert ran.err.startswith("error: these look like masks")
    assert not list(place.glob("scores*"))
    ran = evaluate("--ignore-index", "none", "--num-classes", "2", paths=pair)
    assert ran.code == 1
    assert "mask: ground-truth label 255 (13.33% of the pixels) is no class: classes are 0..1" in ran.err


def test_stray_predictions_and_ignored_images_are_one_warning_each(evaluate: Any, place: Path) -> None:
    for name in ("a", "e"):
        pred = np.load(place / "pred" / f"{name}.npy")
        pred[-3:] = 77
        np.save(place / "pred" / f"{name}.npy", pred)
    save(place / "gt" / "b.png", np.full((41, 59), 255, np.uint8))
    ran = evaluate("--json", "--num-classes", "3")
    assert ran.code == 0
    assert ran.err.splitlines() == [
        "warning: predicted labels that are no class count as wrong: 77 in 2 images",
        "warning: 1 image ignored altogether, adding nothing: b",
    ]
    assert ran.json["images"] == 5
    assert ran.json["labels"]["prediction"]["77"]["pixels"] > 0
    assert "77 in 2 images; if they are classes, add --num-classes" in evaluate().err


def test_a_tolerance_wider_than_objects_is_warned_of(evaluate: Any, place: Path) -> None:
    thin = np.zeros((50, 60), np.uint8)
    thin[20:23, 5:50] = 1
    for folder in ("gt", "pred"):
        save(place / folder / "thin.png", thin)
    pair = ("pred/thin.png", "gt/thin.png")
    ran = evaluate("--tolerance", "1px,5px", paths=pair)
    assert ran.code == 0
    assert "warning: tolerance 5px reaches across 1 of 1 ground-truth object of 1, whose F1" in ran.err
    assert "tolerance 1px" not in ran.err


# --- files ---


def test_every_figure_can_be_computed_again_from_the_per_image_rows(evaluate: Any, place: Path) -> None:
    ran = evaluate("--json", "--per-image", "rows.csv", "--aggregate", "mean", "--spacing", "2,0.5")
    result = ran.json
    with (place / "rows.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["image"] for row in rows} == {"a", "b", "city/c", "city/d", "e"}
    by_class = defaultdict(list)
    for row in rows:
        by_class[int(row["class"])].append(row)
    means = {"boundary_f1[0.008]": ("boundary_f1", "0.008"), "surface_dice[2]": ("surface_dice", "2")}
    means["boundary_iou"] = ("boundary_iou",)
    overall: dict[Any, list[float]] = defaultdict(list)

    def equals(value: float | None, expected: list[float], path: Any) -> None:
        if not expected:
            assert value is None
            return
        mean = math.fsum(expected) / len(expected)
        overall[path].append(mean)
        assert value == pytest.approx(mean, abs=1e-12)

    for label, found in by_class.items():
        target = result["per_class"][label]
        for column, path in means.items():
            value = target
            for step in path:
                value = value[step]
            equals(value, [float(row[column]) for row in found if row[column]], path)
        for metric in DISTANCES:
            values = [(float(row[metric]), float(row["diagonal"])) for row in found]
            equals(target[metric]["finite_mean"], [v for v, _ in values if v < math.inf], (metric, "finite_mean"))
            penalised = [diagonal if value == math.inf else value for value, diagonal in values]
            equals(target[metric]["penalised_mean"], penalised, (metric, "penalised_mean"))
            assert target[metric]["missed"] == sum(row["gt_pixels"] != "0" == row["pred_pixels"] for row in found)
        gt, pred, right = (sum(int(row[f"{part}_pixels"]) for row in found) for part in ("gt", "pred", "agreeing"))
        equals(target["miou"], [right / (gt + pred - right)], ("miou",))
        gt, pred, right = (
            sum(int(row[f"trimap_class_{part}[3]"]) for row in found) for part in ("gt", "pred", "agreeing")
        )
        equals(target["trimap_miou"]["3"], [right / (gt + pred - right)], ("trimap_miou", "3"))
    for path, values in overall.items():
        value = result["overall"]
        for step in path:
            value = value[step]
        assert value == pytest.approx(math.fsum(values) / len(values), abs=1e-12), path
    accuracy = sum(int(row["agreeing_pixels"]) for row in rows) / sum(int(row["gt_pixels"]) for row in rows)
    assert result["overall"]["pixel_accuracy"] == pytest.approx(accuracy)

    pooled = evaluate("--json", "--aggregate", "pooled").json["per_class"][1]["boundary_f1"]["0.008"]
    one = {key: sum(int(row[key]) for row in by_class[1]) for key in ("gt_boundary", "pred_boundary")}
    one |= {key: sum(int(row[f"matched_{key}[0.008]"]) for row in by_class[1]) / count for key, count in one.items()}
    precision, recall = one["pred_boundary"], one["gt_boundary"]
    assert pooled == pytest.approx(2 * precision * recall / (precision + recall))


def test_an_ignored_image_keeps_a_row(evaluate: Any, place: Path) -> None:
    save(place / "gt" / "b.png", np.full((41, 59), 255, np.uint8))
    evaluate("--per-image", "rows.csv")
    assert b"\r" not in (place / "rows.csv").read_bytes()  # as every table of the package
    with (place / "rows.csv").open(newline="", encoding="utf-8") as file:
        (row,) = [row for row in csv.DictReader(file) if row["image"] == "b"]
    assert (row["height"], row["class"], row["gt_pixels"]) == ("41", "", "")


def test_output_as_json_and_csv(evaluate: Any, outputs: Any, place: Path) -> None:
    ran = evaluate("--json", "-o", "out.json", "-q")
    assert ran.err == ""
    assert json.loads((place / "out.json").read_text(encoding="utf-8")) == ran.json
    ran = evaluate("--output", "out.csv", "--per-image", "rows.csv")
    assert ran.err.splitlines() == ["written: out.csv", "written: rows.csv"]
    with (place / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["overall", "0", "1", "2"]
    result = json.loads((place / "out.json").read_text(encoding="utf-8"))
    assert float(rows[0]["boundary_f1[0.008]"]) == result["overall"]["boundary_f1"]["0.008"]
    assert float(rows[2]["hausdorff[penalised_mean]"]) == result["per_class"][1]["hausdorff"]["penalised_mean"]
    assert outputs() == {"out.json", "out.csv", "rows.csv"}


def test_undefined_is_null_in_json_and_empty_in_csv(evaluate: Any, place: Path) -> None:
    ran = evaluate("--json", "--num-classes", "4", "-o", "out.csv", "--per-image", "rows.csv")
    assert ran.json["per_class"][3]["boundary_iou"] is None
    assert ran.json["per_class"][3]["hausdorff"] == {
        "finite_mean": None,
        "penalised_mean": None,
        "missed": 0,
        "spurious": 0,
    }
    assert "nan" not in (place / "out.csv").read_text().lower()
    assert ",inf," in (place / "rows.csv").read_text()  # class 1 missed in b


@pytest.mark.parametrize("option", ["-o", "--per-image"])
def test_outputs_are_not_overwritten(evaluate: Any, place: Path, option: str) -> None:
    (place / "old.csv").write_text("precious")
    ran = evaluate(option, "old.csv")
    assert ran.code == 1
    assert ran.line == "error: old.csv: exists already; choose another name or add --force"
    assert (place / "old.csv").read_text() == "precious"
    assert evaluate(option, "old.csv", "--force").code == 0
    assert (place / "old.csv").read_text() != "precious"


# --- what goes wrong ---


def broken(place: Path) -> dict[str, str]:
    """Make four pairs impossible to score; name -> what must be said of it."""
    Image.new("RGB", (62, 40)).save(place / "gt" / "a.png")
    np.save(place / "pred" / "b.npy", np.zeros((59, 41), np.uint8))
    (place / "gt" / "city" / "c.png").write_bytes((place / "gt" / "city" / "c.png").read_bytes()[:99])
    save(place / "gt" / "city" / "d.png", np.full((43, 53), 9, np.uint8))
    return {
        "a": "gt/a.png: holds colours (RGB), not class ids",
        "b": "the prediction is 59x41 but the ground truth 41x59 (height x width): height and width are exchanged",
        "city/c": "gt/city/c.png: damaged or cut short",
        "city/d": "ground-truth label 9 (100.00% of the pixels) is no class",
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_broken_pairs_are_named_and_the_rest_is_scored(evaluate: Any, place: Path, workers: int) -> None:
    said = broken(place)
    ran = evaluate("--num-classes", "3", "--workers", workers, "--json", "-o", "out.json", "-q")
    assert ran.code == 1
    assert "Traceback" not in ran.err
    lines = ran.err.splitlines()
    assert lines[-1] == "error: 4 of 5 pairs could not be scored and are in none of the values"
    assert [item["name"] for item in ran.json["failed"]] == list(said)
    for line, item, (name, why) in zip(lines, ran.json["failed"], said.items(), strict=False):
        typed = re.sub(r"`(\w+)`", lambda named: "--" + named[1].replace("_", "-"), item["why"])
        assert line == f"error: {name}: {typed}"
        assert item["why"].startswith(why)
    assert ran.json["images"] == 1
    assert [row["name"] for row in ran.json["per_image"]] == ["e"]
    assert json.loads((place / "out.json").read_text(encoding="utf-8")) == ran.json


def test_strict_stops_at_the_first_broken_pair_and_writes_nothing(evaluate: Any, outputs: Any, place: Path) -> None:
    broken(place)
    ran = evaluate("--num-classes", "3", "--strict", "-o", "out.json", "--per-image", "rows.csv")
    assert ran.code == 1
    assert ran.line.startswith("error: a: gt/a.png: holds colours (RGB)")
    assert outputs() == set()


def test_nothing_that_can_be_scored(evaluate: Any, place: Path) -> None:
    for path in (place / "gt").rglob("*.png"):
        path.write_bytes(b"")
    ran = evaluate("--json")
    assert ran.code == 1
    assert ran.json["images"] == 0
    assert ran.json["overall"]["miou"] is None
    assert len(ran.json["failed"]) == 5
    assert evaluate().code == 1


def test_missing_predictions_fail_before_any_work(evaluate: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "pred" / "b.npy").unlink()
    save(place / "pred" / "more.png", np.zeros((3, 3), np.uint8))
    with monkeypatch.context() as patched:
        patched.setattr(convneur.evaluation.run, "worker_map", lambda *_: pytest.fail("began to work"))
        ran = evaluate("-o", "out.json")
    assert ran.code == 1
    assert "no prediction for 1 of 5 ground truths (b)" in ran.line
    ran = evaluate("--missing", "skip", "--json")
    assert ran.code == 0
    assert ran.json["images"] == 4
    assert ran.err.splitlines() == [
        "warning: 1 prediction without a ground truth, ignored: more",
        "warning: 1 ground truth without a prediction, skipped: b",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tolerance", "3 pixels"], "tolerance 3 pixels: must be a number from 0, such as 0.008, 3px or 0.75%diag"),
        (["--tolerance", "1,,2"], "tolerance : must be"),
        (["--trimap-width", "wide"], "--trimap-width wide: must be a whole number"),
        (["--trimap-width", "0"], "--trimap-width 0"),
        (["--surface-dice-tau", "-1"], "tau -1"),
        (["--ignore-index", "never"], "--ignore-index never: must be a whole number"),
        (["--metrics", "miou,jaccard"], "--metrics jaccard: must be one of"),
        (["--spacing", "1"], "--spacing 1: give the height and the width of a pixel"),
        (["--spacing", "1,0"], "spacing (1.0, 0.0)"),
        (["--num-classes", "0"], "--num-classes 0"),
        (["--boundary-iou-ratio", "2"], "ratio 2"),
        (["--hd95", "mean"], "'mean' is not one of 'directed', 'pooled'"),
        (["--connectivity", "6"], "'6' is not one of '4', '8'"),
        (["--workers", "-1"], "greater than or equal to 0"),
        (["--preset", "imagenet"], "'imagenet' is not one of 'ade20k', 'cityscapes', 'voc', 'camvid', 'coco-stuff'"),
        (["-o", "out.txt"], "--output out.txt: must end in .json, .csv, .md, .tex"),
        (["--per-image", "out.json"], "--per-image out.json: must end in .csv"),
        (["-o", "x.csv", "--per-image", "./x.csv"], "is --output too"),
        (["--classes", "none.txt"], "none.txt: no such file or folder"),
        (["--digits", "2", "-o", "out.json"], "--digits: is for .md and .tex"),
        (["--resamples", "10"], "--resamples 10: is for the intervals of a comparison; give --against too"),
        (["--figures-count", "2"], "--figures-count: says what is drawn; give --figures or --report too"),
    ],
)
def test_wrong_usage_is_exit_2_and_one_line(
    evaluate: Any, outputs: Any, place: Path, arguments: list[str], said: str
) -> None:
    ran = evaluate(*arguments)
    assert ran.code == 2
    assert said in ran.line
    assert outputs() == set()


@pytest.mark.parametrize(
    ("paths", "code", "said"),
    [
        (("nowhere", "gt"), 2, "nowhere: no such file or folder"),
        (("pred", "nowhere"), 2, "nowhere: no such file or folder"),
        (("pred", "gt/a.png"), 2, "give two files or two folders"),
        (("pred/a.npy", "notes.txt"), 1, "notes.txt: not a label map"),
        (("empty", "gt"), 1, "empty: no label map in it"),
        (("pred", "empty"), 1, "empty: no label map in it"),
    ],
)
def test_wrong_paths(evaluate: Any, place: Path, paths: tuple[str, str], code: int, said: str) -> None:
    (place / "empty").mkdir()
    (place / "notes.txt").write_text("notes")
    ran = evaluate("--strict", paths=paths)
    assert ran.code == code
    assert said in ran.line


@pytest.mark.parametrize(
    ("content", "arguments", "code", "said"),
    [
        (b"sky\nroad\n", ["--num-classes", "3"], 2, "names.txt names 2"),
        (b"", [], 1, "names.txt: is empty"),
        (b"sky\n\nroad\n", [], 1, "line 2 is empty"),
        (b"sky\nroad\nsky\n", [], 1, "line 3 is a repetition"),
        (b"\xff\xfe\x00", [], 1, "is no UTF-8 text"),
    ],
)
def test_wrong_class_files(
    evaluate: Any, place: Path, content: bytes, arguments: list[str], code: int, said: str
) -> None:
    (place / "names.txt").write_bytes(content)
    ran = evaluate("--classes", "names.txt", *arguments)
    assert ran.code == code
    assert said in ran.line


def test_the_class_file_gives_the_number_of_classes(evaluate: Any, place: Path) -> None:
    (place / "names.txt").write_bytes("\ufeffsky\r\nroad\r\nwater\r\nrare\r\n\n".encode())
    result = evaluate("--classes", "names.txt", "--json").json
    assert [row["name"] for row in result["per_class"]] == ["sky", "road", "water", "rare"]
    (place / "names.txt").write_text("sky\nroad\n")
    ran = evaluate("--classes", "names.txt", "-q")
    assert ran.code == 1
    assert "ground-truth label 2" in ran.err


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(["eval-boundary", "--help"])
    assert not raised.value.code
    assert "convneur eval-boundary predictions/ labels/" in " ".join(capsys.readouterr().out.split())


def test_torch_is_never_loaded(place: Path) -> None:
    code = (
        "import sys\n"
        "from convneur_cli.app import main\n"
        "try:\n"
        "    main(['eval-boundary', 'pred', 'gt', '--json', '-o', 'out.json'])\n"
        "except SystemExit as stopped:\n"
        "    loaded = {'torch', 'matplotlib', 'skimage', 'fvcore'} & sys.modules.keys()\n"
        "    sys.exit(f'loads {loaded}' if loaded else stopped.code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "written: out.json\n")
    assert json.loads(done.stdout)["images"] == 5


def test_the_installed_command(place: Path) -> None:
    command = shutil.which("convneur", path=str(Path(sys.executable).parent))
    assert command
    done = subprocess.run([command, "eval-boundary", "pred", "gt", "-q"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("5 pairs scored; 3 classes (highest ground-truth label + 1); 255 ignored.")
