"""`convneur eval-boundary` against the tools people glue together for the same values.

    python benchmarks/boundary.py [--rounds 7] [--city-rounds 3] [--folder-rounds 5] [--added-rounds 5]
        [--worst-rounds 3] [--scaling 0] [--keep FOLDER]

Needs an environment of its own for the peers:

    python -m venv peers && peers/bin/pip install torch==2.13.0 monai medpy opencv-python-headless \\
        surface-distance panoptica '.[fast]'

Label maps are drawn by this script: smooth regions, objects of all sizes over them, a little ignored; the prediction
has small objects missed, mistaken and invented, a boundary that wanders by a pixel or two, and is drawn at a quarter of
the size and scaled up, as a model does. Every tool scores every class in either map: boundary F1 (DAVIS 2017's
definition), Hausdorff, HD95, average surface distance and surface dice at three tolerances, Boundary IoU, and trimap
mIoU at four widths with mIoU and accuracy. No peer computes all of it: the cheapest assembled set is the sum of the
cheapest peer for each part. Times are CPU times of one process on one thread, all tools in turn, medians (least to
most); ours include adding the pair to the data set's values. The peers' values are compared with ours first.

The folder is 40 small pairs, whole processes: the first run of each, then the median of the others, taken in turn; the
peers' process loads one set of tools and prints means.

What is added by name (Dice and chosen means, percentiles, a curve, objects, centrelines) is timed in turn with the
default set, panoptica's objects and scikit-image's thinning alone; the last two where they are installed.

Maps with boundaries everywhere, as a model's are in its first epochs, are scored in a process each, beside 38 times
SciPy's distance transform of one class of them: one for each of 19 classes and either map.

`--scaling N` scores N pairs of the larger size, copies of four, with one worker and with two: for a quiet machine.
"""

import argparse
import math
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convneur.data.labels import read_label_map

IGNORE = 255
WIDTHS = (1, 3, 5, 10)
TAUS = (1, 2, 3)
TOLERANCE = 0.008
Masks = list[tuple[np.ndarray, np.ndarray]]


# The maps.


def smooth(random: np.random.Generator, shape: tuple[int, int], cell: int) -> np.ndarray:
    """Smooth noise of variance about 1 that changes over `cell` pixels."""
    from scipy import ndimage

    coarse = random.standard_normal([-(-side // cell) + 3 for side in shape])
    fine = ndimage.zoom(coarse, cell, order=3, grid_mode=True, mode="nearest")
    return fine[cell : cell + shape[0], cell : cell + shape[1]]


def warped(labels: np.ndarray, random: np.random.Generator, waves: list[tuple[int, float]]) -> np.ndarray:
    """Every pixel from a little beside it; waves: (pixels over which that changes, pixels beside)."""
    places = []
    for axis, side in enumerate(labels.shape):
        shift = sum(size * smooth(random, labels.shape, cell) for cell, size in waves)
        places.append((np.indices(labels.shape)[axis] + shift).round().astype(int).clip(0, side - 1))
    return labels[tuple(places)]


def paint(labels: np.ndarray, label: int, y: float, x: float, tall: float, wide: float, power: int) -> None:
    """An ellipse (power 2) or nearly a rectangle (8)."""
    top, left = max(int(y - tall), 0), max(int(x - wide), 0)
    part = labels[top : int(y + tall) + 1, left : int(x + wide) + 1]
    rows = np.abs((np.arange(part.shape[0]) + top - y) / tall)[:, None]
    part[rows**power + np.abs((np.arange(part.shape[1]) + left - x) / wide) ** power <= 1] = label


def scaled_up(coarse: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """As a model does: scores interpolated, then the class with the highest."""
    from scipy import ndimage

    best, labels = np.full(shape, -1.0, np.float32), np.zeros(shape, np.uint8)
    for label in np.unique(coarse):
        score = ndimage.zoom((coarse == label).astype(np.float32), 4, order=1, grid_mode=True, mode="nearest")
        better = score > best
        best[better], labels[better] = score[better], label
    return labels


def scene(
    random: np.random.Generator, shape: tuple[int, int], classes: np.ndarray, objects: int
) -> tuple[np.ndarray, np.ndarray]:
    """Ground truth and prediction; shape: multiples of 4."""
    side = min(shape)
    stuff, things = classes[: len(classes) // 3], classes[len(classes) // 3 :]
    gt = stuff[np.stack([smooth(random, shape, side // 4) for _ in stuff]).argmax(axis=0)]
    pred = gt.copy()
    for number in range(objects):
        size = side * 0.25 * 30 ** -((number + random.random()) / objects)  # large ones first, small ones over them
        stretch = math.exp(random.normal(0, 0.7))
        at = random.random() * shape[0], random.random() * shape[1], size * stretch, size / stretch
        label, power = things[number % len(things)], random.choice([2, 2, 8])
        paint(gt, label, *at, power)
        fate = random.random() if size < side * 0.05 else 1  # large ones are seldom missed
        if fate > 0.1:
            paint(pred, label if fate > 0.2 else random.choice(classes), *at, power)
    for _ in range(max(objects // 12, 1)):
        at = random.random() * shape[0], random.random() * shape[1], side * 0.02, side * 0.02
        paint(pred, random.choice(classes), *at, 2)
    seed = random.integers(1 << 32)
    gt, pred = (warped(labels, np.random.default_rng(seed), [(12, 0.9), (48, 3)]) for labels in (gt, pred))
    pred = scaled_up(warped(pred, random, [(40, 1.2), (152, 1.5)])[2::4, 2::4], shape)
    for _ in range(4):
        paint(gt, IGNORE, random.random() * shape[0], random.random() * shape[1], side * 0.04, side * 0.04, 8)
    return gt, pred


def write_pairs(
    folder: Path, count: int, shape: tuple[int, int], total: int, present: int, objects: int
) -> list[tuple[Path, Path]]:
    """PNGs in folder/gt and folder/pred; `present` classes of `total` are drawn from."""
    paths = []
    for number in range(count):
        random = np.random.default_rng(number)
        classes = random.permutation(total)[:present].astype(np.uint8)
        pair = []
        for side, labels in zip(("gt", "pred"), scene(random, shape, classes, objects), strict=True):
            (folder / side).mkdir(parents=True, exist_ok=True)
            pair.append(folder / side / f"{number:03}.png")
            Image.fromarray(labels).save(pair[-1])
        paths.append((pair[0], pair[1]))
    return paths


def read(pair: tuple[Path, Path]) -> list[np.ndarray]:
    return [read_label_map(path) for path in pair]


# The peers. Each takes the masks of the classes that occur and gives values by metric, one per class.


def masks_of(gt: np.ndarray, pred: np.ndarray) -> Masks:
    valid = gt != IGNORE
    labels = np.union1d(gt[valid], pred[valid])
    return [((gt == label) & valid, (pred == label) & valid) for label in labels]


def davis_f1(masks: Masks) -> dict[str, list[float]]:
    """Boundary F1 as DAVIS 2017 computes it: boundary maps, dilated by a disk with OpenCV."""
    import cv2

    shape = masks[0][0].shape
    radius = math.ceil(TOLERANCE * math.hypot(*shape))
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk = (y * y + x * x <= radius * radius).astype(np.uint8)

    def boundary(mask: np.ndarray) -> np.ndarray:
        east, south, corner = mask.copy(), mask.copy(), mask.copy()
        east[:, :-1], south[:-1], corner[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
        edge = (mask ^ east) | (mask ^ south) | (mask ^ corner)
        edge[-1], edge[:, -1] = mask[-1] ^ east[-1], mask[:, -1] ^ south[:, -1]
        edge[-1, -1] = False
        return edge

    values = []
    for masks_of_class in masks:
        gt, pred = (boundary(mask) for mask in masks_of_class)
        near_gt, near_pred = (cv2.dilate(edge.astype(np.uint8), disk).astype(bool) for edge in (gt, pred))
        precision = (pred & near_gt).sum() / max(pred.sum(), 1)
        recall = (gt & near_pred).sum() / max(gt.sum(), 1)
        values.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return {"boundary_f1": values}


def boundary_iou(masks: Masks) -> dict[str, list[float]]:
    """As boundary-iou-api: masks minus their erosions by OpenCV."""
    import cv2

    depth = max(1, round(0.02 * math.hypot(*masks[0][0].shape)))

    def band(mask: np.ndarray) -> np.ndarray:
        padded = cv2.copyMakeBorder(mask.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
        return mask & ~cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=depth)[1:-1, 1:-1].astype(bool)

    values = []
    for gt, pred in masks:
        a, b = band(gt), band(pred)
        values.append((a & b).sum() / (a | b).sum())
    return {"boundary_iou": values}


def surface_distance(masks: Masks) -> dict[str, list[float]]:
    import surface_distance as tool

    np.Inf = np.inf  # noqa: NPY201 - the release on PyPI is older than NumPy 2, and uses it where a mask is empty
    values: dict[str, list[float]] = {name: [] for name in ("hd", "hd95", "asd", *(f"nsd {tau}" for tau in TAUS))}
    for gt, pred in masks:
        found = tool.compute_surface_distances(gt, pred, (1.0, 1.0))
        values["hd"].append(tool.compute_robust_hausdorff(found, 100))
        values["hd95"].append(tool.compute_robust_hausdorff(found, 95))
        values["asd"].append(float(np.mean(tool.compute_average_surface_distance(found))))
        for tau in TAUS:
            values[f"nsd {tau}"].append(tool.compute_surface_dice_at_tolerance(found, tau))
    return values


def monai(masks: Masks) -> dict[str, list[float]]:
    import torch
    from monai.metrics import compute_average_surface_distance, compute_hausdorff_distance, compute_surface_dice

    gt, pred = (torch.from_numpy(np.stack(side))[None] for side in zip(*masks, strict=True))
    whole: dict[str, Any] = {"include_background": True}
    values = {
        "hausdorff": compute_hausdorff_distance(pred, gt, **whole),
        "hd95": compute_hausdorff_distance(pred, gt, percentile=95, **whole),
        "asd": compute_average_surface_distance(pred, gt, symmetric=True, **whole),
    }
    for tau in TAUS:
        values[f"nsd {tau}"] = compute_surface_dice(pred, gt, class_thresholds=[tau] * len(masks), **whole)
    return {name: value[0].tolist() for name, value in values.items()}


def medpy(masks: Masks) -> dict[str, list[float]]:
    """It has no surface dice."""
    from medpy.metric import binary

    both = [(gt, pred) if gt.any() and pred.any() else None for gt, pred in masks]
    tools = {"hausdorff": binary.hd, "pooled hd95": binary.hd95, "assd": binary.assd}
    return {name: [tool(pair[1], pair[0]) if pair else math.inf for pair in both] for name, tool in tools.items()}


def plain_scipy(masks: Masks) -> dict[str, list[float]]:
    """Borders by erosion, distances by a distance transform, class by class."""
    from scipy import ndimage

    values: dict[str, list[float]] = {name: [] for name in ("hausdorff", "hd95", "assd", *(f"nsd {t}" for t in TAUS))}
    for masks_of_class in masks:
        a, b = (mask & ~ndimage.binary_erosion(mask) for mask in masks_of_class)
        if not a.any() or not b.any():
            for name, row in values.items():
                row.append(0.0 if name.startswith("nsd") else math.inf)
            continue
        from_gt, from_pred = ndimage.distance_transform_edt(~b)[a], ndimage.distance_transform_edt(~a)[b]
        together = np.concatenate((from_gt, from_pred))
        values["hausdorff"].append(together.max())
        values["hd95"].append(max(np.percentile(from_gt, 95), np.percentile(from_pred, 95)))
        values["assd"].append(together.mean())
        for tau in TAUS:
            values[f"nsd {tau}"].append((together <= tau).mean())
    return values


def trimap(gt: np.ndarray, pred: np.ndarray, total: int) -> dict[str, list[float]]:
    """Confusion matrices in dilated boundaries and in the whole image, by OpenCV and bincount; IoU of every class."""
    import cv2

    valid = gt != IGNORE
    seed = np.zeros(gt.shape, bool)
    right = (gt[:, 1:] != gt[:, :-1]) & valid[:, 1:] & valid[:, :-1]
    down = (gt[1:] != gt[:-1]) & valid[1:] & valid[:-1]
    seed[:, 1:] |= right
    seed[:, :-1] |= right
    seed[1:] |= down
    seed[:-1] |= down
    bands = {"miou": valid}
    for width in WIDTHS:
        square = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
        bands[f"trimap {width}"] = cv2.dilate(seed.astype(np.uint8), square).astype(bool) & valid
    values = {}
    for name, band in bands.items():
        pairs = gt[band].astype(np.int64) * total + pred[band]
        confusion = np.bincount(pairs, minlength=total * total).reshape(total, total)
        union = confusion.sum(axis=0) + confusion.sum(axis=1) - np.diag(confusion)
        values[name] = (np.diag(confusion) / np.maximum(union, 1)).tolist()
    return values


DISTANCES = {"surface-distance": surface_distance, "MONAI": monai, "medpy": medpy, "plain SciPy": plain_scipy}
WHOLE = ("surface-distance", "MONAI", "plain SciPy")  # those that have surface dice too


# Timing.


def interleaved(tools: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each, taken in turn; each has been called once before, so that all is loaded and compiled."""
    taken: dict[str, list[float]] = {name: [] for name in tools}
    for _ in range(rounds):
        for name, tool in tools.items():
            start = time.process_time()
            tool()
            taken[name].append(time.process_time() - start)
    return taken


def spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.4f} ({min(seconds):.4f} to {max(seconds):.4f})"


def check(peers: dict[str, dict[str, list[float]]], scores: Any) -> None:
    """The peers' values are ours where the definition is the same."""
    ours = {
        "boundary_f1": scores.boundary_f1.score[0],
        "boundary_iou": scores.boundary_iou,
        "hausdorff": scores.distances.hausdorff,
        "assd": scores.distances.assd,
        "miou": scores.confusion.iou(),
        **{f"nsd {tau}": scores.surface_dice.score[row] for row, tau in enumerate(TAUS)},
        **{f"trimap {width}": scores.trimap["class"].iou()[row] for row, width in enumerate(WIDTHS)},
    }
    both = (scores.confusion.gt > 0) & (scores.confusion.pred > 0)
    for tool in ("DAVIS F1", "boundary-iou", "plain SciPy", "medpy", "MONAI", "trimap script"):
        for metric, values in peers[tool].items():
            if metric in ours:
                theirs = np.asarray(values, float)
                theirs = theirs[scores.classes] if tool == "trimap script" else theirs
                expected = np.nan_to_num(ours[metric]) if tool == "trimap script" else ours[metric]
                np.testing.assert_allclose(
                    theirs[both], expected[both], rtol=2e-6, atol=1e-9, err_msg=f"{tool} {metric}"
                )


def compare(pair: tuple[Path, Path], total: int, rounds: int) -> None:
    from convneur.metrics import BoundaryAccumulator, BoundarySettings
    from convneur.metrics.kernels import PLAIN, compiled_kernels
    from convneur.metrics.scores import scored_by

    gt, pred = read(pair)
    settings = BoundarySettings(num_classes=total, ignore_index=IGNORE)
    compiled = compiled_kernels()
    accumulators = {kernels: BoundaryAccumulator(settings) for kernels in (PLAIN, compiled)}

    def ours(kernels: Any) -> Any:
        scores = scored_by(kernels, pred, gt, settings)
        accumulators[kernels].add("", scores)
        return scores

    tools: dict[str, Callable[[], Any]] = {
        "decoding the two PNGs": lambda: read(pair),
        "convneur, NumPy and SciPy": lambda: ours(PLAIN),
    }
    if compiled:
        tools["convneur, compiled by Numba"] = lambda: ours(compiled)
    tools |= {
        "DAVIS F1": lambda: davis_f1(masks_of(gt, pred)),
        "boundary-iou": lambda: boundary_iou(masks_of(gt, pred)),
        "trimap script": lambda: trimap(gt, pred, total),
        **{name: lambda tool=tool: tool(masks_of(gt, pred)) for name, tool in DISTANCES.items()},
    }
    first = {name: tool() for name, tool in tools.items()}
    scores = first["convneur, NumPy and SciPy"]
    check(first, scores)
    taken = interleaved(tools, rounds)
    middle = {name: statistics.median(seconds) for name, seconds in taken.items()}
    cheapest = min(WHOLE, key=middle.__getitem__)
    peers = sum(middle[part] for part in ("DAVIS F1", "boundary-iou", "trimap script", cheapest))

    height, width = gt.shape
    share = (scores.boundary_f1.gt.sum() / gt.size, (gt == pred)[gt != IGNORE].mean())
    print(f"{height} x {width}, {total} classes, {len(scores.classes)} of them present; accuracy {share[1]:.3f}\n")
    print("| tool | CPU seconds per pair, median (least to most) | peers' set is slower by | times decoding |")
    print("|---|---|---:|---:|")
    decoding = middle["decoding the two PNGs"]
    for name, seconds in taken.items():
        ratio = f"{peers / middle[name]:.1f}" if name.startswith("convneur") else ""
        print(f"| {name} | {spread(seconds)} | {ratio} | {middle[name] / decoding:.1f} |")
    print(
        f"| peers' set: DAVIS F1 + {cheapest} + boundary-iou + trimap | {peers:.4f} | 1.0 | {peers / decoding:.1f} |\n"
    )


# What is added by name.

ADDED: dict[str, dict[str, Any]] = {
    "the default set": {},
    "with dice and means over the foreground": {"metrics": ("all", "dice"), "mean_over": "foreground"},
    "with percentiles 50, 90, 99": {"hd_percentile": (50, 90, 99)},
    "with a curve over 1:10": {"tolerance_curve": "1:10"},
    "with objects": {"metrics": ("all", "objects")},
    "with clDice": {"metrics": ("all", "cldice")},
}


def panoptica_objects(masks: Masks) -> dict[str, list[float]]:
    """Objects of every class by its own matching at IoU 0.5, Dice and ASSD of the pairs."""
    from panoptica import ConnectedComponentsInstanceApproximator as Components
    from panoptica import InputType, Metric, NaiveThresholdMatching, Panoptica_Evaluator

    evaluator = Panoptica_Evaluator(
        expected_input=InputType.SEMANTIC,
        instance_approximator=Components(),
        instance_matcher=NaiveThresholdMatching(matching_threshold=0.5),
        instance_metrics=[Metric.DSC, Metric.IOU, Metric.ASSD],
        global_metrics=[],
        verbose=False,
        log_times=False,
    )
    found = [evaluator.evaluate(pred.astype(np.uint8), gt.astype(np.uint8)) for gt, pred in masks]
    return {"tp": [each["ungrouped"].tp for each in found]}


def thinning(masks: Masks) -> dict[str, list[float]]:
    """scikit-image's thinning of the box around every class, and nothing else."""
    from scipy.ndimage import find_objects
    from skimage.morphology import skeletonize

    return {
        "pixels": [
            sum(skeletonize(mask[box]).sum() for box in find_objects(mask.astype(np.uint8)))
            for pair in masks
            for mask in pair
        ]
    }


def compare_added(pair: tuple[Path, Path], total: int, rounds: int) -> None:
    from convneur.metrics import BoundaryAccumulator, BoundarySettings
    from convneur.metrics.kernels import PLAIN, compiled_kernels
    from convneur.metrics.scores import scored_by

    gt, pred = read(pair)

    def ours(kernels: Any, options: dict[str, Any]) -> Callable[[], Any]:
        settings = BoundarySettings(num_classes=total, ignore_index=IGNORE, **options)

        def once() -> Any:
            scores = scored_by(kernels, pred, gt, settings)
            BoundaryAccumulator(settings).add("", scores)
            return scores

        return once

    tools: dict[str, Callable[[], Any]] = {
        f"{form}, {name}": ours(kernels, options)
        for form, kernels in (("NumPy", PLAIN), ("Numba", compiled_kernels()))
        if kernels
        for name, options in ADDED.items()
    }
    tools["thinning of the boxes alone"] = lambda: thinning(masks_of(gt, pred))
    tools["panoptica's objects"] = lambda: panoptica_objects(masks_of(gt, pred))
    for name in list(tools):
        try:
            tools[name]()
        except ImportError as error:
            print(f"{name}: left out ({error})")
            del tools[name]
    if "panoptica's objects" in tools:  # it joins by sides, as ours can
        alike = BoundarySettings(num_classes=total, ignore_index=IGNORE, metrics="objects", object_connectivity=4)
        scores = scored_by(PLAIN, pred, gt, alike)
        theirs = panoptica_objects(masks_of(gt, pred))["tp"]
        np.testing.assert_array_equal(scores.rows["objects_tp"], theirs)
    taken = interleaved(tools, rounds)
    middle = {name: statistics.median(seconds) for name, seconds in taken.items()}
    print(f"{gt.shape[0]} x {gt.shape[1]}, {total} classes\n")
    print("| what | CPU seconds per pair, median (least to most) | times its default set | more than that, seconds |")
    print("|---|---|---:|---:|")
    for name, seconds in taken.items():
        base = middle.get(f"{name.split(',')[0]}, the default set")
        more = ("", "") if base is None else (f"{middle[name] / base:.2f}", f"{middle[name] - base:.4f}")
        print(f"| {name} | {spread(seconds)} | {more[0]} | {more[1]} |")
    print()


# Maps with boundaries everywhere, as a model's are in its first epochs.


def worst_maps() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Ground truth and prediction, 1024 x 2048, 19 classes where there is noise."""
    random, shape = np.random.default_rng(0), (1024, 2048)
    noise, other = random.integers(0, 19, (2, *shape), dtype=np.uint8)
    left = np.arange(shape[1]) < shape[1] // 2
    y, x = np.indices(shape, np.int32)
    coarse, coarse_other = (each[:128, :256].repeat(8, 0).repeat(8, 1) for each in (noise, other))
    return {
        "noise": (noise, other),
        "noise in opposite halves": (noise * left, noise * ~left),
        "noise of 8-pixel cells": (coarse, coarse_other),
        "two checkerboards": (((y + x) % 2).astype(np.uint8), ((y // 2 + x // 2) % 2).astype(np.uint8)),
    }


def score_worst(name: str, form: str) -> list[float]:
    """CPU seconds of the default set on one pair, and the most memory of the process, MB."""
    from convneur.metrics import BoundarySettings
    from convneur.metrics.kernels import PLAIN, compiled_kernels
    from convneur.metrics.scores import scored_by

    kernels = PLAIN if form == "NumPy" else compiled_kernels() or PLAIN
    gt, pred = worst_maps()[name]
    settings = BoundarySettings(num_classes=19)
    scored_by(kernels, pred[:64, :64].copy(), gt[:64, :64].copy(), settings)
    start = time.process_time()
    scored_by(kernels, pred, gt, settings)
    seconds = time.process_time() - start
    # Linux: what the system's own call gives is at least what the parent held.
    most = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return [seconds, int(most.split()[1]) / 1024]


def compare_worst(rounds: int) -> None:
    from scipy.ndimage import distance_transform_edt

    print("| 1024 x 2048 | CPU seconds, median (least to most) | most memory of the process, MB |")
    print("|---|---|---:|")
    taken: dict[str, list[list[float]]] = {}
    for _ in range(rounds):
        for name in worst_maps():
            for form in ("NumPy", "Numba"):
                command = [sys.executable, __file__, "--worst-once", name, form]
                found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                taken.setdefault(f"{name}, {form}", []).append([float(value) for value in found.split()])
        start = time.process_time()
        distance_transform_edt(worst_maps()["noise"][0] != 3)
        seconds = 38 * (time.process_time() - start)
        taken.setdefault("38 times SciPy's distance transform of a class of the noise", []).append([seconds, 0])
    for name, runs in taken.items():
        seconds_taken, memory = (list(column) for column in zip(*runs, strict=True))
        print(f"| {name} | {spread(seconds_taken)} | {f'{max(memory):.0f}' if max(memory) else ''} |")
    print()


# Whole processes.


def peers_on(folder: Path, total: int, distances: str) -> None:
    """What a person writes who needs the values once: the cheapest set over a folder, means by class."""
    values: dict[str, list[float]] = {}
    for path in sorted((folder / "gt").iterdir()):
        gt, pred = read((path, folder / "pred" / path.name))
        masks = masks_of(gt, pred)
        for part in (davis_f1(masks), DISTANCES[distances](masks), boundary_iou(masks), trimap(gt, pred, total)):
            for name, found in part.items():
                values.setdefault(name, []).extend(found)
    for name, found in values.items():
        finite = np.asarray(found)[np.isfinite(found)]
        print(name, finite.mean())


def process(command: list[str]) -> tuple[float, float]:
    """CPU and wall seconds of a whole process and its children."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def eval_boundary(folder: Path, total: int, workers: int = 1) -> list[str]:
    command = [str(Path(sys.executable).parent / "convneur"), "eval-boundary", str(folder / "pred"), str(folder / "gt")]
    return [*command, "--num-classes", str(total), "--workers", str(workers)]


def compare_folders(folder: Path, total: int, rounds: int) -> None:
    commands = {"convneur eval-boundary": eval_boundary(folder, total)}
    for distances in ("surface-distance", "plain SciPy"):  # MONAI takes a minute
        script = [sys.executable, __file__, "--peers-on", str(folder), "--distances", distances]
        commands[f"peers' script, {distances}"] = [*script, "--total", str(total)]
    first = {name: process(command) for name, command in commands.items()}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            taken[name].append(process(command))
    print("| whole process, 40 pairs of 192 x 256 | CPU seconds, first run | later, median (least to most) | wall |")
    print("|---|---:|---|---:|")
    for name, runs in taken.items():
        cpu, wall = zip(*runs, strict=True)
        print(f"| {name} | {first[name][0]:.2f} | {spread(list(cpu))} | {statistics.median(wall):.2f} |", flush=True)
    print()


def scaling(folder: Path, total: int, rounds: int) -> None:
    taken: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        for workers, seconds in taken.items():
            seconds.append(process(eval_boundary(folder, total, workers))[1])
    one, two = (statistics.median(seconds) for seconds in taken.values())
    pairs = len(list((folder / "gt").iterdir()))
    print(f"{pairs} pairs of 1024 x 2048, wall seconds: 1 worker {spread(taken[1])}, 2 workers {spread(taken[2])}:")
    print(f"{one / two:.2f} times as fast (load of the machine before: {os.getloadavg()[0]:.1f})\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="of 512 x 512")
    parser.add_argument("--city-rounds", type=int, default=3, help="of 1024 x 2048")
    parser.add_argument("--folder-rounds", type=int, default=5, help="of whole processes")
    parser.add_argument("--added-rounds", type=int, default=5, help="of what is added by name")
    parser.add_argument("--worst-rounds", type=int, default=3, help="of maps with boundaries everywhere")
    parser.add_argument("--worst-once", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--scaling", type=int, default=0, metavar="PAIRS", help="score so many with 1 and 2 workers")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="write the maps here and keep them")
    parser.add_argument("--peers-on", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--distances", help=argparse.SUPPRESS)
    parser.add_argument("--total", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peers_on:
        peers_on(arguments.peers_on, arguments.total, arguments.distances)
        return
    if arguments.worst_once:
        print(*score_worst(*arguments.worst_once))
        return

    warnings.simplefilter("ignore")
    if arguments.rounds or arguments.city_rounds or arguments.folder_rounds:
        import cv2
        import torch

        cv2.setNumThreads(1)
        torch.set_num_threads(1)
    print(f"Machine: {platform.machine()}, {os.cpu_count()} cores; Python {platform.python_version()}; one thread.\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        ade = write_pairs(folder / "ade", 1, (512, 512), total=150, present=25, objects=45)
        city = write_pairs(folder / "city", 1, (1024, 2048), total=19, present=19, objects=120)
        if arguments.rounds:
            compare(ade[0], 150, arguments.rounds)
        if arguments.city_rounds:
            compare(city[0], 19, arguments.city_rounds)
        if arguments.added_rounds:
            compare_added(ade[0], 150, arguments.added_rounds)
            compare_added(city[0], 19, arguments.added_rounds)
        if arguments.worst_rounds:
            compare_worst(arguments.worst_rounds)
        if arguments.folder_rounds:
            write_pairs(folder / "small", 40, (192, 256), total=21, present=6, objects=8)
            compare_folders(folder / "small", 21, arguments.folder_rounds)
        if arguments.scaling:
            drawn = write_pairs(folder / "many", 4, (1024, 2048), total=19, present=19, objects=120)
            for number in range(4, arguments.scaling):
                for path in drawn[number % 4]:
                    shutil.copy(path, path.with_name(f"{number:03}.png"))
            scaling(folder / "many", 19, 3)


if __name__ == "__main__":
    main()
