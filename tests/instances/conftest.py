"""The cases that other tools have scored, and COCO files made of masks."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

CASES = Path(__file__).parent / "cases"

Mask = npt.NDArray[np.bool_]


@pytest.fixture(scope="session")
def cases() -> Path:
    return CASES


@pytest.fixture(scope="session")
def oracles() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CASES / "oracles.json").read_text(encoding="utf-8"))
    return loaded


def runs(mask: Mask) -> dict[str, Any]:
    """A mask as COCO's run lengths, written anew: pixel by pixel down the columns."""
    counts, last = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != last:
            counts.append(0)
            last = pixel
        counts[-1] += 1
    return {"size": list(mask.shape), "counts": counts}


@pytest.fixture
def coco(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Write results and ground truth; images: id -> (H, W); objects and detections: entries with a mask or runs."""

    def write(
        images: Mapping[int, tuple[int, int]],
        objects: Sequence[Mapping[str, Any]],
        detections: Sequence[Mapping[str, Any]],
        categories: Sequence[int] = (1, 2),
    ) -> tuple[Path, Path]:
        def entry(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
            made = {"image_id": next(iter(images)), "category_id": 1, **defaults, **given}
            mask = made.pop("mask", None)
            if mask is not None:
                made["segmentation"] = runs(mask)
                if "score" not in made:
                    made.setdefault("area", int(mask.sum()))
            return made

        truth = {
            "info": {"year": 2026},
            "images": [
                {"id": number, "height": height, "width": width, "file_name": f"{number}.jpg"}
                for number, (height, width) in images.items()
            ],
            "annotations": [entry(each, {"id": at, "iscrowd": 0}) for at, each in enumerate(objects, start=1)],
            "categories": [{"id": number, "name": f"c{number}"} for number in categories],
        }
        found = [entry(each, {"score": 0.5}) for each in detections]
        paths = tmp_path / "results.json", tmp_path / "gt.json"
        for path, value in zip(paths, (found, truth), strict=True):
            path.write_text(json.dumps(value), encoding="utf-8")
        return paths

    return write
