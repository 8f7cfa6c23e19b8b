"""docs/images/metrics.png: what each family of boundary metrics looks at, on one pair of masks.

python docs/tools/metrics_picture.py
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch
from scipy import ndimage
from skimage.morphology import skeletonize

from convneur import metrics

HEIGHT, WIDTH = 54, 78
GREY, ORANGE, BLUE, BLACK = "#dcdcdc", "#e66101", "#2b83ba", "#222222"
PLACE = Path(__file__).parents[1] / "images" / "metrics.png"


def masks() -> tuple[Any, Any]:
    """A body with a bent arm, of which the prediction is displaced and bumpy; one object is missed, one spurious."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    body = ((y - 27) / 15) ** 2 + ((x - 24) / 17) ** 2 <= 1
    arm = (abs(y - 27 - 7 * np.sin((x - 38) / 7)) <= 3) & (x >= 36) & (x < 66)
    gt = body | arm | (((y - 8) / 5) ** 2 + ((x - 64) / 7) ** 2 <= 1)
    bump = ((y - 15) / 6) ** 2 + ((x - 12) / 5) ** 2 <= 1
    pred = np.roll(body, (2, 1), (0, 1)) | bump | (np.roll(arm, -1, 0) & (x < 58))
    return pred | (((y - 47) / 4) ** 2 + ((x - 66) / 6) ** 2 <= 1), gt


def border(mask: Any) -> Any:
    return mask & ~ndimage.binary_erosion(mask)


def drawn(axes: Any, title: str, pred: Any, gt: Any, words: tuple[str, str, str]) -> None:
    """What of the ground truth alone, of the prediction alone, and in both."""
    kinds = np.where(gt & pred, 3, np.where(gt, 1, np.where(pred, 2, 0)))
    axes.imshow(kinds, cmap=ListedColormap(["white", ORANGE, BLUE, BLACK]), vmin=0, vmax=3, interpolation="nearest")
    named(axes, title, list(zip((ORANGE, BLUE, BLACK), words, strict=True)))


def named(axes: Any, title: str, key: list[tuple[str, str]]) -> None:
    axes.set_title(title, fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])
    patches = [Patch(color=colour, label=words) for colour, words in key]
    axes.legend(handles=patches, loc="upper center", bbox_to_anchor=(0.5, -0.02), ncol=3, fontsize=7.5, frameon=False,
                handlelength=1, columnspacing=1)  # fmt: skip


def main() -> None:
    pred, gt = masks()
    figure, axes = plt.subplots(2, 5, figsize=(15.6, 5.2), layout="constrained")
    alone = ("ground truth alone", "prediction alone", "both")
    drawn(axes[0, 0], f"Dice {metrics.dice(pred, gt):.2f}, IoU", pred, gt, alone)

    errors = metrics.boundary_errors(pred, gt, metrics.BoundarySettings(), tolerance="2px")
    found = metrics.boundary_f1(pred, gt, tolerance="2px")
    sides = errors.spurious | errors.matched, errors.missed | errors.matched
    drawn(axes[0, 1], f"boundary F1 at 2 px: {found:.2f}", *sides, ("missed", "spurious", "matched"))

    radii = range(1, 11)
    curve = [metrics.boundary_f1(pred, gt, tolerance=f"{radius}px") for radius in radii]
    axes[0, 2].plot(radii, curve, "o-", color=BLACK)
    axes[0, 2].set(ylim=(0, 1.02), xlabel="tolerance, pixels", box_aspect=HEIGHT / WIDTH)
    axes[0, 2].set_title("boundary F1 curve", fontsize=10)

    changes = [np.diff(gt, axis=axis) for axis in (0, 1)]
    seed = np.pad(changes[0], ((0, 1), (0, 0))) | np.pad(changes[0], ((1, 0), (0, 0)))
    seed |= np.pad(changes[1], ((0, 0), (0, 1))) | np.pad(changes[1], ((0, 0), (1, 0)))
    band = ndimage.binary_dilation(seed, np.ones((3, 3)), iterations=3)
    axes[0, 3].imshow(np.where(band, np.where(pred == gt, 1, 2), 0), cmap=ListedColormap(["white", GREY, ORANGE]))
    named(axes[0, 3], "trimap mIoU at 3 px", [(GREY, "right in the band"), (ORANGE, "wrong in the band")])

    ours, theirs = border(pred), border(gt)
    distance, nearest = ndimage.distance_transform_edt(~ours, return_indices=True)
    axes[1, 0].imshow(ours, cmap=ListedColormap(["white", "#9a9a9a"]))
    colours = axes[1, 0].imshow(np.ma.masked_where(~theirs, distance), cmap="plasma_r", interpolation="nearest")
    figure.colorbar(colours, ax=axes[1, 0], shrink=0.6, label="pixels")
    end = np.unravel_index(np.argmax(np.where(theirs, distance, -1)), gt.shape)
    start = nearest[:, end[0], end[1]]
    axes[1, 0].plot([start[1], end[1]], [start[0], end[0]], color=BLACK, lw=1.5)
    named(axes[1, 0], f"distances: HD {metrics.hausdorff(pred, gt):.1f}", [("#9a9a9a", "border of the prediction")])

    depth = 3
    inner = [mask & ~ndimage.binary_erosion(mask, np.ones((3, 3)), iterations=depth) for mask in (pred, gt)]
    drawn(axes[1, 1], "Boundary IoU: inner bands", *inner, alone)

    labels, others = (ndimage.label(mask, np.ones((3, 3)))[0] for mask in (gt, pred))
    kinds = np.zeros(gt.shape, int)
    for side, colour in ((labels, 1), (others, 2)):
        for number in range(1, side.max() + 1):
            part = side == number
            other = pred if side is labels else gt
            kinds[part] = 3 if (part & other).sum() > part.sum() / 2 else colour
    axes[1, 2].imshow(kinds, cmap=ListedColormap(["white", ORANGE, BLUE, GREY]), vmin=0, vmax=3)
    named(axes[1, 2], "objects: RQ, SQ, PQ", [(GREY, "found"), (ORANGE, "missed"), (BLUE, "spurious")])

    lines = [skeletonize(mask) for mask in (gt, pred)]
    picture = np.where(gt | pred, 1, 0)
    picture[lines[0]] = np.where(pred, 2, 3)[lines[0]]
    axes[1, 3].imshow(picture, cmap=ListedColormap(["white", GREY, BLACK, ORANGE]), vmin=0, vmax=3)
    named(axes[1, 3], "clDice: the skeleton", [(BLACK, "inside"), (ORANGE, "outside")])

    frames = range(13)  # of a film in which the prediction drifts away and comes back
    drift = [np.roll(gt, round(4 * np.sin(number / 4) ** 2), 1) for number in frames]
    region = [(moved & gt).sum() / (moved | gt).sum() for moved in drift]
    contour = [metrics.boundary_f1(moved, gt, tolerance=0.008) for moved in drift]
    axes[0, 4].plot(frames, region, "o-", color=BLACK, label=f"J, mean {np.mean(region):.2f}")
    axes[0, 4].plot(frames, contour, "s--", color=BLUE, label=f"F, mean {np.mean(contour):.2f}")
    axes[0, 4].set(ylim=(0, 1.05), xlabel="frame", box_aspect=HEIGHT / WIDTH)
    axes[0, 4].legend(fontsize=7.5, frameon=False, loc="lower right")
    axes[0, 4].set_title(f"sequences: J&F {(np.mean(region) + np.mean(contour)) / 2:.2f}", fontsize=10)

    right = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 1])  # of detections by falling score, of ten objects
    recall, precision = right.cumsum() / 10, right.cumsum() / np.arange(1, right.size + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    axes[1, 4].plot(recall, precision, "o-", color=GREY)
    axes[1, 4].fill_between(np.append(0, recall), np.append(best[0], best), step="pre", color=BLUE, alpha=0.35)
    axes[1, 4].set(ylim=(0, 1.05), xlim=(0, 1), xlabel="recall", ylabel="precision", box_aspect=HEIGHT / WIDTH)
    axes[1, 4].set_title("AP: the area below, over scores", fontsize=10)
    figure.savefig(PLACE, dpi=110)


if __name__ == "__main__":
    main()
