"""Make the samples that `convneur demo` writes, from images whose licence is CC0.

    python examples/make_samples.py [FOLDER] [--nuclei COCO]

From scikit-image: photo.jpg, a cat to look at the gates with; horse.jpg with its mask, a pair whose boundary is exact,
because the image is composed from the mask (a silhouette of a horse, filled with gravel, over a photo of coffee); and
under horse/ three predictions of it with one known mistake each, so that what a boundary metric says of them can be
judged.

From the 2018 Data Science Bowl, stage 1 (COCO: a folder of it as images/SPLIT/*.png and annotations/SPLIT.json, the
masks as compressed RLE): nuclei/, a small segmentation set to train on, the label maps of two simple methods to
compare, and the objects of the first as COCO results beside the ground truth. Without --nuclei this part is left out.

Running it again gives the same files.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from skimage import data, filters, morphology

import convneur
from convneur.data.images import read_photo
from convneur.data.run_lengths import mask_of_pixels, mask_of_text

SHIFT = (2, 3)  # pixels down and right
DILATION = 3  # pixels on every side
SMOOTHING = 5.0  # standard deviation in pixels of the blur before the cut at one half

NUCLEI = {"train": 20, "val": 8}  # images of each split
SIDE = 256
CONTRAST = 15  # least standard deviation of the grey values: the fainter images are black to the eye
SMALLEST = 30  # pixels of an object that the first method keeps

Mask = NDArray[np.bool_]


def mistakes(horse: Mask) -> dict[str, Mask]:
    """The silhouette with one mistake each: displaced, too fat, without its fine parts."""
    shifted = np.zeros_like(horse)
    shifted[SHIFT[0] :, SHIFT[1] :] = horse[: -SHIFT[0], : -SHIFT[1]]
    return {
        "shifted": shifted,
        "dilated": ndimage.distance_transform_edt(~horse) <= DILATION,
        "smoothed": ndimage.gaussian_filter(horse.astype(float), SMOOTHING) > 0.5,
    }


def save_labels(labels: Mask, path: Path) -> None:
    """A label map as PNG: 0 background, 1 object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels.astype(np.uint8)).save(path, optimize=True)


def save_image(pixels: NDArray[np.uint8], path: Path, quality: int = 90) -> None:
    """An image as JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=quality, optimize=True)


def make_photos(folder: Path) -> None:
    """photo.jpg, horse.jpg, horse-mask.png and horse/."""
    save_image(data.chelsea(), folder / "photo.jpg")

    horse = ~data.horse()  # the silhouette is black on white
    height, width = horse.shape
    image = data.coffee()[:height, 100 : 100 + width].copy()
    image[horse] = data.gravel()[:height, :width, None].repeat(3, axis=2)[horse]
    save_image(image, folder / "horse.jpg")
    save_labels(horse, folder / "horse-mask.png")
    for mistake, labels in mistakes(horse).items():
        save_labels(horse, folder / "horse" / "gt" / f"{mistake}.png")
        save_labels(labels, folder / "horse" / "predictions" / f"{mistake}.png")
    (folder / "horse" / "classes.txt").write_text("background\nhorse\n", encoding="utf-8")


def union(annotations: list[dict[str, Any]]) -> Mask:
    """All instances of an image as one mask."""
    masks = [mask_of_text(each["segmentation"]["counts"], (SIDE, SIDE)).pixels() for each in annotations]
    return np.logical_or.reduce([np.zeros((SIDE, SIDE), bool), *masks])


def nuclei(coco: Path, split: str, wanted: int) -> Iterator[tuple[NDArray[np.uint8], list[dict[str, Any]]]]:
    """Fluorescence images of one size with good contrast, spread over the split, and their annotations."""
    listed = json.loads((coco / "annotations" / f"{split}.json").read_text(encoding="utf-8"))
    suited = []
    for image in listed["images"]:
        colours = read_photo(coco / "images" / split / image["file_name"], long_side=None).pixels
        pixels = colours[..., 0]
        grey = (colours == pixels[..., None]).all()
        if grey and pixels.shape == (SIDE, SIDE) and pixels.std() >= CONTRAST:
            suited.append((image["id"], pixels))
    if len(suited) < wanted:
        raise ValueError(f"{split} has {len(suited)} such images, not {wanted}")
    for number in range(wanted):
        image_id, pixels = suited[number * len(suited) // wanted]
        yield pixels, [each for each in listed["annotations"] if each["image_id"] == image_id]


def thresholded(pixels: NDArray[np.uint8], blur: float) -> Mask:
    """What is brighter than Otsu's threshold after a Gaussian blur."""
    blurred = filters.gaussian(pixels, blur, preserve_range=True)
    return blurred > filters.threshold_otsu(blurred)


def detections(found: Mask, other: Mask, image_id: int) -> Iterator[dict[str, Any]]:
    """Connected objects of a method as COCO results; the score is the share of an object that another method has."""
    objects, count = ndimage.label(found, np.ones((3, 3)))
    for number in range(1, count + 1):
        mask = objects == number
        runs = mask_of_pixels(mask)
        bounds = np.stack([runs.starts, runs.ends], axis=1).ravel()
        counts = np.diff([0, *bounds, mask.size]).tolist()
        score = round(float(other[mask].mean()), 3)
        yield {
            "image_id": image_id,
            "category_id": 1,
            "score": score,
            "segmentation": {"size": [SIDE, SIDE], "counts": counts},
        }


def make_nuclei(folder: Path, coco: Path) -> None:
    """nuclei/, labels/, predictions/, others/, classes.txt, instances.json and detections.json."""
    numbers = iter(range(1, 100))
    truth: dict[str, list[Any]] = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "nucleus"}]}
    results: list[dict[str, Any]] = []
    for split, wanted in NUCLEI.items():
        for pixels, annotations in nuclei(coco, split, wanted):
            number = next(numbers)
            name = f"{number:02}"
            labels = union(annotations)
            save_image(pixels, folder / "nuclei" / "images" / split / f"{name}.jpg", quality=85)
            save_labels(labels, folder / "nuclei" / "masks" / split / f"{name}.png")
            if split == "val":
                sharp = morphology.remove_small_objects(thresholded(pixels, 1), max_size=SMALLEST)
                save_labels(labels, folder / "labels" / f"{name}.png")
                save_labels(sharp, folder / "predictions" / f"{name}.png")
                blurred = thresholded(pixels, 3)
                save_labels(blurred, folder / "others" / f"{name}.png")
                truth["images"].append({"id": number, "file_name": f"{name}.jpg", "height": SIDE, "width": SIDE})
                truth["annotations"] += [
                    {"id": len(truth["annotations"]) + at, "image_id": number, "category_id": 1, "iscrowd": 0,
                     "area": each["area"], "bbox": each["bbox"], "segmentation": each["segmentation"]}
                    for at, each in enumerate(annotations, start=1)
                ]  # fmt: skip
                results += detections(sharp, blurred, number)
    for file, value in (("instances", truth), ("detections", results)):
        (folder / f"{file}.json").write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="utf-8")
    (folder / "classes.txt").write_text("background\nnucleus\n", encoding="utf-8")


def main() -> None:
    """Write all samples."""
    parser = argparse.ArgumentParser(description="Make the samples that `convneur demo` writes.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(convneur.__file__).parent / "data" / "samples")
    parser.add_argument("--nuclei", type=Path, metavar="COCO", help="the 2018 Data Science Bowl's stage 1 as COCO")
    arguments = parser.parse_args()
    make_photos(arguments.folder)
    if arguments.nuclei is not None:
        make_nuclei(arguments.folder, arguments.nuclei)


if __name__ == "__main__":
    main()
