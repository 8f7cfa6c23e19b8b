"""The examples that make COCO JSON of other formats, read back as training reads it."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convneur.data.annotated import annotated_images
from convneur.data.coco import read_ground_truth

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def boxes(tmp_path: Path, content: Any) -> list[Any]:
    path = tmp_path / "made.json"
    path.write_text(json.dumps(content))
    (image,) = annotated_images(read_ground_truth(path), masks=False)
    return [(each.label, each.box, each.crowd) for each in image.objects]


def test_voc(tmp_path: Path) -> None:
    objects = "".join(
        f"<object><name>{name}</name><difficult>{hard}</difficult><bndbox><xmin>{x}</xmin><ymin>1</ymin><xmax>{x + 9}"
        "</xmax><ymax>5</ymax></bndbox></object>"
        for name, hard, x in (("dog", 0, 1), ("cat", 1, 11))
    )
    text = (
        f"<annotation><filename>a.jpg</filename><size><width>40</width><height>30</height></size>{objects}</annotation>"
    )
    (tmp_path / "a.xml").write_text(text)
    found = boxes(tmp_path, example("voc_to_coco").convert(tmp_path))
    assert found == [(1, (0, 0, 10, 5), False), (0, (10, 0, 20, 5), True)]


def test_yolo(tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (40, 20)).save(tmp_path / "images" / "a.png")
    (tmp_path / "labels" / "a.txt").write_text("1 0.5 0.5 0.5 0.5\n0 0.25 0.5 0.75 0.5 0.75 1.0 0.25 1.0\n\n")
    content = example("yolo_to_coco").convert(tmp_path / "images", tmp_path / "labels", ["cat", "dog"])
    found = boxes(tmp_path, content)
    assert found == [(1, pytest.approx((10, 5, 30, 15)), False), (0, pytest.approx((10, 10, 30, 20)), False)]
    assert content["annotations"][1]["area"] == pytest.approx(200)
