"""Right and wrong at one score: what single images are told apart by, which average precision is not made for."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from convneur.instances.average_precision import Matches

__all__ = ["ImageCounts", "Outcome", "best_score"]


class Outcome(NamedTuple):
    """Of an image at a score: objects found, detections of nothing, objects missed."""

    tp: int
    fp: int
    fn: int

    @property
    def f1(self) -> float:
        """2 tp / (2 tp + fp + fn); NaN without object and detection."""
        whole = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / whole if whole else math.nan


class ImageCounts(NamedTuple):
    """What is kept of an image. scores: (D,); right, wrong: (D,) at IoU 0.5; objects: that count.

    >>> counts = ImageCounts(np.array([0.9, 0.4]), np.array([True, False]), np.array([False, True]), objects=2)
    >>> counts.at(0.3), round(counts.at(0.5).f1, 4)
    (Outcome(tp=1, fp=1, fn=1), 0.6667)
    """

    scores: NDArray[np.float64]
    right: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    objects: int

    @classmethod
    def of(cls, matches: Matches) -> "ImageCounts":
        return cls(matches.scores, matches.right, matches.wrong, matches.objects)

    def at(self, score: float) -> Outcome:
        """With the detections from a score on."""
        seen = self.scores >= score
        tp = int(np.count_nonzero(self.right & seen))
        return Outcome(tp, int(np.count_nonzero(self.wrong & seen)), self.objects - tp)


def best_score(images: Sequence[ImageCounts]) -> float:
    """The score from which on F1 over all images is highest, the higher of equals; infinity without detections.

    >>> image = ImageCounts(np.array([0.9, 0.4]), np.array([True, False]), np.array([False, True]), objects=1)
    >>> best_score([image])
    0.9
    """
    scores = np.concatenate([each.scores for each in images] or [np.zeros(0)])
    if not len(scores):
        return math.inf
    order = np.argsort(-scores, kind="stable")
    scores = scores[order]
    right, wrong = (
        np.concatenate([getattr(each, name) for each in images])[order].cumsum() for name in ("right", "wrong")
    )
    whole = right + wrong + sum(each.objects for each in images)
    f1 = np.divide(2.0 * right, whole, out=np.zeros(len(whole)), where=whole > 0)
    f1[:-1][scores[1:] == scores[:-1]] = -1  # a score takes all that have it
    return float(scores[f1.argmax()])
