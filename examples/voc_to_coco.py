"""Pascal VOC's XML files, one per image, as the COCO JSON that `convneur train --task detection` reads.

    python examples/voc_to_coco.py Annotations/train annotations/train.json

Corners in VOC count pixels from 1 and include the last one. Objects marked difficult become crowds: they are not
learned from, and neither hit nor missed where they are scored.
"""

import argparse
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any


def convert(folder: Path, names: list[str] | None = None) -> dict[str, Any]:
    """names: of the classes, in order; by default those that occur, sorted. Other classes are refused."""
    trees = [ElementTree.parse(path) for path in sorted(folder.rglob("*.xml"))]
    names = names or sorted({str(each.text) for tree in trees for each in tree.iterfind("object/name")})
    found: dict[str, Any] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
    }
    for number, tree in enumerate(trees, start=1):
        size = {side: int(tree.findtext(f"size/{side}", "0")) for side in ("height", "width")}
        found["images"].append({"id": number, "file_name": tree.findtext("filename"), **size})
        for each in tree.iterfind("object"):
            left, top, right, bottom = (
                float(each.findtext(f"bndbox/{side}", "nan")) for side in ("xmin", "ymin", "xmax", "ymax")
            )
            box = [left - 1, top - 1, right - left + 1, bottom - top + 1]
            found["annotations"].append(
                {
                    "id": len(found["annotations"]) + 1,
                    "image_id": number,
                    "category_id": names.index(str(each.findtext("name"))) + 1,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": int(each.findtext("difficult", "0")),
                }
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of XML files")
    parser.add_argument("output", type=Path)
    parser.add_argument("--classes", type=Path, help="file of names, a line each; give the same one for every split")
    given = parser.parse_args()
    names = None if given.classes is None else given.classes.read_text(encoding="utf-8").split("\n")
    found = convert(given.folder, None if names is None else [name for name in names if name])
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(found), encoding="utf-8")
    print(f"{len(found['images'])} images, {len(found['annotations'])} objects in {given.output}")


if __name__ == "__main__":
    main()
