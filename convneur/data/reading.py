"""From the two files of a pair to label maps that can be compared: colours, stored ids and sizes put right."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from convneur.data.colours import ColourTable
from convneur.data.labels import LabelFile, LabelMap, read_label_map, read_label_map_or_colours, resized
from convneur.data.limits import MAX_PIXELS, MOST_BORDER
from convneur.data.pairs import Pair
from convneur.data.presets import Naming, Preset
from convneur.data.probabilities import read_probabilities, thresholded
from convneur.data.relabelling import Relabelling
from convneur.errors import ConfigError, InputError

__all__ = ["Reading"]

_OBJECT = 255  # of a binary mask


@dataclass(frozen=True)
class Reading:
    """How files become label maps.

    Args:
        ignore_index: label that ignored colours and ignored ids get; None: no label is ignored.
        preset: the data set, which says what ids mean; None takes them as they are stored.
        colours: what RGB pictures mean; None takes the preset's, if it has any, else refuses them.
        resize: bring a prediction of another size to that of its ground truth (see `labels.resized`).
        max_pixels: larger files are refused by their headers.
        binary: label maps are masks of 0 and 255, whose object, 255, is class 1.
        pred_labels, gt_labels: as which labels those in the files are read, before the data set's ids are translated.
        probabilities: predictions are probability maps; threshold: from which on they are class 1, None for one half.
    Raises: ConfigError: the data set ignores ids or colours, but no label is ignored.
    """

    ignore_index: int | None = 255
    preset: Preset | None = None
    colours: ColourTable | None = None
    resize: bool = False
    max_pixels: int = MAX_PIXELS
    binary: bool = False
    pred_labels: Relabelling | None = None
    gt_labels: Relabelling | None = None
    probabilities: bool = False
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.ignore_index is not None:
            return
        tables = [naming.ids.values() for naming in self.preset.gt if naming.ids] if self.preset else []
        if any(None in table for table in tables) or (self.colours and None in self.colours.classes.values()):
            raise ConfigError("ignore_index", "the colours or ids of this data set need one; give a number", value=None)

    def ground_truth(self, path: LabelFile) -> LabelMap:
        """The ground truth in a file, (H, W). Raises: InputError: see `read_label_map`; ids or colours unknown."""
        return self._classes(path, self.preset.gt if self.preset else (), strict=True)

    def prediction(self, path: LabelFile) -> LabelMap:
        """The prediction in a file at its own size, (H, W); unknown ids become the ignore label, which is wrong."""
        if self.probabilities:
            return thresholded(path, read_probabilities(path, max_pixels=self.max_pixels), self.threshold)
        return self._classes(path, self.preset.pred if self.preset else (), strict=False)

    def pair(self, pair: Pair) -> tuple[LabelMap, LabelMap, bool]:
        """Prediction and ground truth, and whether the former had to be resized.

        Raises: InputError: as above; the pair's fault.
        """
        if pair.fault is not None:
            raise InputError(None, pair.fault)
        pred, gt = self.prediction(pair.pred), self.ground_truth(pair.gt)
        for path, labels in ((pair.pred, pred), (pair.gt, gt)):
            _check_borders(path, labels, self.max_pixels)
        if self.resize and pred.shape != gt.shape and not _exchanged(pred.shape, gt.shape):
            return resized(pred, gt.shape), gt, True
        return pred, gt, False

    def _classes(self, path: LabelFile, namings: tuple[Naming, ...], *, strict: bool) -> LabelMap:
        colours = self.colours or (self.preset.colours if self.preset else None)
        read = read_label_map_or_colours if colours else read_label_map
        labels = read(path, max_pixels=self.max_pixels)
        coloured = bool(colours) and labels.ndim == 3
        relabelling = self.gt_labels if strict else self.pred_labels
        try:
            if colours and coloured:
                labels = colours.labels(labels.astype(np.uint8, copy=False), self.ignore_index)
            if relabelling:
                labels = relabelling.applied(labels, self.ignore_index, truth=strict)
        except InputError as error:
            raise InputError(path, f"{error}") from None
        if coloured:
            return labels
        if self.binary:
            return np.where(labels == _OBJECT, labels.dtype.type(1), labels)
        ids = next((naming.ids for naming in namings if path.stem.endswith(naming.suffix)), None)
        if ids is None:
            return labels
        return _translated(path, labels, ids, self.ignore_index, strict=strict)


def _exchanged(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether one is as much higher than wide as the other is wider than high: turned, which no resizing mends."""
    return shape[0] * other[0] == shape[1] * other[1] and shape[0] != shape[1]


def _check_borders(path: LabelFile, labels: LabelMap, max_pixels: int) -> None:
    """Raise InputError for more pixels on borders between classes than memory is stated for."""
    most = int(max_pixels * MOST_BORDER)
    if labels.size <= most:
        return
    down, across = labels[1:] != labels[:-1], labels[:, 1:] != labels[:, :-1]
    count = int(np.count_nonzero(down)) + int(np.count_nonzero(across))
    if count > most:
        raise InputError(
            path,
            f"{count} changes of class between neighbouring pixels, more than {most}, as noise has them; raise "
            "`max_pixels` if they are meant",
        )


def _translated(
    path: LabelFile, labels: LabelMap, ids: Mapping[int, int | None], ignore_index: int | None, *, strict: bool
) -> LabelMap:
    """Classes for stored ids below 256. Raises: InputError: an id that is none of them, if strict."""
    stored = labels if labels.dtype == np.uint8 else np.where((labels >= 0) & (labels < 256), labels, 256)
    if strict:
        counts = np.bincount(stored.ravel(), minlength=257)
        foreign = [label for label in np.flatnonzero(counts).tolist() if label not in ids]
        if foreign:
            listed = ", ".join("above 255 or negative" if label == 256 else str(label) for label in foreign[:5])
            share = f"{counts[foreign].sum() / labels.size:.2%} of the pixels"
            mend = "check the preset"
            if labels.max() >= 1000:
                mend = "instance ids, 1000 * class + number, are no classes; give the labelIds files"
            raise InputError(path, f"label {listed} ({share}) is no id of this data set; {mend}")
    # Where ids are translated some are ignored, so there is a label for that.
    byte = ignore_index is not None and 0 <= ignore_index < 256
    table: LabelMap = np.full(257, ignore_index, np.uint8 if byte else np.int64)
    kept = {label: k for label, k in ids.items() if k is not None}
    table[list(kept)] = list(kept.values())
    return np.asarray(table[stored])
