"""What a model says of one image: a label map, or the likeliest classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convneur.data.colours import Colour
from convneur.data.examples import Task
from convneur.errors import ConfigError
from convneur.files import new_file
from convneur.results import SUFFIXES, Result, Table

__all__ = ["ClassProbability", "ClassShare", "Prediction"]


class ClassProbability(NamedTuple):
    """A class and how likely it is, in 0..1. label: its name, or its number where the weights name no classes.

    >>> ClassProbability("cat", 0.75).probability
    0.75
    """

    label: str | int
    probability: float


class ClassShare(NamedTuple):
    """A class and its share of the pixels, in 0..1. label: its name, or its number where the weights name none.

    >>> ClassShare("road", 0.25).share
    0.25
    """

    label: str | int
    share: float


@dataclass(frozen=True, eq=False, repr=False)
class Prediction(Result):
    """What a model says of one image.

    Args:
        name: of the image, None where it came from memory.
        image: (H, W, 3) uint8, as it was read.
        classes: names; None where the weights name none, and labels are numbers alone.
        palette: (K, 3) uint8, the colours that classes are drawn in.
        labels: (H, W) int64, a class of each pixel of the image's own size; None for a classifier.
        top: the likeliest classes, the likeliest first; None for a segmentation model.
        probabilities: (K, H, W) or, for a classifier, (K,) float32, where they were asked for.

    >>> import convneur, numpy as np
    >>> prediction = convneur.load("camvid").predict(np.full((64, 96, 3), 128, np.uint8))
    >>> prediction.labels.shape, prediction.classes[:2]
    ((64, 96), ('sky', 'building'))
    >>> sum(share for _, share in prediction.shares)
    1.0
    """

    name: str | None
    image: NDArray[np.uint8]
    task: Task
    classes: tuple[str, ...] | None
    palette: NDArray[np.uint8]
    labels: NDArray[np.int64] | None = None
    top: tuple[ClassProbability, ...] | None = None
    probabilities: NDArray[np.float32] | None = None

    def __repr__(self) -> str:
        of = "an image" if self.name is None else self.name
        return f"<Prediction of {of}: {self.task}>"

    @property
    def shares(self) -> tuple[ClassShare, ...]:
        """The classes that the label map holds, by number, and their shares of the pixels. Empty for a classifier."""
        if self.labels is None:
            return ()
        shares = np.bincount(self.labels.ravel(), minlength=len(self.palette)) / self.labels.size
        return tuple(
            ClassShare(self.classes[k] if self.classes else k, float(share)) for k, share in enumerate(shares) if share
        )

    def colour(self, label: str | int) -> Colour:
        """The colour that a class is drawn in. label: as in `shares`."""
        k = self.classes.index(label) if self.classes and isinstance(label, str) else int(label)
        red, green, blue = self.palette[k].tolist()
        return red, green, blue

    def overlay(self) -> NDArray[np.uint8]:
        """The label map in its colours laid half over the image, (H, W, 3). Raises: ConfigError: no label map."""
        colours = Image.fromarray(self.palette[self._label_map("overlay")])
        return np.asarray(Image.blend(Image.fromarray(self.image), colours, 0.5))

    def to_dict(self) -> dict[str, Any]:
        """As in the `images` of the JSON of `convneur predict`, but for where it was written."""
        if self.labels is None:
            return {"name": self.name, "top": top_dicts(self.top or ())}
        height, width = self.labels.shape
        return {"name": self.name, "height": height, "width": width, "shares": share_dict(self.shares)}

    def tables(self) -> Sequence[Table]:
        if self.labels is None:
            rows = [(str(label), f"{probability:.2f}") for label, probability in self.top or ()]
            return (Table("Likeliest classes", ("class", "probability"), rows),)
        return (share_table(self.shares),)

    def sentences(self) -> Sequence[str]:
        if self.labels is None:
            return ()
        height, width = self.labels.shape
        return (f"A label map of {height}x{width} pixels (height x width).",)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the label map, or what `tables` shows.

        A .png has the classes' numbers as values and their colours as its palette, as eval-boundary reads it; a .npy
        holds the numbers, (H, W). .json, .csv, .md and .tex hold the classes and their shares or probabilities.
        Raises: ConfigError: another suffix, or no label map; InputError: the file exists and `force` is off, or cannot
            be written.
        """
        path = Path(path)
        writers: dict[str, Callable[[Path, NDArray[np.int64]], None]] = {".png": self._save_png, ".npy": _save_npy}
        write = writers.get(path.suffix.lower())
        if write is None:
            if path.suffix.lower() not in SUFFIXES:
                raise ConfigError("path", f"the name must end in {', '.join((*writers, *SUFFIXES))}", value=path)
            super().save(path, force=force)
            return
        labels = self._label_map("path")
        with new_file(path, force=force) as temporary:
            write(temporary, labels)

    def _label_map(self, setting: str) -> NDArray[np.int64]:
        if self.labels is None:
            raise ConfigError(setting, "a classifier's prediction has no label map")
        return self.labels

    def _save_png(self, path: Path, labels: NDArray[np.int64]) -> None:
        if len(self.palette) > 256:  # more than a palette holds
            Image.fromarray(labels.astype(np.uint16)).save(path)
            return
        image = Image.fromarray(labels.astype(np.uint8))
        image.putpalette(self.palette.tobytes())  # makes it a palette image with the same values
        image.save(path)


def _save_npy(path: Path, labels: NDArray[np.int64]) -> None:
    np.save(path, labels)


def top_dicts(top: Sequence[ClassProbability]) -> list[dict[str, Any]]:
    return [{"class": label, "probability": probability} for label, probability in top]


def share_dict(shares: Sequence[ClassShare]) -> Mapping[str, float]:
    return {str(label): share for label, share in shares}


def share_table(shares: Sequence[ClassShare]) -> Table:
    """The largest share first."""
    ranked = sorted(shares, key=lambda each: -each.share)
    rows = [(str(label), f"{share:.1%}") for label, share in ranked]
    return Table("Share of the pixels", ("class", "share"), rows)
