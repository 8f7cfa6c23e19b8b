"""`convneur eval-detection`: its contract."""

import csv
import json
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

Change = Callable[[Any], Any]
SAMPLES = Path(str(files("convneur") / "data" / "samples"))
PATHS = str(SAMPLES / "detections.json"), str(SAMPLES / "instances.json")


@pytest.fixture
def run(command: Any) -> Any:
    return command("eval-detection")


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """The samples with something changed in the results or the ground truth: paths."""

    def write(
        results: Callable[[Any], Any] | None = None, truth: Callable[[Any], Any] | None = None
    ) -> tuple[str, str]:
        out = []
        for path, change in zip(PATHS, (results, truth), strict=True):
            value = json.loads(Path(path).read_text(encoding="utf-8"))
            if change is not None:
                value = change(value) or value
            out.append(str(tmp_path / Path(path).name))
            Path(out[-1]).write_text(value if isinstance(value, str) else json.dumps(value))
        return out[0], out[1]

    return write


def test_a_table_and_json(run: Any) -> None:
    assert run(*PATHS) == 0
    assert run.out.startswith("8 images scored; 391 objects of 1 class, 298 detections.\n")
    assert "│ AP        │ 0.3705 │ 0.3633 │   0.3591 │" in run.out
    assert run(*PATHS, "--json") == 0
    assert run.err == ""
    found = run.json
    keys = ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"]
    keys += ["ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"]
    assert found["schema"] == "convneur.detection/1"
    assert list(found["box"]) == list(found["mask"]) == list(found["boundary"]) == keys
    assert found["mask"]["ap"] == pytest.approx(0.3633383, abs=1e-7)
    assert found["mask"]["ap_large"] is None
    (row,) = found["per_class"]
    assert (row["class"], row["name"], row["objects"], row["detections"]) == (1, "nucleus", 391, 298)
    assert row["boundary"] == found["boundary"]
    assert found["failed"] == []
    assert run(*PATHS, "--json", "--metrics", "mask_ap") == 0
    assert run.json["boundary"] is None
    assert run.json["mask"] == found["mask"]


def test_files_in_four_formats(run: Any, tmp_path: Path) -> None:
    for kind in ("json", "csv", "md", "tex"):
        assert run(*PATHS, "--json", "-o", str(tmp_path / f"scores.{kind}")) == 0
        assert run.err == f"written: {tmp_path / f'scores.{kind}'}\n"
    assert json.loads((tmp_path / "scores.json").read_text()) == run.json
    with (tmp_path / "scores.csv").open(newline="") as file:
        overall, nucleus = csv.DictReader(file)
    assert (overall["class"], nucleus["name"], nucleus["objects"]) == ("overall", "nucleus", "391")
    assert float(overall["boundary_ap50"]) == run.json["boundary"]["ap50"]
    assert "| AP | 0.3705 | 0.3633 | 0.3591 |" in (tmp_path / "scores.md").read_text()
    assert r"AP & 0.3705 & 0.3633 & 0.3591 \\" in (tmp_path / "scores.tex").read_text()
    assert run(*PATHS, "-o", str(tmp_path / "scores.md")) == 1
    assert "add --force" in run.line
    assert run(*PATHS, "-q", "--force", "-o", str(tmp_path / "scores.md")) == 0
    assert run(*PATHS, "-o", "scores.txt") == 2


def test_wrong_usage(run: Any, tmp_path: Path) -> None:
    assert run(PATHS[0], str(tmp_path / "none.json")) == 2
    assert run.line == f"error: GT.json {tmp_path / 'none.json'}: no such file or folder"
    assert run(*PATHS, "--metrics", "pixel_ap") == 2
    assert run.line == "error: --metrics pixel_ap: choose all, or some of box_ap, mask_ap, boundary_ap"
    assert run(PATHS[1], PATHS[0]) == 1
    assert "give the results first, then the ground truth" in run.line
    assert run(str(tmp_path), PATHS[1]) == 1
    assert "is a folder; name a file" in run.line


def set_at(*place: Any) -> Callable[[Any], None]:
    """Change what stands somewhere: keys and numbers, then the new value; None removes it."""

    def change(value: Any) -> None:
        *keys, last, new = place
        for key in keys:
            value = value[key]
        if new is None:
            del value[last]
        else:
            value[last] = new

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_at("annotations", 3, "area", None), "4 (image 21 (21.jpg)): has no area; write the number of pixels"),
        (set_at("annotations", 3, "image_id", 99), "annotation 4 is of image 99, which images lacks"),
        (set_at("annotations", 3, "category_id", 9), "annotation 4 (image 21 (21.jpg)) is of category 9"),
        (set_at("annotations", 3, "id", 1), "annotation id 1 stands twice; mend it, or leave such out with --invalid"),
        (set_at("annotations", 3, "bbox", [9, 9, 0, 5]), "4 (image 21 (21.jpg)): its box of 0x5 pixels"),
        (set_at("annotations", 3, "bbox", [900, 9, 4, 5]), "its box at 900,9 lies outside its image of 256x256 pixels"),
        (set_at("annotations", 3, "iscrowd", 2), "annotation 4 (image 21 (21.jpg)): iscrowd: must be 0 or 1, not 2"),
        (set_at("annotations", 3, "segmentation", "x"), "4 (image 21 (21.jpg)): segmentation: must be run lengths"),
        (set_at("annotations", 3, "segmentation", [[1, 2, 3, 4]]), "segmentation[0]: must be the x and y of three"),
        (set_at("annotations", 3, "segmentation", [[1, 2] * 3 + [1e300] * 2]), "a number that lies in no image"),
        (set_at("images", 0, "height", 10**9), "pixels, more than 67108864"),
        (set_at("images", 0, "height", None), "images[0].height: is missing"),
        (set_at("images", 1, "id", 21), "images[1]: id 21 stands twice"),
        (set_at("images", 0, "width", 0), "256x0 pixels are no image"),
        (set_at("categories", []), "categories: is missing or empty"),
    ],
)  # fmt: skip
def test_ground_truth_that_is_none(change: Any, said: str, run: Any, changed: Any) -> None:
    paths = changed(truth=change)
    assert run(*paths) == 1
    assert run.line.startswith(f"error: {paths[1]}: ")
    assert said in run.line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_at(5, "score", None), "[5] (image 21 (21.jpg)): score: is missing"),
        (set_at(5, "score", "high"), '[5] (image 21 (21.jpg)): score: must be a number, not "high"'),
        (set_at(5, "image_id", 7), "[5]: is of image 7, which"),
        (set_at(5, "image_id", True), "[5]: image_id: must be a whole number, not true"),
        (set_at(5, "category_id", 0), "[5] (image 21 (21.jpg)): is of category 0, and"),
        (set_at(5, "segmentation", "counts", [1.5]), "(21.jpg)): segmentation.counts: must be text or a list of whole"),
        (set_at(5, "segmentation", "size", [3]), "[5] (image 21 (21.jpg)): segmentation.size: needs 2 values, not 1"),
        (set_at(5, 7), "[5]: must be an object"),
        (lambda value: "[" * 9999, "nested too deep"),
        (lambda value: json.dumps(value)[:-900], "is cut short"),
        (lambda value: json.dumps(value).replace("0.967", "NaN", 1), "(21.jpg)): score: is nan; give a finite number"),
    ],
)  # fmt: skip
def test_results_that_are_none(change: Any, said: str, run: Any, changed: Any) -> None:
    paths = changed(results=change)
    assert run(*paths) == 1
    assert run.line.startswith(f"error: {paths[0]}: ")
    assert said in run.line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_at(0, "segmentation", "counts", [5, 7]), "its runs have 12 pixels, its image 65536 (256x256)"),
        (set_at(0, "segmentation", "counts", "~~"), "no run lengths as COCO compresses them"),
        (set_at(0, "segmentation", "size", [128, 256]), "its mask is for 128x256 pixels, its image is 256x256"),
        (set_at(0, "segmentation", None), "has no segmentation, and mask AP is of masks"),
    ],
)  # fmt: skip
def test_an_image_with_a_mask_that_is_none_is_left_out(change: Any, said: str, run: Any, changed: Any) -> None:
    paths = changed(results=change)
    assert run(*paths, "--json") == 1
    first, last = run.err.splitlines()
    assert first.startswith(f"error: image 21 (21.jpg): {paths[0]}: [0]: ")
    assert said in first
    assert last == "error: 1 of 8 images could not be scored and are in none of the values"
    (failure,) = run.json["failed"]
    assert failure["name"] == "image 21 (21.jpg)"
    assert run.json["images"] == 7
    assert run.json["mask"]["ap"] > 0


def mangled(value: Any) -> str:
    """Results with one entry of each kind that cannot be, behind sound ones."""
    first = value[0]
    wrong = [{"image_id": 7}, {"category_id": 0}, {"score": float("nan")}, {"bbox": [1, 2]}, {"bbox": [1, 1, -1, 1]}]
    wrong += [{"segmentation": {"size": [256, 256], "counts": counts}} for counts in ("~~", [5, 7])]
    return json.dumps([*value, *({**first, **each} for each in wrong), 7])


def test_what_cannot_be_is_skipped_where_that_is_asked(run: Any, changed: Any) -> None:
    sound = changed()
    assert run(*sound, "--json") == 0
    scores = run.json

    def truth(value: Any) -> None:
        box = value["annotations"][0]
        value["annotations"] += [
            {**box, "id": 1000, "bbox": [900, 1, 2, 2]},
            {**box},
            {**box, "id": 1001, "category_id": 5},
        ]

    paths = changed(results=mangled, truth=truth)
    assert run(*paths, "--json", "--invalid", "skip") == 0
    found = run.json
    said = found["skipped"]
    wanted = [
        f"{paths[1]}: annotations[392] (image 21 (21.jpg)): annotation id 1 stands twice",
        f"{paths[1]}: annotation 1001 (image 21 (21.jpg)) is of category 5, which categories lacks",
        f"{paths[0]}: [298]: is of image 7, which {paths[1]} lacks",
        f"{paths[0]}: [299] (image 21 (21.jpg)): is of category 0, and",
        f"{paths[0]}: [300] (image 21 (21.jpg)): score: is nan",
        f"{paths[0]}: [301] (image 21 (21.jpg)): bbox: must be x, y, width and height",
        f"{paths[0]}: [302] (image 21 (21.jpg)): bbox: has a side below 0",
        f"{paths[0]}: [305]: must be an object",
        f"{paths[1]}: annotation 1000 (image 21 (21.jpg)): its box at 900,1 lies outside its image",
        f"{paths[0]}: [303] (image 21 (21.jpg)): its counts are no run lengths",
        f"{paths[0]}: [304] (image 21 (21.jpg)): its runs have 12 pixels, its image 65536",
    ]
    assert len(said) == len(wanted)
    for line, start in zip(sorted(said), sorted(wanted), strict=True):
        assert line.startswith(start)
    lines = run.err.splitlines()
    assert len(lines) == 4  # three of them, then how many more
    assert lines[-1] == "warning: 8 more entries left out; the result has them under skipped"
    for key in ("box", "mask", "boundary", "per_class", "per_image", "by_iou"):
        assert found[key] == scores[key]


def test_results_of_another_data_set_are_refused(run: Any, changed: Any) -> None:
    def elsewhere(value: Any) -> Any:
        return [{**each, "image_id": each["image_id"] + 1000} for each in value]

    paths = changed(results=elsewhere)
    assert run(*paths) == 1
    assert f"[0]: is of image 1021, which {paths[1]} lacks; give results of the same images" in run.line
    assert run(*paths, "--invalid", "skip", "-q") == 1
    why = f"[0]: is of image 1021, which {paths[1]} lacks; give results of the same images"
    assert run.line == f"error: {paths[0]}: holds no detection that can be scored; {why}"


def test_class_numbers_for_category_ids_are_no_results_of_other_images(run: Any, changed: Any) -> None:
    paths = changed(results=lambda value: [{**each, "category_id": each["category_id"] + 1000} for each in value])
    assert run(*paths, "--invalid", "skip", "-q") == 1
    assert "holds no detection that can be scored; [0] (image 21 (21.jpg)): is of category 10" in run.line
    assert "give results of the same images" not in run.line
    assert "write the category ids of the ground truth, not class numbers" in run.line


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("--resamples", "9"), "--resamples 9: is for the intervals of a comparison; give --against too"),
        (("--figures-count", "2"), "--figures-count 2: says how much is drawn; give --report too"),
    ],
)
def test_an_option_that_says_nothing_is_refused(run: Any, given: tuple[str, ...], says: str) -> None:
    assert run(*PATHS, *given) == 2
    assert run.line == f"error: {says}"


def test_results_against_themselves_are_noticed(run: Any) -> None:
    assert run(*PATHS, "--against", PATHS[0], "--resamples", "2") == 0
    assert run.err == "warning: --against is RESULTS.json itself; give a second model's\n"


def test_workers_change_nothing(run: Any, tmp_path: Path) -> None:
    second = tmp_path / "second.json"
    second.write_text(json.dumps(json.loads(Path(PATHS[0]).read_text(encoding="utf-8"))[::2]))
    assert run(*PATHS, "--json", "--against", str(second), "--resamples", "9") == 0
    one = run.out
    assert run(*PATHS, "--json", "--against", str(second), "--resamples", "9", "--workers", "2") == 0
    assert run.out == one


def test_a_page_with_the_worst_images(run: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    images = str(SAMPLES / "nuclei" / "images")
    assert run(*PATHS, "--report", str(page), "--images", images, "--figures-count", "2") == 0
    assert run.err == f"written: {page}\n"
    found = json.loads(page.read_text(encoding="utf-8").split('id="data">')[1].split("</script>")[0])
    assert [each["name"] for each in found["pictures"]] == ["23.jpg", "27.jpg"]
    assert found["pictures"][0]["heading"] == "worst 1 of 8: F1 0.4865"
    assert all(each["photo"].startswith("data:image/webp") for each in found["pictures"])
    kinds = [each["kind"] for panel in found["pictures"][0]["panels"] for each in panel["objects"]]
    assert [kinds.count(kind) for kind in ("missed", "spurious", "matched")] == [14, 5, 18]
    assert found["curves"][1]["values"][0] == pytest.approx(0.6217890, abs=1e-7)
    assert run(*PATHS, "--report", str(page)) == 1
    assert "add --force" in run.line
    assert run(*PATHS, "--report", str(page), "--force", "-q", "--images", str(tmp_path)) == 1
    assert run(*PATHS, "--images", images) == 2
    assert run.line == "error: --images: says what is drawn; give --report too"
    assert run(*PATHS, "--report", str(tmp_path / "page.png")) == 2


def test_polygons_need_pycocotools(run: Any, changed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    paths = changed(truth=set_at("annotations", 3, "segmentation", [[1, 1, 9, 1, 9, 9]]))
    for invalid in ("error", "skip"):  # left out, its objects would be missing from the scores
        assert run(*paths, "--json", "--invalid", invalid) == 2
        assert run.line == "error: segmentation: polygons need pycocotools; pip install pycocotools"
