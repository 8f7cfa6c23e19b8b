"""`evaluate_sequences`: objects tracked through sequences of frames to DAVIS's J&F."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from convneur.data.label_folder import LabelFolder
from convneur.data.labels import read_label_map
from convneur.data.limits import MAX_PIXELS
from convneur.errors import InputError
from convneur.evaluation import worker_map
from convneur.formats import plural
from convneur.instances.inputs import Failure, check_choice, check_shapes, existing_file, shown, unpaired
from convneur.metrics.boundaries import Points
from convneur.metrics.kernels import kernels_for
from convneur.metrics.label_pair import rank_type
from convneur.metrics.settings import tolerance_square
from convneur.metrics.signs import Lag, frame_lag, label_grid
from convneur.progress import Progress, silent
from convneur.results import Result, Table, plain, read_only

__all__ = ["SequenceScores", "evaluate_sequences"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
LabelArray = npt.NDArray[np.integer[Any]]
Davis = Literal["semi", "unsupervised"]

_VOID = 255
_TOLERANCE = "0.008"
_BINS = 4
MOST_PREDICTED = 20
"""Predicted objects of a sequence without supervision."""

_STATISTICS = ("mean", "recall", "decay")
_KEYS = ("jf_mean", *(f"{metric}_{statistic}" for metric in "jf" for statistic in _STATISTICS))
_NAMES = ("J&F", "J mean", "J recall", "J decay", "F mean", "F recall", "F decay")
_DEFINITIONS = {
    "j": "IoU of an object in a frame, 1 if it is in neither map",
    "f": "boundary F1 at 0.008 of the image diagonal, 1 if neither mask has a boundary",
    "mean": "over the frames of an object; the values above are means over all objects",
    "recall": "share of the frames above 0.5",
    "decay": "mean of the first quarter of the frames minus that of the last",
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SequenceScores(Result):
    """J&F of objects in sequences, as DAVIS defines it; made by `evaluate_sequences`.

    overall: jf_mean, and mean, recall and decay of j and f, over all objects. objects: such values of each, by sequence
    and number; sequences: means over the objects of each. failed: sequences that could not be scored.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for number in range(3):
    ...         Path(folder, "walk").mkdir(exist_ok=True)
    ...         np.save(Path(folder, "walk", f"{number}.npy"), np.eye(9, dtype=np.uint8))
    ...     found = evaluate_sequences(folder, folder)
    >>> found, found.overall["jf_mean"], list(found.objects)
    (<SequenceScores of 1 object in 1 sequence>, 1.0, ['walk_1'])
    """

    settings: Mapping[str, Any]
    overall: Mapping[str, float]
    objects: Mapping[str, Mapping[str, Any]]
    sequences: Mapping[str, Mapping[str, Any]]
    failed: tuple[Failure, ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<SequenceScores of {plural(len(self.objects), 'object')} in {plural(len(self.sequences), 'sequence')}>"

    def failed_line(self) -> str:
        """How many could not be scored."""
        return f"{len(self.failed)} of {len(self.sequences) + len(self.failed)} sequences"

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": "convneur.sequences/1",
            "convneur": version("convneur"),
            "settings": plain(self.settings),
            "davis": {**self.overall, "objects": plain(self.objects), "sequences": plain(self.sequences)},
            "failed": [{"name": each.name, "why": each.why} for each in self.failed],
            "warnings": list(self.warnings),
        }

    def headlines(self) -> Sequence[str]:
        frames = sum(row["frames"] for row in self.sequences.values())
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return (
            f"{plural(len(self.sequences), 'sequence')} scored{failed}; {plural(len(self.objects), 'object')}, "
            f"{plural(frames, 'frame')}; DAVIS {self.settings['davis']}.",
        )

    def tables(self) -> Sequence[Table]:
        """Overall, by sequence, and by object."""

        def values(row: Mapping[str, Any]) -> list[str]:
            return [shown(row[key]) for key in _KEYS]

        sequences = [[name, str(row["objects"]), str(row["frames"]), *values(row)]
                     for name, row in self.sequences.items()]  # fmt: skip
        objects = [[name, *values(row)] for name, row in self.objects.items()]
        return (
            Table("J&F", ["", "mean", "recall", "decay"],
                  [[metric.upper(), *(shown(self.overall[f"{metric}_{each}"]) for each in _STATISTICS)]
                   for metric in "jf"] + [["J&F", shown(self.overall["jf_mean"]), "", ""]]),
            Table("By sequence", ["sequence", "objects", "frames", *_NAMES], sequences, dense=True),
            Table("By object", ["object", *_NAMES], objects, dense=True),
        )  # fmt: skip

    def sentences(self) -> Sequence[str]:
        return [f"{key}: {words}." for key, words in self.settings["definitions"].items()]

    def records(self) -> Sequence[Mapping[str, Any]]:
        """A row overall, one per sequence, one per object."""

        def record(kind: str, name: str, row: Mapping[str, Any]) -> dict[str, Any]:
            return {"kind": kind, "name": name} | {key: row[key] for key in _KEYS}

        return [
            record("overall", "", self.overall),
            *(record("sequence", name, row) for name, row in self.sequences.items()),
            *(record("object", name, row) for name, row in self.objects.items()),
        ]

    def paper_table(self) -> Table:
        """The values overall, in a row."""
        return Table("", ["", *_NAMES], [["all", *(shown(self.overall[key]) for key in _KEYS)]])


def evaluate_sequences(
    predictions: str | Path,
    ground_truth: str | Path,
    *,
    davis: Davis = "semi",
    missing: Literal["error", "skip"] = "error",
    follow_links: bool = False,
    max_pixels: int = MAX_PIXELS,
    workers: int = 1,
    progress: Progress = silent,
) -> SequenceScores:
    """Score objects through sequences: region similarity J, boundary accuracy F, and their mean J&F, as DAVIS does.

    Equation: per object mean, recall (share above 0.5) and decay over its frames; overall each object counts once.
    Choice:   frames, ids and statistics as davis2017 (Pont-Tuset et al., 2017), but that its decay of more than 256
        frames is wrong. semi: the first and the last frame are not scored, 255 is background, ids are those of the
        first frame. unsupervised: all frames, without the pixels of 255; ids are matched in each sequence for the
        highest J&F, and objects are numbered by the ids that they are matched with.
    Args:
        predictions, ground_truth: folders with a folder of label maps for each sequence, pixels are ids of objects.
        missing: what a sequence without predictions is.
        follow_links: read what links lead to. max_pixels: larger files are refused by their headers.
        workers: processes, 0 for one per core. The result is the same.
    Returns: the scores, 0 to 1, more is better; decay -1 to 1, less is better.
    Raises:  ConfigError: a setting, a path that is not there. InputError: no sequences, or one without predictions.

    >>> evaluate_sequences("nowhere", "nowhere")
    Traceback (most recent call last):
    convneur.errors.ConfigError: predictions nowhere: no such file or folder
    """
    check_choice("davis", davis, ("semi", "unsupervised"))
    check_choice("missing", missing, ("error", "skip"))
    folders = [
        _sequences(existing_file(setting, path), follow_links=follow_links)
        for setting, path in (("predictions", predictions), ("ground_truth", ground_truth))
    ]
    pred, gt = folders
    named, gt_named = ({name: name for name in side} for side in folders)
    warnings = unpaired(Path(predictions), named, gt_named, "sequence", missing=missing)
    for line in warnings:
        progress.warn(line)
    jobs = [_Job(name, pred[name], frames) for name, frames in gt.items() if name in pred]
    objects: dict[str, dict[str, Any]] = {}
    sequences: dict[str, dict[str, Any]] = {}
    failed: list[Failure] = []
    scored = partial(_outcome, davis=davis, max_pixels=max_pixels)
    with worker_map(workers, None, len(jobs)) as mapped, progress.steps("scoring", len(jobs)) as advance:
        for job, outcome in zip(jobs, mapped(scored, jobs), strict=True):
            if isinstance(outcome, str):
                failed.append(Failure(job.name, outcome))
                progress.error(f"{job.name}: {outcome}")
            else:
                rows = [_object_row(each) for each in outcome.objects]
                objects |= {f"{job.name}_{number}": row for number, row in enumerate(rows, start=1)}
                sequences[job.name] = {"objects": len(rows), "frames": len(outcome.objects[0].j), **_means(rows)}
                if outcome.lag is not None:
                    warnings.append(f"{job.name}: {outcome.lag}; number the frames alike")
                    progress.warn(warnings[-1])
            advance()
    return SequenceScores(
        settings=read_only({"davis": davis, "missing": missing, "definitions": _DEFINITIONS}),
        overall=read_only(_means(objects.values())),
        objects=read_only(objects),
        sequences=read_only(sequences),
        failed=tuple(failed),
        warnings=tuple(warnings),
    )


class _Job(NamedTuple):
    """A sequence: its frames by name on both sides."""

    name: str
    pred: Mapping[str, Path]
    gt: Mapping[str, Path]


class _Object(NamedTuple):
    """Which object of the ground truth, which prediction, and J and F in each frame."""

    gt: int
    pred: int
    j: FloatArray
    f: FloatArray


def _sequences(folder: Path, *, follow_links: bool) -> dict[str, dict[str, Path]]:
    """Frames by sequence, both in the order of their names."""
    if not folder.is_dir():
        raise InputError(folder, "is a file; give a folder with a folder of label maps for each sequence")
    found: dict[str, dict[str, Path]] = {}
    for name, path in LabelFolder(folder, follow_links=follow_links).files.items():
        sequence, _, frame = name.rpartition("/")
        if not sequence:
            raise InputError(path, "is in no folder of a sequence; give the folder above the sequences")
        found.setdefault(sequence, {})[frame] = path
    return found


class _Scored(NamedTuple):
    """A sequence's objects, and whether its frames are paired one off."""

    objects: list[_Object]
    lag: Lag | None


class _Frames:
    """Reads the frames of a sequence and keeps how each looks from afar."""

    def __init__(self, job: _Job, max_pixels: int) -> None:
        self._job, self._max_pixels = job, max_pixels
        self._pred: list[npt.NDArray[Any]] = []
        self._gt: list[npt.NDArray[Any]] = []

    def read(self, name: str) -> tuple[LabelArray, LabelArray]:
        """Prediction and ground truth of a frame."""
        pred, gt = _frame(self._job, name, self._max_pixels)
        for kept, labels in ((self._pred, pred), (self._gt, gt)):
            grid = label_grid(labels)
            kept.append((grid > 0) & (grid != _VOID))
        return pred, gt

    def lag(self) -> Lag | None:
        return frame_lag(self._pred, self._gt)


def _outcome(job: _Job, *, davis: Davis, max_pixels: int) -> _Scored | str:
    """J and F of the objects of one sequence, or why there are none."""
    frames = _Frames(job, max_pixels)
    try:
        objects = (_semi if davis == "semi" else _unsupervised)(job, frames, max_pixels)
        return _Scored(objects, frames.lag())
    except InputError as error:
        return str(error)
    except MemoryError:
        return "not enough memory to score it"


def _count_objects(frames: Mapping[str, Path], max_pixels: int) -> int:
    """Objects of a sequence: the highest id in its first frame."""
    first = next(iter(frames.values()))
    labels = read_label_map(first, max_pixels=max_pixels)
    inside = labels[labels != _VOID]
    highest = int(inside.max(initial=0))
    if highest < 1 or int(inside.min(initial=0)) < 0:
        raise InputError(first, "the first frame says which objects there are, and it has none (ids from 1 on)")
    if highest > _VOID:
        raise InputError(first, f"holds id {highest}, and ids of objects end at {_VOID - 1}")
    return highest


def _frame(job: _Job, name: str, max_pixels: int) -> tuple[LabelArray, LabelArray]:
    """Prediction and ground truth of a frame."""
    if name not in job.pred:
        folder = next(iter(job.pred.values())).parent
        raise InputError(folder, f"no prediction for frame {name}")
    pred, gt = (read_label_map(side[name], max_pixels=max_pixels) for side in (job.pred, job.gt))
    check_shapes(job.pred[name], pred.shape, gt.shape)
    return pred, gt


def _semi(job: _Job, frames: _Frames, max_pixels: int) -> list[_Object]:
    count = _count_objects(job.gt, max_pixels)
    names = list(job.gt)[1:-1]
    if not names:
        raise InputError(None, f"{plural(len(job.gt), 'frame')}, of which the first and the last are not scored")
    values = []
    for name in names:
        pred, gt = frames.read(name)
        low, high = int(pred.min()), int(pred.max())
        if low < 0 or high > count:
            wrong = low if low < 0 else high
            raise InputError(job.pred[name], f"object {wrong}, but the ground truth's first frame has {count}")
        values.append(_own_pairs(_ranks(pred, count), _ranks(gt, count), count))
    j, f = np.moveaxis(np.array(values), 0, -1)
    return [_Object(number + 1, number + 1, j[number], f[number]) for number in range(count)]


def _unsupervised(job: _Job, frames: _Frames, max_pixels: int) -> list[_Object]:
    from scipy.optimize import linear_sum_assignment

    count = _count_objects(job.gt, max_pixels)
    by_frame = []
    for name in job.gt:
        pred, gt = frames.read(name)
        void = gt == _VOID
        pred = np.where(void, 0, pred)
        highest = int(pred.max())
        if highest > MOST_PREDICTED or int(pred.min()) < 0:
            raise InputError(job.pred[name], f"object {highest}, but at most {MOST_PREDICTED} may be predicted")
        by_frame.append(_all_pairs(_ranks(pred, highest), _ranks(np.where(void, 0, gt), count), count, highest))
    # Ids that a frame has not, and those up to as many as the ground truth has, are empty masks.
    most = max(count, *(values.shape[2] - 1 for values in by_frame))
    filled = [
        np.concatenate([values[..., 1:], values[..., :1].repeat(most + 1 - values.shape[2], axis=2)], axis=2)
        for values in by_frame
    ]
    j, f = np.moveaxis(np.stack(filled), 0, -1)
    chosen = linear_sum_assignment((j.mean(axis=-1) + f.mean(axis=-1)).T / 2, maximize=True)
    return [_Object(int(g) + 1, int(p) + 1, j[g, p], f[g, p]) for p, g in zip(*chosen, strict=True)]


def _ranks(ids: LabelArray, count: int) -> npt.NDArray[np.unsignedinteger[Any]]:
    """Objects 1 to count as 0 to count - 1, all else as count."""
    return np.where((ids > 0) & (ids <= count), ids - 1, count).astype(rank_type(count))


def _own_pairs(pred: Any, gt: Any, count: int) -> FloatArray:
    """J and F of each object with the prediction of its number, (2, K)."""
    shape, (pred, gt) = gt.shape, _cropped((pred, count), (gt, count))
    kernels = kernels_for(gt.size)
    met = _met(pred, gt, count, count)
    j = _iou(met.diagonal()[:count], met.sum(axis=0)[:count], met.sum(axis=1)[:count])
    ours, theirs = (kernels.f1_points(ranks, count) for ranks in (pred, gt))
    return np.stack([j, _f1(kernels, ours, theirs, gt.shape, _radius(shape))])


def _all_pairs(pred: Any, gt: Any, count: int, predicted: int) -> FloatArray:
    """J and F of each object with each prediction, (2, K, 1 + P), the first of an empty prediction."""
    shape, (pred, gt) = gt.shape, _cropped((pred, predicted), (gt, count))
    kernels = kernels_for(gt.size)
    met = _met(pred, gt, predicted, count)
    sizes = met.sum(axis=0)[:predicted], met.sum(axis=1)[:count]
    gt_points, pred_points = kernels.f1_points(gt, count), kernels.f1_points(pred, predicted)
    j, f = np.empty((2, count, predicted + 1))
    j[:, 1:] = _iou(met[:count, :predicted], sizes[0][None], sizes[1][:, None])
    j[:, 0] = sizes[1] == 0
    f[:, 0] = gt_points.counts() == 0
    if predicted:
        theirs = _repeated(gt_points, np.repeat(np.arange(count), predicted))
        ours = _repeated(pred_points, np.tile(np.arange(predicted), count))
        f[:, 1:] = _f1(kernels, ours, theirs, gt.shape, _radius(shape)).reshape(count, predicted)
    return np.stack([j, f])


def _cropped(*maps: tuple[Any, int]) -> list[Any]:
    """Maps of one size cut to where any of them has an object, and a pixel more on each side, which keeps boundaries.

    Args: maps: ranks (H, W), and the rank of no object.
    """
    filled = np.logical_or.reduce([ranks != none for ranks, none in maps])
    parts = []
    for axis in (1, 0):
        there = np.flatnonzero(filled.any(axis=axis))
        first, last = (int(there[0]), int(there[-1])) if len(there) else (0, 0)
        parts.append(slice(max(first - 1, 0), last + 2))
    return [np.ascontiguousarray(ranks[tuple(parts)]) for ranks, _ in maps]


def _met(pred: Any, gt: Any, predicted: int, count: int) -> IntArray:
    """Pixels by rank of the ground truth and of the prediction, (K + 1, P + 1)."""
    shape = count + 1, predicted + 1
    codes = gt.astype(np.int64) * shape[1] + pred
    return np.bincount(codes.ravel(), minlength=shape[0] * shape[1]).reshape(shape)


def _radius(shape: tuple[int, int]) -> float:
    return math.sqrt(tolerance_square(_TOLERANCE, *shape))


def _repeated(points: Points, which: IntArray) -> Points:
    """Points of rank which[r] again as rank r."""
    counts = points.counts()[which]
    starts = np.append(0, counts.cumsum())
    at = np.arange(starts[-1]) - starts[:-1].repeat(counts) + points.starts[which].repeat(counts)
    return Points(starts, points.y[at], points.x[at])


def _iou(common: IntArray, pred: IntArray, gt: IntArray) -> FloatArray:
    """1 where both masks are empty."""
    whole = pred + gt - common
    return np.divide(common, whole, out=np.ones(whole.shape), where=whole > 0)


def _f1(kernels: Any, pred: Points, gt: Points, shape: tuple[int, int], radius: float) -> FloatArray:
    """Boundary F1 by rank; 1 where neither has a boundary pixel, 0 where one has none."""
    shares = []
    for ours, theirs in ((pred, gt), (gt, pred)):
        found = np.append(0, kernels.matched(ours, theirs, shape, [radius])[0].cumsum())
        counts = ours.counts()
        matched = np.diff(found[ours.starts])
        shares.append(np.divide(matched, counts, out=np.zeros(len(counts)), where=counts > 0))
    total = shares[0] + shares[1]
    f = np.divide(2 * shares[0] * shares[1], total, out=np.zeros(len(total)), where=total > 0)
    f[(pred.counts() == 0) & (gt.counts() == 0)] = 1
    return f


def _object_row(each: _Object) -> dict[str, Any]:
    values = {f"{metric}_{key}": value for metric in "jf" for key, value in _statistics(getattr(each, metric)).items()}
    both = (values["j_mean"] + values["f_mean"]) / 2
    return {"gt_object": each.gt, "pred_object": each.pred, "jf_mean": both, **values}


def _statistics(values: FloatArray) -> dict[str, float]:
    """Mean, recall and decay over frames.

    Equation: e_i = round(1 + (n - 1) i / 4 + 1e-10) - 1, halves to even; bin i holds frames e_(i-1) to e_i, both
        included; decay is the mean of the first bin minus that of the last.
    """
    ends = [round(1 + (len(values) - 1) * number / _BINS + 1e-10) - 1 for number in range(_BINS + 1)]
    first, last = values[: ends[1] + 1], values[ends[-2] : ends[-1] + 1]
    return {"mean": _mean(values), "recall": _mean(values > 0.5), "decay": _mean(first) - _mean(last)}


def _mean(values: Iterable[Any]) -> float:
    values = list(values)
    return math.fsum(values) / len(values) if values else math.nan


def _means(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Each object counts once; J&F is the mean of the two means."""
    rows = list(rows)
    found = {key: _mean(row[key] for row in rows) for key in _KEYS[1:]}
    return {"jf_mean": (found["j_mean"] + found["f_mean"]) / 2, **found}
