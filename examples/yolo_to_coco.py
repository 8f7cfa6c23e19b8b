"""YOLO's text files, one per image, as the COCO JSON that `convneur train --task detection` reads.

    python examples/yolo_to_coco.py images/train labels/train classes.txt annotations/train.json

A line is `class x y width height` with the middle of a box, or `class x1 y1 x2 y2 ...` with the corners of a polygon;
all as fractions of the image's sides. An image without a text file has no objects.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from convneur.data.image_folder import images_under
from convneur.data.images import read_photo


def convert(images: Path, labels: Path, names: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names)],
    }
    for number, path in enumerate(images_under(images).files, start=1):
        name = path.relative_to(images)
        photo = read_photo(path, long_side=None)
        height, width = photo.height, photo.width
        found["images"].append({"id": number, "file_name": name.as_posix(), "height": height, "width": width})
        text = (labels / name).with_suffix(".txt")
        for line in text.read_text(encoding="utf-8").splitlines() if text.exists() else ():
            if line.strip():
                category, *values = line.split()
                entry = {"id": len(found["annotations"]) + 1, "image_id": number, "category_id": int(category)}
                found["annotations"].append({**entry, **shape([float(value) for value in values], height, width)})
    return found


def shape(values: list[float], height: int, width: int) -> dict[str, Any]:
    if len(values) == 4:
        x, y, w, h = values[0] * width, values[1] * height, values[2] * width, values[3] * height
        return {"bbox": [x - w / 2, y - h / 2, w, h], "area": w * h, "iscrowd": 0}
    xs, ys = ([value * side for value in values[first::2]] for first, side in ((0, width), (1, height)))
    corners = [value for pair in zip(xs, ys, strict=True) for value in pair]
    double = sum(a * d - b * c for a, b, c, d in zip(xs, ys, xs[1:] + xs[:1], ys[1:] + ys[:1], strict=True))
    box = [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)]
    return {"bbox": box, "area": abs(double) / 2, "iscrowd": 0, "segmentation": [corners]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, words in (
        ("images", "folder"),
        ("labels", "folder of text files"),
        ("classes", "file of names, a line each"),
    ):
        parser.add_argument(name, type=Path, help=words)
    parser.add_argument("output", type=Path)
    given = parser.parse_args()
    names = [name for name in given.classes.read_text(encoding="utf-8").split("\n") if name]
    found = convert(given.images, given.labels, names)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(found), encoding="utf-8")
    print(f"{len(found['images'])} images, {len(found['annotations'])} objects in {given.output}")


if __name__ == "__main__":
    main()
