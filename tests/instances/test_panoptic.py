"""Panoptic quality: the values of trusted tools, and the definition written anew."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from convneur.errors import ConfigError, InputError
from convneur.instances import evaluate_panoptic


@pytest.mark.parametrize(
    ("tool", "kind"),
    [
        ("panopticapi.pq", "pq"),
        ("boundary_iou_api.pq|segm", "pq"),
        ("boundary_iou_api.pq|boundary", "boundary_pq"),
    ],
)
def test_values_of_other_tools(tool: str, kind: str, cases: Path, oracles: dict[str, Any]) -> None:
    found = evaluate_panoptic(cases / "panoptic" / "pred.json", cases / "panoptic" / "gt.json")
    theirs = oracles["panoptic"][tool]
    for group in ("All", "Things", "Stuff"):
        wanted = {key: theirs[group][key] for key in ("pq", "sq", "rq")}
        assert dict(getattr(found, kind)[group.lower()]) == pytest.approx(wanted, abs=1e-12)
    for row in found.per_class:
        counts, values = theirs["counts"][str(row["class"])], theirs["per_class"][str(row["class"])]
        assert {key: row[kind][key] for key in ("tp", "fp", "fn")} == {key: counts[key] for key in ("tp", "fp", "fn")}
        assert row[kind]["sq"] * row[kind]["tp"] == pytest.approx(counts["iou"], abs=1e-12)
        assert {key: row[kind][key] for key in values} == pytest.approx(values, abs=1e-12)


Maps = list[tuple[Any, dict[int, tuple[int, int]]]]
"""Of each image the ids (H, W), and category and crowd of each id."""


@pytest.fixture
def panoptic(tmp_path: Path) -> Callable[[Maps, Maps], tuple[Path, Path]]:
    def write(preds: Maps, gts: Maps) -> tuple[Path, Path]:
        paths = []
        for name, maps in (("pred", preds), ("gt", gts)):
            folder = tmp_path / name
            folder.mkdir(exist_ok=True)
            annotations = []
            for number, (ids, about) in enumerate(maps):
                colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=-1).astype(np.uint8)
                Image.fromarray(colours).save(folder / f"{number}.png")
                segments = [{"id": id, "category_id": category, "iscrowd": crowd, "area": 1}
                            for id, (category, crowd) in about.items()]  # fmt: skip
                annotations.append({"image_id": number, "file_name": f"{number}.png", "segments_info": segments})
            categories = [{"id": number, "name": f"c{number}", "isthing": int(number < 3)} for number in (1, 2, 3)]
            paths.append(folder.with_suffix(".json"))
            paths[-1].write_text(json.dumps({"annotations": annotations, "categories": categories}))
        return paths[0], paths[1]

    return write


def by_definition(preds: Maps, gts: Maps, *, boundary: bool) -> dict[int, tuple[int, int, int, float]]:
    """tp, fp, fn and the sum of overlaps by category, segment by segment."""

    def band(mask: Any) -> Any:
        if not boundary:
            return mask
        depth = max(1, round(0.02 * math.hypot(*mask.shape)))
        return mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=depth)

    out = {}
    for category in (1, 2, 3):
        tp = fp = fn = 0
        total = 0.0
        for (pred, pred_about), (gt, gt_about) in zip(preds, gts, strict=True):
            void = gt == 0
            matched: set[tuple[str, int]] = set()
            for p, (p_category, _) in pred_about.items():
                for g, (g_category, crowd) in gt_about.items():
                    if p_category != category or g_category != category or crowd:
                        continue
                    values = []
                    for a, b in ((pred == p, gt == g), (band(pred == p), band(gt == g))):
                        values.append((a & b).sum() / ((a | b).sum() - (a & void).sum()))
                    if min(values) > 0.5:
                        tp, total = tp + 1, total + min(values)
                        matched |= {("p", p), ("g", g)}
            fn += sum(c == category and not crowd and ("g", g) not in matched for g, (c, crowd) in gt_about.items())
            for p, (p_category, _) in pred_about.items():
                if p_category == category and ("p", p) not in matched:
                    crowds = [g for g, (c, crowd) in gt_about.items() if c == category and crowd]
                    apart = void | np.isin(gt, crowds)
                    fp += int((apart & (pred == p)).sum() / (pred == p).sum() <= 0.5)
        out[category] = tp, fp, fn, total
    return out


def random_maps(seed: int) -> tuple[Maps, Maps]:
    random = np.random.default_rng(seed)
    preds, gts = [], []
    for _ in range(3):
        shape = tuple(random.integers(25, 60, 2))
        noise = ndimage.gaussian_filter(random.standard_normal((7, *shape)), (0, 5, 5))
        gt = noise.argmax(axis=0)
        pred = np.roll(gt, random.integers(-2, 3, 2), (0, 1))
        pred[: random.integers(1, 9)] = 0
        for maps, ids in ((gts, gt * 301), (preds, pred * 65537)):
            maps.append((ids, {int(id): (int(random.integers(1, 4)), int(maps is gts and random.random() < 0.3))
                               for id in np.unique(ids) if id}))  # fmt: skip
        # As many pairs of one category as not.
        for (g, (category, _)), p in zip(gts[-1][1].items(), preds[-1][1], strict=False):
            if random.random() < 0.7 and g:
                preds[-1][1][p] = category, 0
    return preds, gts


@pytest.mark.parametrize("seed", range(6))
def test_values_by_definition(seed: int, panoptic: Callable[[Maps, Maps], tuple[Path, Path]]) -> None:
    preds, gts = random_maps(seed)
    found = evaluate_panoptic(*panoptic(preds, gts))
    for kind in ("pq", "boundary_pq"):
        wanted = by_definition(preds, gts, boundary=kind == "boundary_pq")
        for row in found.per_class:
            tp, fp, fn, total = wanted[row["class"]]
            assert (row[kind]["tp"], row[kind]["fp"], row[kind]["fn"]) == (tp, fp, fn), (kind, row["class"])
            if tp + fp + fn:
                assert row[kind]["pq"] == pytest.approx(total / (tp + fp / 2 + fn / 2), abs=1e-12)
                assert row[kind]["sq"] == pytest.approx(total / tp if tp else 0, abs=1e-12)
            else:
                assert math.isnan(row[kind]["pq"])
        defined = [row[kind]["pq"] for row in found.per_class if row["thing"] and not math.isnan(row[kind]["pq"])]
        assert getattr(found, kind)["things"]["pq"] == pytest.approx(sum(defined) / len(defined), abs=1e-12)


def halves(left: int, right: int) -> Any:
    ids = np.full((20, 20), left)
    ids[:, 10:] = right
    return ids


def test_void_and_crowd_drop_what_lies_mostly_on_them(panoptic: Callable[[Maps, Maps], tuple[Path, Path]]) -> None:
    # Unlike where ignored pixels leave a map first: what is left of a prediction on void does not count.
    thirteen = np.zeros((20, 20), int)
    thirteen[:, 7:] = 5
    found = evaluate_panoptic(*panoptic([(thirteen, {5: (1, 0)})], [(halves(7, 0), {7: (1, 0)})]))
    assert [found.per_class[0]["pq"][key] for key in ("tp", "fp", "fn")] == [0, 0, 1]
    crowd = evaluate_panoptic(*panoptic([(thirteen, {5: (1, 0)})], [(halves(7, 9), {7: (1, 0), 9: (1, 1)})]))
    assert crowd.per_class[0]["pq"]["fp"] == 0
    other = evaluate_panoptic(*panoptic([(thirteen, {5: (1, 0)})], [(halves(7, 9), {7: (1, 0), 9: (2, 1)})]))
    assert other.per_class[0]["pq"]["fp"] == 1
    assert other.per_class[0]["pq"]["sq"] == 0


def test_an_overlap_of_exactly_one_half_is_no_match(panoptic: Callable[[Maps, Maps], tuple[Path, Path]]) -> None:
    pred = np.zeros((20, 20), int)
    pred[:, :10] = 5
    about = {5: (1, 0)}
    found = evaluate_panoptic(*panoptic([(pred, about)], [(np.full((20, 20), 5), about)]))
    assert found.per_class[0]["pq"]["tp"] == 0


def test_workers_make_no_difference(cases: Path) -> None:
    paths = cases / "panoptic" / "pred.json", cases / "panoptic" / "gt.json"
    assert evaluate_panoptic(*paths, workers=2).to_dict() == evaluate_panoptic(*paths).to_dict()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda file: file["annotations"][0]["segments_info"].pop(), "has id 9, which segments_info of"),
        (lambda file: file["annotations"][0]["segments_info"].append({"id": 4, "category_id": 1}), "no pixel of id 4"),
        (lambda file: file["annotations"][0]["segments_info"][0].update(category_id=8), "is of category 8, which"),
        (lambda file: file["annotations"][0]["segments_info"].append({"id": 9, "category_id": 1}), "stands twice in"),
        (lambda file: file["annotations"][0].update(file_name="../0.png"), "leads out of"),
        (lambda file: file["annotations"][0].update(file_name="none.png"), "no such file"),
    ],
)  # fmt: skip
def test_an_image_that_cannot_be_scored_is_left_out(
    change: Any, why: str, panoptic: Callable[[Maps, Maps], tuple[Path, Path]]
) -> None:
    both = [(halves(7, 9), {7: (1, 0), 9: (2, 0)})] * 2
    pred, gt = panoptic(both, both)
    file = json.loads(pred.read_text())
    change(file)
    pred.write_text(json.dumps(file))
    with pytest.warns(UserWarning, match="image 0"):
        found = evaluate_panoptic(pred, gt)
    (failure,) = found.failed
    assert failure.name.startswith("image 0 (")
    assert why in failure.why
    assert (found.images, found.pq["all"]["pq"]) == (1, 1.0)


def test_files_that_are_none(panoptic: Callable[[Maps, Maps], tuple[Path, Path]], tmp_path: Path) -> None:
    both = [(halves(7, 9), {7: (1, 0), 9: (2, 0)})] * 2
    pred, gt = panoptic(both[:1], both)
    with pytest.raises(InputError, match=r"no prediction for 1 of 2 images \(image 1 \(1.png\)\); `missing=\"skip\"`"):
        evaluate_panoptic(pred, gt)
    with pytest.warns(UserWarning, match="1 image without a prediction, skipped"):
        assert evaluate_panoptic(pred, gt, missing="skip").images == 1
    with pytest.raises(ConfigError, match="missing drop: must be error or skip"):
        evaluate_panoptic(pred, gt, missing="drop")  # type: ignore[arg-type]
    panoptic(both, both)
    Image.new("L", (20, 20), 7).save(tmp_path / "pred" / "0.png")
    with pytest.warns(UserWarning, match="holds grey values; write the ids of segments as colours"):
        assert evaluate_panoptic(pred, gt).images == 1
    for text, why in (
        ("[]", "must be an object"),
        ('{"annotations": []}', "categories: is missing or empty"),
        ('{"annotations": [{"image_id": 1, "file_name": "a.png"}]}', r"annotations\[0\].segments_info: is missing"),
    ):
        gt.write_text(text)
        with pytest.raises(InputError, match=why):
            evaluate_panoptic(pred, gt)
    with pytest.raises(InputError, match=r"pred: is a folder; name the JSON file .*, .*pred\.json$"):
        evaluate_panoptic(tmp_path / "pred", gt)
    with pytest.raises(InputError, match=r"no folder .* beside it"):
        evaluate_panoptic(pred.rename(tmp_path / "moved.json"), gt)
