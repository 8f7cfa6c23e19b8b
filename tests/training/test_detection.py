"""Training a detector: annotations as they come, views, resuming bit for bit, and what predict makes of the weights."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image

from convneur.data.annotated import annotated_images
from convneur.data.augmentation import Augmentation
from convneur.data.coco import read_ground_truth, read_results
from convneur.data.run_lengths import mask_of_pixels
from convneur.detection import DetectorSettings, detector_settings
from convneur.detection.views import random_view
from convneur.errors import ConfigError, InputError
from convneur.inference import load_objects, predict_folder
from convneur.training import Trainer, new_model, start_engine, train
from convneur.training.annotated_data import prepare_annotated, read_annotated
from convneur.training.batches import batches
from convneur.training.detecting import DetectionTask
from convneur.training.settings import recipe_settings
from convneur.variants import ConvNeurConfig

TINY = ConvNeurConfig(dims=(8, 8, 8, 8), depths=(1, 1, 1, 1), mem_dim=8, chunks=4, read="final", head="none")
SIZE = (48, 64)

Change = Callable[[dict[str, Any]], None]


def data_set(root: Path, *, images: int = 4, masks: bool = True, change: Change = lambda content: None) -> Path:
    """Bright squares of two classes, whose ids are 0 and 7. change: of what annotations/train.json holds."""
    random = np.random.default_rng(0)
    content: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 7, "name": "light"}, {"id": 0, "name": "dark"}],
    }
    (root / "images" / "train").mkdir(parents=True)
    (root / "annotations").mkdir()
    for number in range(images):
        pixels = random.integers(100, 130, (*SIZE, 3), dtype=np.uint8)
        name = f"{number}.png"
        content["images"].append({"id": 10 + number, "file_name": name, "height": SIZE[0], "width": SIZE[1]})
        for category, value, x in ((7, 250, 4), (0, 5, 36)):
            y = 6 + 4 * number
            pixels[y : y + 16, x : x + 20] = value
            mask = np.zeros(SIZE, bool)
            mask[y : y + 16, x : x + 20] = True
            entry = {"id": len(content["annotations"]) + 1, "image_id": 10 + number, "category_id": category,
                     "iscrowd": 0, "area": 320, "bbox": [x, y, 20, 16]}  # fmt: skip
            if masks:
                entry["segmentation"] = {"size": list(SIZE), "counts": mask_of_pixels(mask).text()}
            content["annotations"].append(entry)
        Image.fromarray(pixels).save(root / "images" / "train" / name)
    change(content)
    (root / "annotations" / "train.json").write_text(json.dumps(content))
    return root


def trainer(folder: Path, root: Path, steps: int) -> Trainer:
    data = prepare_annotated(root)
    settings = recipe_settings("small", "detection", crop=SIZE, batch=2, scale=(0.8, 1.3))
    light = detector_settings("cascade", num_classes=2, heads="light").to_dict()
    less = {"channels": 8, "fc": 16, "mask_channels": 8, "mask_convs": 1, "samples": 16,
            "rpn_per_level": (40, 40), "proposals": (20, 20)}  # fmt: skip
    model = new_model(TINY, seed=0, detector=DetectorSettings.from_dict({**light, **less}))
    folder.mkdir(exist_ok=True)
    return Trainer(folder, settings, data, model, start_engine("cpu"), steps=steps, validate_every=steps, save_every=9)


@pytest.mark.slow
def test_a_stopped_run_ends_as_one_that_was_not_and_its_weights_find_objects(tmp_path: Path) -> None:
    root = data_set(tmp_path / "data")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    (record,) = trainer(whole, root, 3).run()
    trainer(parts, root, 3).run_to(1)
    torch.rand(5)  # random states are no part of it
    trainer(parts, root, 3).run(resume=True)
    weights = [(folder / "weights.safetensors").read_bytes() for folder in (whole, parts)]
    assert weights[0] == weights[1]
    assert {"score", "box_ap", "box_ap50", "mask_ap", "mask_ap50"} < record.keys()
    assert record["score"] == record["box_ap"]

    predictor = load_objects(whole / "weights.safetensors")
    assert (predictor.classes, predictor.categories) == (("dark", "light"), (0, 7))
    truth = root / "annotations" / "train.json"
    report = predict_folder(
        root / "images" / "train", weights=whole / "weights.safetensors", out=tmp_path / "out", score=0.0,
        annotations=truth, overlays=tmp_path / "drawn",
    )  # fmt: skip
    found = read_results(tmp_path / "out" / "results.json", read_ground_truth(truth))
    assert sum(map(len, found.values())) == sum(sum(each.objects.values()) for each in report.images)
    assert {each.category for some in found.values() for each in some} <= {0, 7}
    with Image.open(tmp_path / "drawn" / "0.png") as drawing:
        assert drawing.width == 14 * SIZE[1]
    Image.new("RGB", (64, 64)).save(tmp_path / "other.png")
    with pytest.raises(ConfigError, match="no image"):
        predict_folder(
            tmp_path / "other.png", weights=whole / "weights.safetensors", out=tmp_path / "no", annotations=truth
        )
    assert not (tmp_path / "no").exists()


def test_class_numbers_follow_the_ids_and_none_is_the_background(tmp_path: Path) -> None:
    data = prepare_annotated(data_set(tmp_path, images=2))
    assert (data.names, data.categories, data.masks) == (("dark", "light"), (0, 7), True)
    objects = (*data.train, *data.val)[0].objects
    assert objects is not None
    assert [each.label for each in objects.objects] == [1, 0]


def test_a_crowd_is_not_learned_from_but_scored(tmp_path: Path) -> None:
    def crowd(content: dict[str, Any]) -> None:
        content["annotations"][0]["iscrowd"] = 1

    data = prepare_annotated(data_set(tmp_path, images=3, change=crowd))
    first = next(each.objects for each in (*data.train, *data.val) if each.name == "0")
    assert first is not None
    assert (len(first.objects), len(first.learned), first.masks().shape) == (2, 1, (1, *SIZE))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("bbox", [4, 6, 0, 16], "has no area"),
        ("bbox", [400, 6, 10, 16], "lies outside"),
        ("segmentation", {"size": list(SIZE), "counts": "1"}, "its runs have"),
        ("segmentation", None, "has no segmentation, and others have"),
    ],
)
def test_an_object_that_cannot_be_is_named_or_skipped(tmp_path: Path, key: str, value: Any, words: str) -> None:
    def change(content: dict[str, Any]) -> None:
        content["annotations"][2][key] = value

    root = data_set(tmp_path, change=change)
    with pytest.raises(InputError, match=words) as caught:
        prepare_annotated(root)
    assert "annotation 3 of image 11 (1.png)" in str(caught.value)
    assert str(root / "annotations" / "train.json") in str(caught.value)
    with pytest.warns(UserWarning, match="annotation 3 of image 11|1 object left out"):
        data = prepare_annotated(root, invalid="skip")
    assert sum(len(each.objects.objects) for each in (*data.train, *data.val) if each.objects) == 7


FORMS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "counts": lambda box: {"size": list(SIZE), "counts": counts_of(box)},
    "polygon": lambda box: [[box[0], box[1], box[0] + box[2], box[1], box[0] + box[2], box[1] + box[3], box[0],
                             box[1] + box[3]]],
}  # fmt: skip


def counts_of(box: Any) -> list[int]:
    mask = np.zeros(SIZE, bool)
    mask[box[1] : box[1] + box[3], box[0] : box[0] + box[2]] = True
    runs = mask_of_pixels(mask)
    return np.diff([0, *np.stack([runs.starts, runs.ends], axis=1).ravel().tolist(), mask.size]).tolist()


@pytest.mark.parametrize("form", FORMS)
def test_a_mask_is_the_same_in_each_form(tmp_path: Path, form: str) -> None:
    """Compressed run lengths, which the other tests have, run lengths, and polygons."""
    if form == "polygon":
        pytest.importorskip("pycocotools", reason="rasterises polygons")

    def change(content: dict[str, Any]) -> None:
        for each in content["annotations"][::2]:
            each["segmentation"] = FORMS[form](each["bbox"])

    found = [
        {each.name: each.objects.masks() for each in (*data.train, *data.val) if each.objects is not None}
        for data in (
            prepare_annotated(data_set(tmp_path / "one", images=2)),
            prepare_annotated(data_set(tmp_path / "other", images=2, change=change)),
        )
    ]
    for name, masks in found[0].items():
        np.testing.assert_array_equal(masks, found[1][name])


def test_an_image_turned_by_exif_is_learned_upright(tmp_path: Path) -> None:
    root = data_set(tmp_path, images=2)
    path = root / "images" / "train" / "1.png"
    with Image.open(path) as image:
        upright = np.asarray(image)
        turned = image.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # shown after a quarter turn to the right
    turned.save(path, exif=exif)
    data = prepare_annotated(root)
    pixels, annotated = read_annotated(next(each for each in (*data.train, *data.val) if each.name == "1"))
    np.testing.assert_array_equal(pixels, upright)
    for mask, each in zip(annotated.masks(), annotated.learned, strict=True):
        assert set(np.unique(pixels[mask])) == {(5, 250)[each.label]}
    turned.save(path)
    with pytest.raises(InputError, match=r"64x48 pixels .* says 48x64"):
        prepare_annotated(root)


@pytest.mark.slow
def test_memory_stays_flat_over_an_epoch(tmp_path: Path) -> None:
    work = trainer(tmp_path / "run", data_set(tmp_path / "data", images=8), steps=1)
    task = DetectionTask(work.data, work.settings)
    optimizer = torch.optim.SGD(work.model.parameters(), lr=1e-3)
    used = []
    for epoch in range(12):
        for part in batches(task, iter([[(epoch, 0), (epoch, 1)], [(epoch, 2), (epoch, 3)]]), workers=0):
            optimizer.zero_grad()
            torch.stack(list(task.forward(work.model, part).values())).sum().backward()
            optimizer.step()
        used.append(psutil.Process().memory_info().rss)
    assert used[-1] - used[3] < 8 << 20  # a view with its masks is 64 KiB, the activations of a step some MiB


def discs_and_boxes(root: Path) -> Path:
    """One to four objects on noise, of any colour: 40 images to train on, 10 to validate."""
    random = np.random.default_rng(0)
    rows, columns = np.ogrid[:96, :96]
    categories = [{"id": 1, "name": "disc"}, {"id": 2, "name": "box"}]
    for split, count in (("train", 40), ("val", 10)):
        images: list[Any] = []
        annotations: list[Any] = []
        (root / "images" / split).mkdir(parents=True)
        (root / "annotations").mkdir(exist_ok=True)
        for number in range(count):
            pixels = random.integers(60, 200, (1, 1, 3)) + random.integers(-25, 26, (96, 96, 3))
            for x, y in ((8, 8), (52, 8), (8, 52), (52, 52))[: random.integers(1, 5)]:
                w, h = random.integers(18, 37, 2).tolist()
                kind = int(random.integers(1, 3))
                across, down = (columns + 0.5 - x) / w, (rows + 0.5 - y) / h
                far = np.hypot(across - 0.5, down - 0.5), np.maximum(abs(across - 0.5), abs(down - 0.5))
                mask = far[kind - 1] < 0.5
                pixels[mask] = random.integers(0, 256, 3) + random.integers(-25, 26, (int(mask.sum()), 3))
                annotations.append(
                    {"id": len(annotations) + 1, "image_id": number, "category_id": kind, "iscrowd": 0,
                     "area": int(mask.sum()), "bbox": [x, y, w, h],
                     "segmentation": {"size": [96, 96], "counts": mask_of_pixels(mask).text()}}
                )  # fmt: skip
            images.append({"id": number, "file_name": f"{number}.png", "height": 96, "width": 96})
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "images" / split / f"{number}.png")
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"{split}.json").write_text(json.dumps(content))
    return root


@pytest.mark.slow
def test_250_steps_from_photos_find_synthetic_objects(tmp_path: Path) -> None:
    """By what a user calls; a minute or two."""
    result = train(
        discs_and_boxes(tmp_path), out=tmp_path / "run", task="detection", detector="mask-rcnn", init="photos",
        chunks=4, read="final", crop=96, scale=(0.8, 1.3), batch=2, epochs=12.5, lr=1e-3, precision="fp32",
        device="cpu", workers=0, validate_every=250,
    )  # fmt: skip
    assert result.steps == 250
    assert result.best["box_ap50"] >= 0.35
    assert result.best["mask_ap50"] >= 0.35


def test_images_that_are_not_there_or_of_another_size_are_named(tmp_path: Path) -> None:
    root = data_set(tmp_path)
    Image.new("RGB", (64, 49)).save(root / "images" / "train" / "2.png")
    with pytest.raises(InputError, match=r"2\.png: 49x64 pixels .*train\.json says 48x64"):
        prepare_annotated(root)
    (root / "images" / "train" / "2.png").unlink()
    with pytest.raises(InputError, match=r"image 12 \(2\.png\) is not in"):
        prepare_annotated(root)


def test_boxes_alone_train_no_mask_heads(tmp_path: Path) -> None:
    data = prepare_annotated(data_set(tmp_path, masks=False))
    settings = recipe_settings("small", "detection", crop=SIZE, batch=2)
    task = DetectionTask(data, settings)
    part = next(batches(task, iter([[(0, 0), (0, 1)]]), workers=0))
    assert part.x.shape[0] == 2
    assert [each.masks for each in part.y.targets] == [None, None]


def test_a_view_keeps_boxes_on_their_masks() -> None:
    random = np.random.default_rng(1)
    masks = np.zeros((3, 60, 80), bool)
    boxes = np.array([[5, 8, 25, 30], [40, 10, 79, 50], [0, 50, 10, 60]], float)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.astype(int), strict=True):
        mask[y1:y2, x1:x2] = True
    pixels = np.repeat((masks[:2].any(0) * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    seen = 0
    for _ in range(20):
        augmentation = Augmentation(crop=(48, 64), scale=(0.7, 2.0), flip=0.5)
        view = random_view(pixels, boxes, np.arange(3), masks, augmentation, random)
        assert view.masks is not None
        assert view.pixels.shape[0] <= 48
        assert view.pixels.shape[1] <= 64
        for mask, (x1, y1, x2, y2), label in zip(view.masks, view.boxes, view.labels, strict=True):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            extent = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
            assert np.abs(extent - (x1, y1, x2, y2)).max() <= 1
            if label < 2:
                assert view.pixels[mask].mean() > 200
            seen += 1
    assert seen > 20


def test_what_is_of_other_tasks_is_refused(tmp_path: Path) -> None:
    for values, setting in (
        ({"task": "segmentation", "detector": "cascade"}, "detector"),
        ({"task": "detection", "classes": ["a", "b"]}, "classes"),
        ({"task": "detection", "head": "light-fpn"}, "head"),
        ({"task": "detection", "mixup": 0.5}, "mixup"),
        ({"task": "detection", "annotations": "train.json"}, "annotations"),
    ):
        with pytest.raises(ConfigError) as caught:
            train(tmp_path, out=tmp_path / "run", **values)  # type: ignore[arg-type]
        assert caught.value.setting == setting


def test_two_categories_of_one_name_are_refused(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["categories"][0]["name"] = "dark"

    with pytest.raises(InputError, match="categories 0 and 7 have one name, 'dark'"):
        prepare_annotated(data_set(tmp_path, change=change))


def test_gaps_and_duplicates_are_errors_of_the_file(tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["annotations"][1]["category_id"] = 3

    root = data_set(tmp_path, change=change)
    with pytest.raises(InputError, match="category 3, which categories lacks"):
        annotated_images(read_ground_truth(root / "annotations" / "train.json"), masks=True)


def test_images_to_validate_on_without_an_object_choose_no_weights(tmp_path: Path) -> None:
    root = data_set(tmp_path)
    content = json.loads((root / "annotations" / "train.json").read_text())
    (root / "annotations" / "val.json").write_text(json.dumps(content | {"annotations": []}))
    (root / "images" / "train").rename(root / "images" / "val")
    shutil.copytree(root / "images" / "val", root / "images" / "train")
    with pytest.raises(ConfigError, match="no image to validate on has an object"):
        prepare_annotated(root)


def test_a_file_that_two_images_name(tmp_path: Path) -> None:
    def again(content: dict[str, Any]) -> None:
        content["images"][2]["file_name"] = "0.png"

    with pytest.raises(InputError, match=r"images 10 and 12 have one file, 0\.png; leave one out"):
        prepare_annotated(data_set(tmp_path, change=again))
