"""Objects drawn over their image."""

import tracemalloc

import numpy as np

from convneur.data.run_lengths import RunMask, mask_of_pixels
from convneur.inference.object_drawing import DrawnObject, drawn
from convneur.inference.objects import FoundObject, ObjectPrediction


def blob(shape: tuple[int, int], top: int, left: int, height: int, width: int) -> RunMask:
    mask = np.zeros(shape, bool)
    mask[top : top + height, left : left + width] = True
    return mask_of_pixels(mask)


def test_a_mask_is_tinted_and_its_rim_is_of_the_full_colour() -> None:
    image = np.full((900, 1200, 3), 100, np.uint8)
    masks = [blob((900, 1200), *at) for at in ((0, 0, 900, 1200), (300, 200, 60, 50), (850, 1150, 50, 50))]
    red, blue = (200, 0, 0), (0, 0, 200)
    far = (600.0, 500.0, 1.0, 1.0)  # the boxes stand away from what is looked at
    shown = [DrawnObject(far, mask, "", colour) for mask, colour in zip(masks, (red, blue, blue), strict=True)]
    none = DrawnObject(far, mask_of_pixels(np.zeros((900, 1200), bool)), "", blue)
    picture = drawn(image, [*shown[::-1], none], [("", red)])[:900]

    assert picture[310, 210].tolist() == [84, 36, 116]  # 100 to 140, 60, 60, and from there to blue by .4
    assert picture[300, 210].tolist() == list(blue)
    assert picture[310, 249].tolist() == list(blue)
    assert picture[310, 199].tolist() == [140, 60, 60]
    assert picture[0, 600].tolist() == list(red)
    assert picture[899, 1199].tolist() == list(blue)  # the image's edge is a rim


def test_the_masks_of_many_objects_are_not_held_at_once() -> None:
    shape = (1000, 1500)
    image = np.zeros((*shape, 3), np.uint8)
    masks = [blob(shape, 20 * k, 10 * k, 30, 30) for k in range(40)]
    found = [FoundObject("cell", 1, 0.9, (5.0, 5.0, 20.0, 20.0), mask) for mask in masks]
    prediction = ObjectPrediction(None, image, ("cell",), tuple(found))
    tracemalloc.start()
    try:
        prediction.drawing()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * image.nbytes  # the picture as floats; masks of the image's size would add 13 images
