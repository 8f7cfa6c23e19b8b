"""Sets prepared in wrong ways: each is warned of once, and what the warning says leads to the right values."""

import re
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from convneur.errors import ConfigError, InputError, SuspiciousInputError
from convneur.evaluation import evaluate

Maps = list[np.ndarray]
METRICS = ("boundary_f1", "miou")
LABELS = re.compile(r"`(pred_labels|gt_labels|ignore_index) ([^`]+)`")


def scenes(
    classes: int, *, present: int, images: int = 4, shape: tuple[int, int] = (72, 96), seed: int = 0
) -> tuple[Maps, Maps]:
    """Regions, and predictions as of a model: wavy boundaries, a blob missed, another invented."""
    preds, gts = [], []
    for number in range(images):
        random = np.random.default_rng(100 * seed + number)
        chosen = np.append(0, np.sort(1 + random.permutation(classes - 1)[: present - 1]))
        fields = ndimage.gaussian_filter(random.standard_normal((present, *shape)), (0, 9, 9))
        fields[: present // 2, : shape[0] // 2] += 0.02  # some lie above, some below, as sky and road do
        wobble = ndimage.gaussian_filter(random.standard_normal(fields.shape), (0, 3, 3))
        gts.append(chosen[fields.argmax(axis=0)].astype(np.uint8))
        preds.append(chosen[(fields + 0.06 * wobble).argmax(axis=0)].astype(np.uint8))
        y, x = random.integers(shape[0] - 8), random.integers(shape[1] - 8)
        preds[-1][y : y + 6, x : x + 6] = chosen[0]
    return preds, gts


def salted(labels: np.ndarray) -> np.ndarray:
    """Most pixels put elsewhere, as by a model that learned little."""
    random = np.random.default_rng(int(labels.sum()))
    return np.where(random.random(labels.shape) < 0.8, random.permutation(labels.ravel()).reshape(labels.shape), labels)


def discs(images: int = 3) -> tuple[Maps, Maps]:
    """Masks of some round objects, 0 and 1."""
    y, x = np.mgrid[:60, :80]
    preds, gts = [], []
    for number in range(images):
        random = np.random.default_rng(number)
        gt, pred = np.zeros((2, 60, 80), np.uint8)
        for _ in range(4):
            cy, cx, radius = random.integers(8, 50), random.integers(8, 70), random.integers(4, 11)
            gt[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = 1
            pred[(y - cy - 1) ** 2 + (x - cx) ** 2 < (radius - 0.5) ** 2] = 1
        preds.append(pred)
        gts.append(gt)
    return preds, gts


def written(folder: Path, preds: Maps, gts: Maps) -> tuple[Path, Path]:
    for name, maps in (("pred", preds), ("gt", gts)):
        (folder / name).mkdir(parents=True)
        for number, labels in enumerate(maps):
            Image.fromarray(labels).save(folder / name / f"{number}.png")
    return folder / "pred", folder / "gt"


def scored(folders: tuple[Path, Path], **options: Any) -> Any:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = evaluate(*folders, metrics=METRICS, tolerance="1px", **options)
    assert [str(each.message) for each in said if "failed" not in str(each.message)] == list(found.warnings)
    return found


def jpeg(labels: np.ndarray) -> np.ndarray:
    stream = BytesIO()
    Image.fromarray(labels).save(stream, "JPEG", quality=75)
    return np.asarray(Image.open(stream))


def with_void(maps: Maps) -> Maps:
    return [np.pad(labels[2:-2, 2:-2], 2, constant_values=255) for labels in maps]


def probabilities(mask: np.ndarray) -> np.ndarray:
    soft = ndimage.gaussian_filter(mask.astype(float), 2)
    noise = np.random.default_rng(0).normal(0, 0.02, mask.shape)
    return (255 * np.clip(soft + noise, 0, 1)).astype(np.uint8)


def numbered(mask: np.ndarray) -> np.ndarray:
    return ndimage.label(mask)[0].astype(np.uint8)


def few(most: int, radius: int = 7, images: int = 24) -> tuple[Maps, Maps]:
    """Masks of no object to `most`, that lie apart; of some the model misses one."""
    y, x = np.mgrid[:96, :128]
    preds, gts = [], []
    for number in range(images):
        random = np.random.default_rng(number)
        gt, pred = np.zeros((2, 96, 128), np.uint8)
        places = random.permutation([(r, c) for r in range(12, 96, 24) for c in range(12, 128, 26)])
        for rank, (row, column) in enumerate(places[: number % (most + 1)]):
            gt[(y - row) ** 2 + (x - column) ** 2 < radius**2] = 1
            if rank or number % 3:
                pred[(y - row - 1) ** 2 + (x - column) ** 2 < radius**2] = 1
        preds.append(pred)
        gts.append(gt)
    return preds, gts


def from_the_right(mask: np.ndarray) -> np.ndarray:
    """Numbered in another order."""
    return np.ascontiguousarray(numbered(mask[:, ::-1])[:, ::-1])


def organs() -> tuple[Maps, Maps]:
    """Each class one object that is in nearly all images; the model takes some for their neighbours."""
    y, x = np.mgrid[:96, :128]
    preds, gts = [], []
    for number in range(24):
        random = np.random.default_rng(number)
        gt, pred = np.zeros((2, 96, 128), np.uint8)
        for organ in range(1, 7):
            if random.random() < 0.15 and organ in (2, 5):
                continue
            at = (y - 20 - 50 * (organ // 4)) ** 2 + (x - 20 - 40 * (organ % 3)) ** 2
            gt[at < 100] = organ
            pred[at < 90] = organ if random.random() < 0.6 else organ % 6 + 1
        preds.append(pred)
        gts.append(gt)
    return preds, gts


def trimap(mask: np.ndarray, grey: int = 128, white: int = 255) -> np.ndarray:
    band = ndimage.binary_dilation(mask) & ~ndimage.binary_erosion(mask)
    return np.where(band, grey, mask * white).astype(np.uint8)


def every_other(maps: Maps) -> Maps:
    """Masks of which some have 255 for the object."""
    return [m * np.uint8(255) if number % 2 else m for number, m in enumerate(maps)]


def with_class_18(maps: Maps) -> Maps:
    return [np.pad(m[:, 12:], ((0, 0), (12, 0)), constant_values=18) for m in maps]


def spread(labels: np.ndarray) -> np.ndarray:
    return labels.astype(int) * 255 // 18


def interpolated(labels: np.ndarray) -> np.ndarray:
    half = Image.fromarray(labels).resize((labels.shape[1] // 2, labels.shape[0] // 2))
    return np.asarray(half.resize(labels.shape[::-1], Image.Resampling.BILINEAR))


ADE, CITY, DISCS, SQUARE = scenes(150, present=8), scenes(19, present=9), discs(), scenes(6, present=6, shape=(72, 72))
IDS = np.array([7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33], np.uint8)


def each(change: Callable[[np.ndarray], np.ndarray], maps: Maps) -> Maps:
    return [np.ascontiguousarray(change(labels)).astype(np.uint8) for labels in maps]


def rings(shift: int) -> Maps:
    y, x = np.mgrid[:60, :80]
    return [np.minimum(np.hypot(y - 30, x - 40 - k - shift) // 6, 5).astype(np.uint8) for k in range(3)]


def aside(mask: np.ndarray) -> np.ndarray:
    """Void where there is no object."""
    return np.roll(mask, 25, axis=1) * np.uint8(255)


def film() -> tuple[Maps, Maps]:
    """One scene that moves on a little, and predictions that are wrong about most objects in the same way."""
    (pred,), (gt,) = scenes(6, present=6, images=1)
    wrong = np.where(np.isin(pred, (1, 2, 3)), 4, pred).astype(np.uint8)
    return [np.roll(wrong, k, axis=1) for k in range(5)], [np.roll(gt, k, axis=1) for k in range(5)]


SPREAD = (with_class_18(CITY[0]), with_class_18(CITY[1]))
FROM_ONE = each(lambda m: m + 1, CITY[0])
UNLABELLED = each(lambda m: np.where(ndimage.grey_dilation(m, 5) != ndimage.grey_erosion(m, 5), 0, m + 1), CITY[1])

CLEAN: dict[str, tuple[Callable[[], tuple[Maps, Maps]], dict[str, Any]]] = {
    "ADE20K-like, preset": (
        lambda: (ADE[0], each(lambda m: m + 1, ADE[1])),
        {"preset": "ade20k"},
    ),
    "ADE20K-like, numbers": (lambda: scenes(150, present=8), {}),
    "Cityscapes-like": (lambda: (lambda p, g: (p, with_void(g)))(*scenes(19, present=10)), {"num_classes": 19}),
    "one image": (lambda: scenes(11, present=5, images=1), {}),
    "square images": (lambda: scenes(5, present=5, shape=(72, 72)), {}),
    "masks of 0 and 1": (discs, {}),
    "one mask": (lambda: discs(1), {}),
    "masks without an object": (lambda: ([m & 0 for m in discs()[0]], [m & 0 for m in discs()[1]]), {}),
    "masks with void": (lambda: (discs()[0], with_void(discs()[1])), {}),
    "few objects, small, half of them found": (
        lambda: (lambda p, g: (each(lambda m: np.where(np.arange(96)[:, None] < 48, m, 0), p), g))(*few(4, 3)),
        {},
    ),
    "objects of several classes, taken for one another": (organs, {}),
    "perfect": (lambda: (discs()[1], discs()[1]), {}),
    "a model of one class among several": (lambda: (discs()[0], each(numbered, discs()[1])), {"num_classes": 6}),
    "thin rings in order": (lambda: (rings(1), rings(0)), {}),
    "void of its own images": (lambda: (discs()[0], [discs()[1][0], discs()[1][1], aside(discs()[1][2])]), {}),
    "many small classes": (lambda: scenes(60, present=30), {}),
    "frames of a film, a poor model": (lambda: film(), {}),
    "a poor model": (lambda: (lambda p, g: (each(salted, p), g))(*scenes(7, present=6, images=10)), {}),
}


@pytest.mark.parametrize("name", CLEAN)
def test_a_clean_set_is_not_warned_of(tmp_path: Path, name: str) -> None:
    draw, options = CLEAN[name]
    found = scored(written(tmp_path, *draw()), strict=True, **options)
    assert [line for line in found.warnings if "tolerance" not in line] == []


# name -> predictions, ground truth, options, what is said, and the set whose values the advice leads to
# ruff: noqa: E501  # a row per set is read at a glance
MISTAKEN = each(lambda m: np.where(m == 0, 10, m), CITY[0])
LAST = max(int(m.max()) for m in CITY[0])
MOVING = [np.roll(CITY[1][0], 2 * number, axis=1) for number in range(10)]
WRONG: dict[str, tuple[Maps, Maps, dict[str, Any], str, tuple[Maps, Maps] | None]] = {
    "predictions of 1 to 150": (each(lambda m: m + 1, ADE[0]), each(lambda m: m + 1, ADE[1]), {"preset": "ade20k"}, "by -1", ADE),
    "ground truth of 0 to 149": (*ADE, {"preset": "ade20k"}, "holds classes already", ADE),
    "ground truth of 1 to 150": (ADE[0], each(lambda m: m + 1, ADE[1]), {}, r"by \+1", ADE),
    "shifted beside void": (each(lambda m: m + 1, CITY[0]), with_void(CITY[1]), {"num_classes": 19}, "by -1", (CITY[0], with_void(CITY[1]))),
    "shifted, a class taken for another": (each(lambda m: m + 1, MISTAKEN), CITY[1], {"num_classes": 19}, "by -1", (MISTAKEN, CITY[1])),
    "shifted onto the ignored label": (each(lambda m: m + 1, SPREAD[0]), [np.where(m == 255, 19, m) for m in with_void(SPREAD[1])], {"num_classes": 19, "ignore_index": 19}, "by -1", (SPREAD[0], [np.where(m == 255, 19, m) for m in with_void(SPREAD[1])])),
    "ids for train ids": (each(lambda m: IDS[m], CITY[0]), CITY[1], {}, "another way", CITY),
    "labels times ten": (each(lambda m: m * 10, CITY[0]), CITY[1], {}, "another way", CITY),
    "one class left out": (each(lambda m: np.where(m > 4, m - 1, m), CITY[0]), CITY[1], {}, "another way", None),
    "0 and 255, both": (each(lambda m: m * 255, DISCS[0]), each(lambda m: m * 255, DISCS[1]), {}, "masks", DISCS),
    "0 and 255, truth": (DISCS[0], each(lambda m: m * 255, DISCS[1]), {}, "masks", DISCS),
    "0 and 255, truth, nothing ignored": (DISCS[0], each(lambda m: m * 255, DISCS[1]), {"ignore_index": "none"}, "masks", DISCS),
    "0 and 255, predictions": (each(lambda m: m * 255, DISCS[0]), DISCS[1], {}, "masks", DISCS),
    "0 and 100, predictions": (each(lambda m: m * 100, DISCS[0]), DISCS[1], {}, "masks", DISCS),
    "0 and 100, truth": (DISCS[0], each(lambda m: m * 100, DISCS[1]), {}, "masks", DISCS),
    "0 and 255 for two named classes": (each(lambda m: m * 255, DISCS[0]), DISCS[1], {"classes": ["ground", "cell"]}, "masks", DISCS),
    "inverted": (each(lambda m: 1 - m, DISCS[0]), DISCS[1], {}, "another way", DISCS),
    "JPEG, both": (each(lambda m: jpeg(m * 255), DISCS[0]), each(lambda m: jpeg(m * 255), DISCS[1]), {}, "noise", DISCS),
    "JPEG, predictions": (each(lambda m: jpeg(m * 255), DISCS[0]), DISCS[1], {}, "noise", DISCS),
    "probabilities": (each(probabilities, DISCS[0]), DISCS[1], {}, "noise", (each(lambda m: probabilities(m) > 127, DISCS[0]), DISCS[1])),
    "exchanged": (with_void(CITY[1]), CITY[0], {}, "exchanged", None),
    "exchanged, preset": (each(lambda m: m + 1, ADE[1]), ADE[0], {"preset": "ade20k"}, "exchanged|first", None),
    "mirrored": (each(np.fliplr, CITY[0]), CITY[1], {}, "mirrored", None),
    "upside down": (each(np.flipud, CITY[0]), CITY[1], {}, "mirrored", None),
    "transposed": (each(np.transpose, SQUARE[0]), SQUARE[1], {}, r"pred\.T", None),
    "rotated": (each(np.rot90, SQUARE[0]), SQUARE[1], {}, r"rot90\(pred, -1\)", None),
    "one label": (each(lambda m: m * 0, CITY[0]), CITY[1], {}, "every predicted pixel", None),
    "void of 254": (CITY[0], each(lambda m: np.pad(m[2:-2, 2:-2], 2, constant_values=254), CITY[1]), {}, "do not count", (CITY[0], with_void(CITY[1]))),
    "void after the classes": (CITY[0], each(lambda m: np.where(m == 255, LAST + 1, m), with_void(CITY[1])), {}, "do not count", (CITY[0], with_void(CITY[1]))),
    "unlabelled 0": (FROM_ONE, UNLABELLED, {}, "without a label", (FROM_ONE, each(lambda m: np.where(m == 0, 255, m), UNLABELLED))),
    "instances, truth": (DISCS[0], each(numbered, DISCS[1]), {}, "numbers .* objects", DISCS),
    "instances, predictions": (each(numbered, DISCS[0]), DISCS[1], {}, "number .* objects", DISCS),
    "instances, few, both": (each(from_the_right, few(5)[0]), each(numbered, few(5)[1]), {}, "one object each", few(5)),
    "instances, both": (each(from_the_right, few(12)[0]), each(numbered, few(12)[1]), {}, "look like", few(12)),
    "instances in one order, both": (each(numbered, few(9)[0]), each(numbered, few(9)[1]), {}, "one object each", few(9)),
    "0 and 255 in some masks, both": (every_other(DISCS[0]), every_other(DISCS[1]), {}, "some maps", DISCS),
    "0 and 255 in some masks, truth": (DISCS[0], every_other(DISCS[1]), {}, "some maps", DISCS),
    "two classes exchanged": (each(lambda m: np.where(m == 3, 4, np.where(m == 4, 3, m)), CITY[0]), CITY[1], {}, "another way", CITY),
    "trimaps": (DISCS[0], each(trimap, DISCS[1]), {}, "trimaps", (DISCS[0], each(lambda m: trimap(m, 255, 1), DISCS[1]))),
    "trimaps, both": (each(trimap, DISCS[0]), each(trimap, DISCS[1]), {}, "trimaps", (each(lambda m: trimap(m) > 0, DISCS[0]), each(lambda m: trimap(m, 255, 1), DISCS[1]))),
    "trimaps, predictions": (each(trimap, DISCS[0]), DISCS[1], {}, "trimaps", (each(lambda m: trimap(m) > 0, DISCS[0]), DISCS[1])),
    "one of four mirrored": ([np.fliplr(CITY[0][0]), *CITY[0][1:]], CITY[1], {}, "1 of 4 images look mirrored", None),
    "each paired with the next": ([*CITY[0][1:], CITY[0][0]], CITY[1], {}, r"another image: \S*pred/0.png that of \S*gt/1.png, \S*pred/1.png that of \S*gt/2.png", None),
    "of other images": (scenes(7, present=6, images=10, seed=7)[0], scenes(7, present=6, images=10)[1], {}, "of other images as well as their own", None),
    "frames one off": (MOVING[1:], MOVING[:-1], {}, "paired one off", None),
    "two exchanged": (CITY[0][1::-1], CITY[1][:2], {}, r"another image: \S*pred/0.png that of \S*gt/1.png, \S*pred/1.png that of \S*gt/0.png, with", None),
    "probabilities of 16 bits": ([probabilities(m).astype(np.uint16) * 257 for m in DISCS[0]], DISCS[1], {}, "noise", (each(lambda m: probabilities(m) > 127, DISCS[0]), DISCS[1])),
    "spread to 255": (each(spread, SPREAD[0]), each(spread, SPREAD[1]), {}, "spread", SPREAD),
    "interpolated": (each(interpolated, CITY[0]), CITY[1], {}, "interpolation", None),
    "a copy": (with_void(CITY[1]), with_void(CITY[1]), {}, "copy", None),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_set_is_warned_of_and_the_advice_is_right(tmp_path: Path, name: str) -> None:
    preds, gts, options, words, right = WRONG[name]
    folders = written(tmp_path / "wrong", preds, gts)
    (said,) = [line for line in scored(folders, **options).warnings if "tolerance" not in line]
    assert re.search(words, said), said
    with pytest.raises(SuspiciousInputError, match=re.escape(said[:40])):
        evaluate(*folders, metrics=METRICS, strict=True, output=tmp_path / "scores.json", **options)
    assert not list(tmp_path.glob("scores*")), "no result, nothing left to resume"
    if right is None:
        return
    advised = dict(LABELS.findall(said))
    assert advised, said
    followed = scored(folders, **options, **advised)
    assert [line for line in followed.warnings if "tolerance" not in line] == []
    expected = scored(written(tmp_path / "right", *right), **({} if options.get("preset") else options))
    assert followed.overall["boundary_f1"] == expected.overall["boundary_f1"]
    assert followed.overall["miou"] == pytest.approx(expected.overall["miou"], abs=1e-12)


def test_a_class_that_is_to_be_ignored_is_no_sign_of_exchanged_sides(tmp_path: Path) -> None:
    folders = written(tmp_path, *CITY)
    assert [line for line in scored(folders, pred_labels={4: None}).warnings if "tolerance" not in line] == []
    with pytest.raises(ConfigError, match=r"pred_labels 4:ignore: .* give `ignore_index` a number"):
        scored(folders, pred_labels={4: None}, ignore_index="none")


def test_palettes_sorted_anew_in_each_file_are_read_as_colours(tmp_path: Path) -> None:
    colours = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
    maps = [np.minimum(labels, 3) for labels in CITY[0]], [np.minimum(labels, 3) for labels in CITY[1]]
    indexed, rgb = written(tmp_path / "indexed", *maps), written(tmp_path / "rgb", *maps)
    for side, (folder, as_rgb) in enumerate(zip(indexed, rgb, strict=True)):
        for number, labels in enumerate(maps[side]):
            order = [0, 1, 2, 3] if (number + side) % 2 else [0, 1, 3, 2]  # its own inverse
            picture = Image.fromarray(np.array(order, np.uint8)[labels])
            picture.putpalette([value for at in order for value in colours[at]])
            picture.save(folder / f"{number}.png")
            picture.convert("RGB").save(as_rgb / f"{number}.png")
    said = [line for line in scored(indexed).warnings if "tolerance" not in line]
    assert [line.partition(" palettes")[0] for line in said] == ["the predictions'", "the ground truth's"]
    assert all("give `colours` a table" in line for line in said)  # and no one table of labels
    table = tmp_path / "colours.txt"
    table.write_text("".join(f"{r} {g} {b} class {k}\n" for k, (r, g, b) in enumerate(colours)))
    followed = scored(rgb, colours=table)
    assert [line for line in followed.warnings if "tolerance" not in line] == []
    assert followed.overall["miou"] == scored(written(tmp_path / "plain", *maps)).overall["miou"]


def test_advice_takes_in_what_was_given_before(tmp_path: Path) -> None:
    inverted = (each(lambda m: (1 - m) * 255, DISCS[0]), each(lambda m: m * 255, DISCS[1]))
    folders = written(tmp_path / "wrong", *inverted)
    given = {"pred_labels": "255:1", "gt_labels": "255:1"}
    (said,) = scored(folders, **given).warnings
    assert said.endswith("give `pred_labels 0:1,1:0,255:0`")
    found = scored(folders, **given | dict(LABELS.findall(said)))
    assert found.overall["miou"] == scored(written(tmp_path / "right", *DISCS)).overall["miou"]


def test_the_second_model_is_not_advised_to_move_the_first(tmp_path: Path) -> None:
    folders = written(tmp_path, *CITY)
    others, _ = written(tmp_path / "second", FROM_ONE, CITY[1])
    (said,) = [line for line in scored(folders, against=others).warnings if "tolerance" not in line]
    assert said.startswith(f"`against {others}`: ")
    assert said.endswith("score it by itself with `pred_labels -1`, or write its labels anew")


@pytest.mark.parametrize("side", ["pred", "gt"])
def test_cityscapes_files_named_as_ids_that_hold_classes(tmp_path: Path, side: str) -> None:
    named = {"pred": "_leftImg8bit", "gt": "_gtFine_labelIds"} | {side: "_gtFine_labelIds"}
    maps = {"pred": CITY[0], "gt": CITY[1] if side == "gt" else each(lambda m: IDS[m], CITY[1])}
    for name, suffix in named.items():
        (tmp_path / name).mkdir()
        for number, labels in enumerate(maps[name]):
            Image.fromarray(labels).save(tmp_path / name / f"a_{number}{suffix}.png")
    folders = (tmp_path / "pred", tmp_path / "gt")
    (said,) = [line for line in scored(folders, preset="cityscapes").warnings if "tolerance" not in line]
    assert re.search("holds? classes already", said)
    found = scored(folders, preset="cityscapes", **dict(LABELS.findall(said)))
    right = scored(written(tmp_path / "right", *CITY), num_classes=19)
    assert found.overall["miou"] == pytest.approx(right.overall["miou"], abs=1e-12)


def test_ids_beyond_all_classes_are_refused_with_the_mend(tmp_path: Path) -> None:
    preds, gts = tmp_path / "pred", tmp_path / "gt"
    for folder, maps in ((preds, DISCS[0]), (gts, [numbered(m).astype(np.int64) * 1_000_000 for m in DISCS[1]])):
        folder.mkdir()
        for number, labels in enumerate(maps):
            np.save(folder / f"{number}.npy", labels)
    with pytest.raises(InputError, match="ids of objects") as refused:
        evaluate(preds, gts, metrics=METRICS)
    followed = evaluate(preds, gts, metrics=METRICS, **dict(LABELS.findall(str(refused.value))))
    assert followed.overall["miou"] == scored(written(tmp_path / "right", *DISCS)).overall["miou"]


@pytest.mark.parametrize(
    ("code", "mended"),
    [
        (lambda mask: mask - 2, True),
        (lambda mask: np.where(mask == 1, -7, -3), True),
        (lambda mask: mask + 10**10, True),
        (lambda mask: mask + 2 * 10**18, False),
    ],
)
def test_labels_of_any_number_of_digits_end_no_run(
    tmp_path: Path, code: Callable[[np.ndarray], np.ndarray], *, mended: bool
) -> None:
    preds, gts = discs()
    folders = written(tmp_path, preds, gts)
    right = scored(folders).overall["miou"]
    for path in folders[0].iterdir():
        path.unlink()
    for number, pred in enumerate(preds):
        np.save(folders[0] / f"{number}.npy", code(pred.astype(np.int64)))
    line = scored(folders).warnings[0]
    added = dict(LABELS.findall(line))
    assert bool(added) == mended, line
    if mended:
        assert scored(folders, **added).overall["miou"] == right


def test_advice_for_probabilities_is_what_they_can_follow(tmp_path: Path) -> None:
    _, gts = discs()
    for folder in ("pred", "gt"):
        (tmp_path / folder).mkdir()
    for number, gt in enumerate(gts):
        np.save(tmp_path / f"pred/{number}.npy", np.where(gt == 1, 0.1, 0.9))
        np.save(tmp_path / f"gt/{number}.npy", gt)
    with pytest.warns(UserWarning, match="; write 1 - p, or the probability of the class"):
        evaluate(tmp_path / "pred", tmp_path / "gt", probabilities=True, metrics="miou")
    for number, gt in enumerate(gts):
        np.save(tmp_path / f"pred/{number}.npy", np.where(gt == 1, 0.9, 0.1))
        np.save(tmp_path / f"gt/{number}.npy", gt + 1)
    with pytest.warns(UserWarning, match="gt_labels -1") as said:
        evaluate(tmp_path / "pred", tmp_path / "gt", probabilities=True, metrics="miou")
    added = dict(LABELS.findall(str(said[0].message)))
    assert list(added) == ["gt_labels"]
    found = evaluate(tmp_path / "pred", tmp_path / "gt", probabilities=True, metrics="miou", **added)
    assert found.overall["miou"] == 1
