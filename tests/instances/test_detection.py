"""Average precision: the values of trusted tools, and the definition written anew."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from convneur.data import packed
from convneur.data.coco import best_detections, read_ground_truth, read_results
from convneur.errors import ConfigError
from convneur.instances import evaluate_detection
from convneur.instances.average_precision import AveragePrecision
from convneur.instances.image_scores import ImageEntries, ObjectReading, image_scores

NAMES = {
    "AP": "ap", "AP50": "ap50", "AP75": "ap75", "APs": "ap_small", "APm": "ap_medium", "APl": "ap_large",
    "AR100": "ar100",
}  # fmt: skip
LIMITS = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}


@pytest.mark.parametrize(
    ("tool", "kind"),
    [
        ("pycocotools.segm", "mask"),
        ("boundary_iou_api.segm", "mask"),
        ("faster_coco_eval.segm", "mask"),
        ("boundary_iou_api.boundary", "boundary"),
        ("faster_coco_eval.boundary", "boundary"),
    ],
)
def test_values_of_other_tools(tool: str, kind: str, cases: Path, oracles: dict[str, Any]) -> None:
    found = evaluate_detection(cases / "coco" / "detections.json", cases / "coco" / "gt.json")
    theirs, ours = oracles["coco"][tool], getattr(found, kind)
    for name, key in NAMES.items():
        assert ours[key] == pytest.approx(theirs[name], abs=1e-12), name
    by_class = {str(row["class"]): row[kind]["ap"] for row in found.per_class}
    assert by_class == pytest.approx(theirs["per_category_AP"], abs=1e-12)
    assert (found.images, found.objects, found.detections) == (11, 49, 72)


def test_boxes_have_the_values_of_pycocotools(cases: Path) -> None:
    found = evaluate_detection(cases / "boxes" / "detections.json", cases / "boxes" / "gt.json")
    assert (found.mask, found.boundary) == (None, None)
    assert found.box is not None
    theirs = json.loads((cases / "boxes" / "pycocotools.json").read_text())
    assert dict(found.box) == pytest.approx(theirs, abs=1e-12)


def test_a_second_model_is_compared_on_the_same_draws(cases: Path, tmp_path: Path) -> None:
    gt, results = cases / "boxes" / "gt.json", cases / "boxes" / "detections.json"
    perfect = tmp_path / "perfect.json"
    objects = json.loads(gt.read_text())["annotations"]
    perfect.write_text(json.dumps([{**each, "score": 0.5} for each in objects if not each["iscrowd"]]))
    found = evaluate_detection(perfect, gt, against=results, resamples=40)
    assert found.box is not None
    assert found.against is not None
    assert found.box["ap"] == pytest.approx(1)
    row = found.against["box"]["ap"]
    assert row["difference"] == pytest.approx(1 - row["second"])
    assert 0 < row["low"] < row["difference"] < row["high"] < 1
    with pytest.warns(UserWarning, match="`against` is `results` itself"):
        same = evaluate_detection(results, gt, against=results, resamples=5).against
    assert same is not None
    assert same["box"]["ap50"]["low"] == same["box"]["ap50"]["high"] == 0


def test_a_draw_has_the_values_of_a_data_set_with_its_images(cases: Path, tmp_path: Path) -> None:
    """The third image held twice, the others not at all or once."""
    content = json.loads((cases / "boxes" / "gt.json").read_text())
    found = json.loads((cases / "boxes" / "detections.json").read_text())
    held = [0, 1, 2, 0, 1, 1, 1, 1, 1, 1, 1, 1]
    totals = AveragePrecision([each["id"] for each in content["categories"]])
    truth = read_ground_truth(cases / "boxes" / "gt.json")
    results = read_results(cases / "boxes" / "detections.json", truth)
    for image in truth.images.values():
        entries = ImageEntries(
            image, truth.objects.get(image.id, ()), [best_detections(results.get(image.id, ()), 100)]
        )
        scored = image_scores(entries, reading=ObjectReading(truth.path, [Path("r")], ["box"]))
        assert not isinstance(scored, str)
        totals.add(scored.of_results[0]["box"])
    drawn = totals.resampled(np.array([held], np.uint8))[0]
    images, annotations, detections = [], [], []
    for number, times in enumerate(held):
        for copy in range(times):
            images.append({**content["images"][number], "id": 100 * copy + number})
            for kind, source in ((annotations, content["annotations"]), (detections, found)):
                kind += [{**each, "image_id": 100 * copy + number} for each in source if each["image_id"] == number]
    for number, each in enumerate(annotations):
        each["id"] = number
    (tmp_path / "gt.json").write_text(json.dumps({**content, "images": images, "annotations": annotations}))
    (tmp_path / "found.json").write_text(json.dumps(detections))
    whole = evaluate_detection(tmp_path / "found.json", tmp_path / "gt.json").box
    assert whole is not None
    assert drawn.tolist() == pytest.approx([whole[key] for key in ("ap", "ap50", "ap75")], abs=0.02)


# The definition, an image, a class and a threshold at a time.


def overlap(kind: str, pred: Any, gt: Any, crowd: bool) -> float:
    common = (pred & gt).sum()
    if crowd:
        return float(common / pred.sum())
    value = common / (pred | gt).sum()
    if kind == "mask":
        return float(value)
    depth = max(1, round(0.02 * math.hypot(*gt.shape)))
    bands = [mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=depth) for mask in (pred, gt)]
    return float(min(value, (bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum()))


def matched(kind: str, found: list[Any], objects: list[Any], threshold: float, low: float, high: float) -> list[Any]:
    """(score, right or None where it does not count) of one image and class."""
    ignored = [each["crowd"] or not low <= each["area"] <= high for each in objects]
    taken: set[int] = set()
    out = []
    for each in sorted(found, key=lambda each: -each["score"])[:100]:
        values = [overlap(kind, each["mask"], gt["mask"], gt["crowd"]) for gt in objects]
        for pool in (False, True):
            best = [
                at for at in range(len(objects))
                if ignored[at] == pool and values[at] >= min(threshold, 1 - 1e-10)
                and (at not in taken or objects[at]["crowd"])
            ]  # fmt: skip
            if best:
                break
        if best:
            at = max(best, key=lambda at: (values[at], at))
            taken.add(at)
            out.append((each["score"], None if ignored[at] else True))
        else:
            out.append((each["score"], False if low <= each["mask"].sum() <= high else None))
    return out


def average_precision(kind: str, images: list[Any], category: int, area: str) -> float:
    values = []
    for threshold in np.linspace(0.5, 0.95, 10):
        entries, objects = [], 0
        for found, truths in images:
            own = [each for each in truths if each["category"] == category]
            low, high = LIMITS[area]
            objects += sum(not each["crowd"] and low <= each["area"] <= high for each in own)
            entries += matched(
                kind, [each for each in found if each["category"] == category], own, threshold, low, high
            )
        if not objects:
            return math.nan
        counted = [right for _, right in sorted(entries, key=lambda entry: -entry[0]) if right is not None]
        points = [(sum(counted[: at + 1]) / objects, sum(counted[: at + 1]) / (at + 1)) for at in range(len(counted))]
        reached = [max((p for r, p in points if r >= recall), default=0.0) for recall in np.linspace(0, 1, 101)]
        values.append(sum(reached) / 101)
    return float(np.mean(values))


@pytest.mark.parametrize("seed", range(3))
def test_values_by_definition(seed: int, coco: Callable[..., tuple[Path, Path]]) -> None:
    random = np.random.default_rng(seed)
    images = {int(number): tuple(random.integers(40, 140, 2).tolist()) for number in (9, 4, 6)}
    objects, detections = [], []
    for number, (height, width) in images.items():
        for _ in range(int(random.integers(2, 7))):
            mask = np.zeros((height, width), bool)
            y, x = random.integers(0, height - 4), random.integers(0, width - 4)
            mask[y : y + random.integers(3, height), x : x + random.integers(3, width)] = True
            mask[:: random.integers(3, 9)] = False
            if not mask.any():
                continue
            crowd = bool(random.random() < 0.2)
            shared = {"image_id": number, "category_id": int(random.integers(1, 3))}
            objects.append({**shared, "mask": mask, "iscrowd": int(crowd), "area": float(mask.sum() * 1.1)})
            for _ in range(int(random.integers(0, 4))):
                near = np.roll(mask, random.integers(-2, 3, 2), (0, 1))
                detections.append({**shared, "mask": near, "score": round(float(random.random()), 1)})
    found = evaluate_detection(*coco(images, objects, detections))

    def of(each: dict[str, Any]) -> dict[str, Any]:
        return {"mask": each["mask"], "category": each["category_id"], "crowd": each.get("iscrowd") == 1,
                "area": each.get("area"), "score": each.get("score")}  # fmt: skip

    by_image = [
        tuple([of(each) for each in side if each["image_id"] == number] for side in (detections, objects))
        for number in sorted(images)
    ]
    for row in found.per_class:
        for kind in ("mask", "boundary"):
            for area in LIMITS:
                key = "ap" if area == "all" else f"ap_{area}"
                wanted = average_precision(kind, by_image, row["class"], area)
                assert row[kind][key] == pytest.approx(wanted, abs=1e-12, nan_ok=True), (kind, row["class"], area)


def square(at: int, side: int = 10) -> Any:
    mask = np.zeros((40, 60), bool)
    mask[at : at + side, at : at + side] = True
    return mask


def test_a_perfect_prediction_scores_one_and_an_empty_one_nothing(coco: Callable[..., tuple[Path, Path]]) -> None:
    objects = [{"mask": square(3)}, {"mask": square(20), "category_id": 2}]
    found = evaluate_detection(*coco({1: (40, 60)}, objects, objects))
    assert found.mask["ap"] == found.boundary["ap"] == found.mask["ar100"] == 1.0
    assert math.isnan(found.mask["ap_large"])
    empty = evaluate_detection(*coco({1: (40, 60)}, objects, []))
    assert empty.mask["ap"] == empty.boundary["ap_small"] == 0.0
    assert evaluate_detection(*coco({1: (40, 60)}, [], objects)).to_dict()["mask"]["ap"] != 0  # NaN: no object


def test_equal_overlaps_take_the_later_object_and_exact_thresholds_match(
    coco: Callable[..., tuple[Path, Path]],
) -> None:
    # IoU of exactly 0.5 is a match here, where objects of label maps need more.
    half = square(3)
    half[:, 8:] = False
    found = evaluate_detection(*coco({1: (40, 60)}, [{"mask": square(3)}], [{"mask": half}]), metrics="mask_ap")
    assert found.mask["ap50"] == 1.0
    assert found.mask["ap"] == pytest.approx(0.1)
    assert found.boundary is None


def test_mask_areas_come_from_masks_even_beside_a_box(coco: Callable[..., tuple[Path, Path]]) -> None:
    objects = [{"mask": square(2, 30), "area": 900}]
    missed = {"mask": square(30, 9), "score": 0.9, "bbox": [0, 0, 60, 60]}
    found = evaluate_detection(*coco({1: (40, 60)}, objects, [missed, {"mask": square(2, 30), "score": 0.5}]))
    assert found.mask["ap_small"] == 0.5  # the missed one is small, and counts among the small
    assert math.isnan(found.mask["ap_medium"])


def test_an_id_of_zero_counts(coco: Callable[..., tuple[Path, Path]]) -> None:
    # Where matches are kept as ids, object 0 is taken for none.
    found = evaluate_detection(
        *coco({0: (40, 60)}, [{"id": 0, "mask": square(3), "category_id": 0}], [{"mask": square(3), "category_id": 0}],
              categories=[0])
    )  # fmt: skip
    assert found.mask["ap"] == 1.0


def test_one_hundred_detections_of_a_class_and_image(coco: Callable[..., tuple[Path, Path]]) -> None:
    wrong = [{"mask": square(20), "score": 0.9}] * 100
    last = {"mask": square(3), "score": 0.1}
    objects = [{"mask": square(3)}]
    assert evaluate_detection(*coco({1: (40, 60)}, objects, [*wrong, last])).mask["ap"] == 0
    assert evaluate_detection(*coco({1: (40, 60)}, objects, [*wrong[1:], last])).mask["ap"] > 0


def test_polygons_by_pycocotools(coco: Callable[..., tuple[Path, Path]]) -> None:
    pytest.importorskip("pycocotools", reason="pip install pycocotools")
    corners = [[4.0, 4.0, 14.0, 4.0, 14.0, 14.0, 4.0, 14.0]]
    found = evaluate_detection(*coco({1: (40, 60)}, [{"segmentation": corners, "area": 100}], [{"mask": square(4)}]))
    assert found.mask["ap"] == 1.0
    far = [[4.0, 4.0, 1e9, 4.0, 14.0, 14.0]]
    with pytest.warns(UserWarning, match="far outside its image of 40x60 pixels"):
        found = evaluate_detection(*coco({1: (40, 60)}, [{"segmentation": far, "area": 100}], []))
    assert [failure.name for failure in found.failed] == ["image 1 (1.jpg)"]


def test_metrics_that_there_are(coco: Callable[..., tuple[Path, Path]]) -> None:
    paths = coco({1: (40, 60)}, [{"mask": square(3)}], [])
    for wrong in ("pixel_ap", (), "mask_ap,boundary_ap"):
        with pytest.raises(ConfigError, match="choose all, or some of box_ap, mask_ap, boundary_ap"):
            evaluate_detection(*paths, metrics=wrong)


def test_long_files_are_packed_in_parts(cases: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = cases / "coco" / "detections.json", cases / "coco" / "gt.json"
    whole = evaluate_detection(*paths).to_dict()
    monkeypatch.setattr(packed, "_MOST_OPEN", 3)
    assert evaluate_detection(*paths).to_dict() == whole
