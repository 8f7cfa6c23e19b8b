"""Make the samples that `convneur demo` runs on, from images inside scikit-image whose licence is CC0.

    python examples/make_samples.py [FOLDER]

chelsea.jpg is a photo to look at the gates with. horse.jpg and the label maps under horse/ are a pair whose boundary is
exact, because the photo is composed from the label map: a silhouette of a horse, filled with gravel, over a photo of
coffee. The three predictions are the label map with one known mistake each, so that what a boundary metric says of
them can be judged. Running it again gives the same files.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import data

import convneur

SHIFT = (2, 3)  # pixels down and right
DILATION = 3  # pixels on every side
SMOOTHING = 5.0  # standard deviation in pixels of the blur before the cut at one half


def predictions(horse: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    """The silhouette with one mistake each: displaced, too fat, without its fine parts."""
    shifted = np.zeros_like(horse)
    shifted[SHIFT[0] :, SHIFT[1] :] = horse[: -SHIFT[0], : -SHIFT[1]]
    return {
        "shifted": shifted,
        "dilated": ndimage.distance_transform_edt(~horse) <= DILATION,
        "smoothed": ndimage.gaussian_filter(horse.astype(float), SMOOTHING) > 0.5,
    }


def save_labels(labels: NDArray[np.bool_], path: Path) -> None:
    """A label map as PNG: 0 background, 1 horse."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels.astype(np.uint8)).save(path, optimize=True)


def main() -> None:
    """Write all samples."""
    default = Path(convneur.__file__).parent / "data" / "samples"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)

    Image.fromarray(data.chelsea()).save(folder / "chelsea.jpg", quality=90, optimize=True)

    horse = ~data.horse()  # the silhouette is black on white
    height, width = horse.shape
    photo = data.coffee()[:height, 100 : 100 + width].copy()
    photo[horse] = data.gravel()[:height, :width, None].repeat(3, axis=2)[horse]
    Image.fromarray(photo).save(folder / "horse.jpg", quality=90, optimize=True)
    (folder / "horse").mkdir(exist_ok=True)
    (folder / "horse" / "classes.txt").write_text("background\nhorse\n", encoding="utf-8")
    for mistake, labels in predictions(horse).items():
        save_labels(horse, folder / "horse" / "gt" / f"{mistake}.png")
        save_labels(labels, folder / "horse" / "predictions" / f"{mistake}.png")


if __name__ == "__main__":
    main()
