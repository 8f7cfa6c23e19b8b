"""`convneur eval-detection` and `eval-boundary --sequences` against the tools that people score objects with.

    python benchmarks/instances.py [--rounds 5] [--images 200] [--frames 20] [--davis FOLDER]

Needs an environment of its own for the peers, and for J&F a checkout of
github.com/davischallenge/davis2017-evaluation, which `--davis` names (left out otherwise):

    python -m venv peers && peers/bin/pip install faster-coco-eval pycocotools opencv-python-headless pandas tqdm \\
        '.[fast]'

COCO results are made by this script: 480x640 images with some 7 objects from ten to some hundred pixels wide, each
found by one to three detections whose outlines wander, and as many detections of nothing. Sequences are 480x854, of two
to four objects that move, and of predictions that wander too. All tools read the same files, from the file to the
values, in one process on one thread, in turn; medians (least to most) of CPU time. The values are compared first.
"""

import argparse
import contextlib
import io
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convneur.instances import evaluate_detection, evaluate_sequences

HEIGHT, WIDTH, CATEGORIES = 480, 640, 20


def blob(centre: Any, radii: Any, bumps: Any, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """A mask whose outline wanders about an ellipse."""
    y, x = np.ogrid[: shape[0], : shape[1]]
    dy, dx = (y - centre[0]) / radii[0], (x - centre[1]) / radii[1]
    angle = np.arctan2(dy, dx)
    reach = 1 + sum(size * np.sin((n + 2) * angle + phase) for n, (size, phase) in enumerate(bumps))
    return dy * dy + dx * dx <= reach * reach


def encoded(mask: np.ndarray) -> dict[str, Any]:
    from pycocotools import mask as coco_masks

    run = coco_masks.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(side) for side in run["size"]], "counts": run["counts"].decode()}


def make_coco(folder: Path, images: int) -> tuple[Path, Path]:
    """Results and ground truth."""
    random = np.random.default_rng(0)
    annotations, results = [], []
    for image in range(1, images + 1):
        for _ in range(random.poisson(7)):
            category = int(random.integers(1, CATEGORIES + 1))
            centre = random.uniform(0, (HEIGHT, WIDTH))
            radii = np.exp(random.uniform(np.log(5), np.log(150))) * random.uniform(0.6, 1.4, 2)
            bumps = np.stack([random.uniform(0, 0.12, 4), random.uniform(0, 6.3, 4)], axis=1)
            mask = blob(centre, radii, bumps)
            if not mask.any():
                continue
            annotations.append(
                {"id": len(annotations) + 1, "image_id": image, "category_id": category, "iscrowd": 0,
                 "area": int(mask.sum()), "bbox": [0, 0, 1, 1], "segmentation": encoded(mask)}
            )  # fmt: skip
            for _ in range(random.integers(1, 4)):
                near = blob(centre + random.normal(0, 2, 2), radii * random.uniform(0.9, 1.1, 2),
                            bumps + random.normal(0, 0.02, bumps.shape))  # fmt: skip
                results.append((image, category, near, random.uniform(0.3, 1)))
        for _ in range(random.poisson(7)):
            radii = np.exp(random.uniform(np.log(5), np.log(100))) * np.ones(2)
            mask = blob(random.uniform(0, (HEIGHT, WIDTH)), radii, [])
            results.append((image, int(random.integers(1, CATEGORIES + 1)), mask, random.uniform(0, 0.6)))
    gt, pred = folder / "gt.json", folder / "results.json"
    sizes = [
        {"id": image, "height": HEIGHT, "width": WIDTH, "file_name": f"{image}.jpg"} for image in range(1, images + 1)
    ]
    names = [{"id": category, "name": f"c{category}"} for category in range(1, CATEGORIES + 1)]
    gt.write_text(json.dumps({"images": sizes, "annotations": annotations, "categories": names}))
    pred.write_text(json.dumps([
        {"image_id": image, "category_id": category, "score": score, "segmentation": encoded(mask)}
        for image, category, mask, score in results if mask.any()
    ]))  # fmt: skip
    return pred, gt


def faster_coco_eval(pred: Path, gt: Path, kind: str) -> float:
    import faster_coco_eval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = faster_coco_eval.COCO(str(gt))
        found = faster_coco_eval.COCOeval_faster(truth, truth.loadRes(str(pred)), kind)
        found.evaluate()
        found.accumulate()
        found.summarize()
    return float(found.stats[0])


def pycocotools(pred: Path, gt: Path) -> float:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(gt))
        found = COCOeval(truth, truth.loadRes(str(pred)), "segm")
        found.evaluate()
        found.accumulate()
        found.summarize()
    return float(found.stats[0])


def measured(tools: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Medians of CPU seconds, each tool in turn; prints them."""
    times: dict[str, list[float]] = {name: [] for name in tools}
    for _ in range(rounds):
        for name, tool in tools.items():
            start = time.process_time()
            tool()
            times[name].append(time.process_time() - start)
    for name, each in times.items():
        print(f"{name:45} {statistics.median(each):8.3f} s ({min(each):.3f} to {max(each):.3f})")
    return {name: statistics.median(each) for name, each in times.items()}


def compare_coco(folder: Path, images: int, rounds: int) -> None:
    pred, gt = make_coco(folder, images)
    both = evaluate_detection(pred, gt)
    for ours, theirs in ((both.mask, pycocotools(pred, gt)), (both.boundary, faster_coco_eval(pred, gt, "boundary"))):
        assert ours is not None
        assert abs(ours["ap"] - theirs) < 1e-12, (ours["ap"], theirs)
    print(f"{images} images, {both.objects} objects, {both.detections} detections; AP {both.mask['ap']:.4f}, "
          f"Boundary AP {both.boundary['ap']:.4f}, equal to the peers' to 1e-12")  # fmt: skip
    times = measured(
        {
            "convneur, mask AP": lambda: evaluate_detection(pred, gt, metrics="mask_ap").mask["ap"],
            "faster-coco-eval, mask AP": lambda: faster_coco_eval(pred, gt, "segm"),
            "pycocotools, mask AP": lambda: pycocotools(pred, gt),
            "convneur, Boundary AP": lambda: evaluate_detection(pred, gt, metrics="boundary_ap").boundary["ap"],
            "faster-coco-eval, Boundary AP": lambda: faster_coco_eval(pred, gt, "boundary"),
        },
        rounds,
    )
    ratio = times["faster-coco-eval, Boundary AP"] / times["convneur, Boundary AP"]
    print(f"Boundary AP: {ratio:.1f} times faster than faster-coco-eval")


def make_sequences(folder: Path, frames: int) -> None:
    """Three sequences as DAVIS has them: ids as palette PNG, and the list of the set."""
    random = np.random.default_rng(1)
    for task in ("Annotations", "Annotations_unsupervised", "results", "JPEGImages"):
        for name in ("alpha", "beta", "gamma"):
            (folder / task / "480p" / name).mkdir(parents=True)
    for count, name in enumerate(("alpha", "beta", "gamma"), start=2):
        state = [
            (random.uniform(100, 380), random.uniform(150, 700), random.uniform(40, 130, 2), random.uniform(-3, 3, 2),
             np.stack([random.uniform(0, 0.12, 4), random.uniform(0, 6.3, 4)], axis=1))
            for _ in range(count)
        ]  # fmt: skip
        for frame in range(frames):
            sides = {"gt": np.zeros((480, 854), np.uint8), "pred": np.zeros((480, 854), np.uint8)}
            for number, (y, x, radii, step, bumps) in enumerate(state, start=1):
                centre = np.array([y, x]) + frame * step
                wandering = bumps + random.normal(0, 0.01, bumps.shape)
                sides["gt"][blob(centre, radii, bumps, (480, 854))] = number
                sides["pred"][blob(centre + random.normal(0, 1.5, 2), radii, wandering, (480, 854))] = number
            for task, side in (("Annotations", "gt"), ("Annotations_unsupervised", "gt"), ("results", "pred")):
                image = Image.fromarray(sides[side])
                image.putpalette(list(range(256)) * 3)
                image.save(folder / task / "480p" / name / f"{frame:05}.png")
            (folder / "JPEGImages" / "480p" / name / f"{frame:05}.jpg").touch()  # only counted
    (folder / "ImageSets" / "2017").mkdir(parents=True)
    (folder / "ImageSets" / "2019").mkdir(parents=True)
    for year in ("2017", "2019"):
        (folder / "ImageSets" / year / "val.txt").write_text("alpha\nbeta\ngamma\n")


def compare_sequences(folder: Path, frames: int, rounds: int, checkout: Path) -> None:
    sys.path.insert(0, str(checkout))
    from davis2017.evaluation import DAVISEvaluation

    make_sequences(folder, frames)

    def official(task: str) -> float:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            found = DAVISEvaluation(davis_root=str(folder), task=task, gt_set="val").evaluate(str(results))
        return float((np.mean(found["J"]["M"]) + np.mean(found["F"]["M"])) / 2)

    def ours(davis: Any, annotations: str) -> float:
        return evaluate_sequences(results, folder / annotations / "480p", davis=davis).overall["jf_mean"]

    results = folder / "results" / "480p"
    for davis, task, annotations in (
        ("semi", "semi-supervised", "Annotations"),
        ("unsupervised", "unsupervised", "Annotations_unsupervised"),
    ):
        value, theirs = ours(davis, annotations), official(task)
        assert abs(value - theirs) < 1e-12, (value, theirs)
        print(f"\n3 sequences of {frames} frames, {davis}; J&F {value:.4f}, equal to davis2017's to 1e-12")
        times = measured(
            {
                f"convneur, J&F {davis}": partial(ours, davis, annotations),
                f"davis2017, J&F {davis}": partial(official, task),
            },
            rounds,
        )
        one, other = times.values()
        print(f"J&F {davis}: {other / one:.1f} times faster than davis2017")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--images", type=int, default=200)
    options.add_argument("--frames", type=int, default=20)
    options.add_argument("--davis", type=Path)
    asked = options.parse_args()
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {platform.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        compare_coco(Path(folder), asked.images, asked.rounds)
    if asked.davis is not None:
        with tempfile.TemporaryDirectory() as folder:
            compare_sequences(Path(folder), asked.frames, asked.rounds, asked.davis)


if __name__ == "__main__":
    main()
