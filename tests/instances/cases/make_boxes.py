"""boxes/: detections and ground truth with boxes alone, and what pycocotools says of them.

    python tests/instances/cases/make_boxes.py

Made by pycocotools 2.0: crowds, equal scores, images without objects or detections, areas of all sizes.
"""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FOLDER = Path(__file__).parent / "boxes"
NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar1", "ar10", "ar100", "ar_small", "ar_medium",
         "ar_large")  # fmt: skip


def main() -> None:
    random = np.random.default_rng(3)
    gt = {
        "images": [{"id": number, "height": 240, "width": 320, "file_name": f"{number}.png"} for number in range(12)],
        "categories": [{"id": number, "name": str(number)} for number in (0, 3, 9)],
        "annotations": [],
    }
    found = []
    for image in range(11):
        for _ in range(int(random.integers(0, 9))):
            category = int(random.choice([0, 3]))
            side = np.exp(random.uniform(np.log(6), np.log(150), 2))
            x, y = random.uniform(0, 320 - side[0]), random.uniform(0, 240 - side[1])
            box = [round(float(value), 2) for value in (x, y, *side)]
            crowd = int(random.random() < 0.1)
            gt["annotations"].append(
                {"id": len(gt["annotations"]) + 1, "image_id": image, "category_id": category, "bbox": box,
                 "area": round(box[2] * box[3], 2), "iscrowd": crowd}
            )  # fmt: skip
            for _ in range(int(random.integers(0, 4))):
                noisy = np.array(box) + random.normal(0, 0.06, 4) * max(box[2:])
                noisy[2:] = np.maximum(noisy[2:], 1)
                found.append({"image_id": image, "category_id": int(random.choice([category, category, 0, 9])),
                              "bbox": noisy.round(2).tolist(), "score": round(float(random.random()), 1)})  # fmt: skip
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "gt.json").write_text(json.dumps(gt))
    (FOLDER / "detections.json").write_text(json.dumps(found))
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(FOLDER / "gt.json"))
        evaluation = COCOeval(truth, truth.loadRes(str(FOLDER / "detections.json")), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = dict(zip(NAMES, evaluation.stats.tolist(), strict=True))
    (FOLDER / "pycocotools.json").write_text(json.dumps(values, indent=1))


if __name__ == "__main__":
    main()
