"""One image as the boundary figures and the report show it: maps, errors, and their words and colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convneur.metrics.picks import BoundaryErrors

__all__ = ["Scene", "ScenePrediction", "Window"]

Window = tuple[int, int, int, int]
"""(y, x, height, width) of a part of an image, pixels."""


@dataclass(frozen=True, eq=False)
class ScenePrediction:
    """One model's prediction of a scene. labels: (H, W). values: ("B", "0.912") and so on, as to be printed.

    >>> from convneur.metrics import BoundarySettings, boundary_errors
    >>> labels = np.eye(32, dtype=np.uint8)
    >>> errors = boundary_errors(labels, labels, BoundarySettings(num_classes=2), "1px")
    >>> ScenePrediction("mine", labels, errors, [("B", "1.000")]).title
    'mine'
    """

    title: str
    labels: NDArray[np.integer[Any]]
    errors: BoundaryErrors
    values: Sequence[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Scene:
    """An image to be drawn; `Evaluation.scenes` makes them.

    heading: why it is shown. image: (H, W, 3) uint8 or None. truth: (H, W); ignored: (H, W), what does not count.
    colours: (C, 3) uint8 and class_names: of the classes. notes: what the predictions' values are. zoom: the place
    with the most errors, None where nothing need be enlarged; hotspots: places with many errors, the worst first.

    >>> truth = np.eye(32, dtype=np.uint8)
    >>> ignored = np.zeros((32, 32), bool)
    >>> colours = np.array([[0, 0, 0], [255, 0, 0]], np.uint8)
    >>> sorted(Scene("a", "worst of 3", None, truth, ignored, [], colours, ["ground", "line"]).classes())
    [0, 1]
    """

    name: str
    heading: str
    image: NDArray[np.uint8] | None
    truth: NDArray[np.integer[Any]]
    ignored: NDArray[np.bool_]
    predictions: Sequence[ScenePrediction]
    colours: NDArray[np.uint8]
    class_names: Sequence[str]
    notes: Sequence[str] = ()
    zoom: Window | None = None
    hotspots: Sequence[Window] = ()

    def classes(self) -> set[int]:
        """Labels in the truth or a prediction where it counts."""
        maps = (self.truth, *(one.labels for one in self.predictions))
        return {k for labels in maps for k in np.unique(labels[~self.ignored]).tolist()}
