"""Scores of a pair as plain data for a line of JSON, and back, if shapes and ranges are those of the settings."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from convneur.metrics import BoundarySettings, Confusion, Matches, PairScores
from convneur.metrics.distances import SurfaceDistances
from convneur.metrics.measures import measures_of
from convneur.metrics.object_pairs import STATUS, object_columns
from convneur.metrics.objects import ObjectCounts
from convneur.metrics.scores import DISTANCES, seeds
from convneur.metrics.signs import ORIENTATIONS, PairSigns
from convneur.schema import SchemaError, typed

__all__ = ["as_plain", "read_scores"]

# Fields whose keys on disk are older than their names.
_ON_DISK = {"invalid_labels": "stray"}
_KINDS = {np.dtype(np.int64): "i", np.dtype(np.float64): "if"}


def as_plain(value: Any) -> Any:
    """Scores as lists and dicts: NumPy arrays by their elements, None as it is."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "__dataclass_fields__"):
        return {_ON_DISK.get(each.name, each.name): as_plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, PairSigns):
        return [[[*labels, pixels] for labels, pixels in value.joint.items()], *map(as_plain, value[1:])]
    if isinstance(value, Mapping):
        return {key: as_plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [as_plain(item) for item in value]
    return value


@dataclass(frozen=True)
class _Kept:
    """The keys of `as_plain`; arrays are looked into by `_Reader`."""

    shape: tuple[int, int]
    diagonal: float
    void_pixels: int
    stray: dict[str, int]
    classes: list[int]
    confusion: tuple[list[int], list[int], list[int]]
    trimap: dict[str, object] | None
    boundary_f1: object
    surface_dice: object
    distances: object
    boundary_iou: object
    # Earlier releases kept neither; what they tell of the set is then told of the other pairs.
    objects: object = None
    signs: object = None
    swallowed: object = None  # of earlier releases, in place of objects
    rows: dict[str, object] = field(default_factory=dict)
    object_rows: dict[str, object] | None = None


def read_scores(kept: Mapping[str, Any], settings: BoundarySettings) -> PairScores:
    """The way back from `as_plain`, to the last bit.

    Raises: SchemaError: what no pair can have come to by these settings.
    """
    return _Reader(typed(kept, _Kept, "scores"), settings).scores()


@dataclass(frozen=True)
class _Reader:
    kept: _Kept
    settings: BoundarySettings

    def scores(self) -> PairScores:
        kept, settings, wanted = self.kept, self.settings, set(self.settings.metrics)
        count = len(kept.classes)
        classes = self.array("classes", kept.classes, np.int64, (count,))
        if (np.diff(classes) <= 0).any() or (classes < 0).any() or (classes >= (settings.num_classes or 0)).any():
            raise SchemaError("scores.classes", f"must ascend within 0 to {(settings.num_classes or 0) - 1}")
        confusion = self.confusion("confusion", list(kept.confusion), (count,))
        pixels = kept.shape[0] * kept.shape[1]
        if min(kept.shape) < 1 or not 0 <= kept.void_pixels == pixels - confusion.gt.sum() or kept.diagonal < 0:
            raise SchemaError("scores.confusion", "does not add up to the pixels of the image")
        if not all(label.removeprefix("-").isdecimal() and len(label) < 20 for label in kept.stray):
            raise SchemaError("scores.stray", "needs labels as keys")
        trimap = boundary_iou = distances = None
        if self.asked("trimap_miou" in wanted, "trimap"):
            bands: Any = kept.trimap
            _check_keys("trimap", bands, seeds(settings))
            shape = (len(settings.trimap_width), count)
            trimap = {seed: self.confusion(f"trimap.{seed}", bands[seed], shape) for seed in seeds(settings)}
        shape = (len(settings.tolerance), count)
        boundary_f1 = self.matches("boundary_f1" in wanted, "boundary_f1", shape)
        objects = self.objects((shape[0] + 1, count))
        shape = (len(settings.surface_dice_tau), count)
        surface_dice = self.matches("surface_dice" in wanted, "surface_dice", shape)
        if self.asked(bool(wanted & {*DISTANCES, "surface_dice"}), "distances"):
            distances = SurfaceDistances(*self.array("distances", kept.distances, np.float64, (len(DISTANCES), count)))
        if self.asked("boundary_iou" in wanted, "boundary_iou"):
            boundary_iou = self.array("boundary_iou", kept.boundary_iou, np.float64, (count,), most=1)
        return PairScores(
            shape=kept.shape,
            diagonal=kept.diagonal,
            void_pixels=kept.void_pixels,
            invalid_labels={int(label): pixels for label, pixels in kept.stray.items()},
            classes=classes,
            confusion=confusion,
            trimap=trimap,
            boundary_f1=boundary_f1,
            objects=objects,
            surface_dice=surface_dice,
            distances=distances,
            boundary_iou=boundary_iou,
            rows=self.rows(count),
            object_rows=self.object_rows(),
            signs=self.signs(),
        )

    def asked(self, wanted: bool, key: str) -> bool:
        """Whether there is something under a key, which is so where it was asked for."""
        if (getattr(self.kept, key) is not None) != wanted:
            raise SchemaError(f"scores.{key}", "is missing" if wanted else "was not asked for")
        return wanted

    def matches(self, wanted: bool, key: str, shape: tuple[int, int]) -> Matches | None:
        if not self.asked(wanted, key):
            return None
        gt, pred, matched_gt, matched_pred, score = self.parts(key, getattr(self.kept, key), 5)
        found = Matches(
            self.array(key, gt, np.int64, shape[1:]),
            self.array(key, pred, np.int64, shape[1:]),
            self.array(key, matched_gt, np.int64, shape),
            self.array(key, matched_pred, np.int64, shape),
            self.array(key, score, np.float64, shape, most=1),
        )
        if (found.matched_gt > found.gt).any() or (found.matched_pred > found.pred).any():
            raise SchemaError(f"scores.{key}", "has more matches than pixels")
        return found

    def rows(self, count: int) -> dict[str, npt.NDArray[Any]]:
        kept = self.kept.rows
        kinds = {name: kind for each in measures_of(self.settings) for name, kind in each.rows(self.settings).items()}
        _check_keys("rows", kept, kinds)
        types = {name: np.int64 if kind == "count" else np.float64 for name, kind in kinds.items()}
        return {name: self.array(f"rows.{name}", kept[name], types[name], (count,)) for name in kinds}

    def object_rows(self) -> dict[str, npt.NDArray[Any]] | None:
        if not self.asked(self.settings.per_object, "object_rows"):
            return None
        kept, columns = self.kept.object_rows or {}, object_columns(self.settings)
        _check_keys("object_rows", kept, columns)
        first = next(iter(kept.values()))
        count = len(first) if isinstance(first, list) else 0
        most = {"class": (self.settings.num_classes or 0) - 1, "status": len(STATUS) - 1}
        return {
            name: self.array(f"object_rows.{name}", kept[name], dtype, (count,), most=most.get(name))
            for name, dtype in columns.items()
        }

    def objects(self, shape: tuple[int, int]) -> ObjectCounts | None:
        if self.kept.objects is None:
            return None
        objects, border, thin, thin_border = self.parts("objects", self.kept.objects, 4)
        found = ObjectCounts(
            self.array("objects", objects, np.int64, shape[1:]),
            self.array("objects", border, np.int64, shape[1:]),
            self.array("objects", self.with_tau(thin, shape), np.int64, shape),
            self.array("objects", self.with_tau(thin_border, shape), np.int64, shape),
        )
        if (found.thin > found.objects).any() or (found.thin_border > found.border).any():
            raise SchemaError("scores.objects", "has more thin objects than there are")
        return found

    def with_tau(self, rows: Any, shape: tuple[int, int]) -> Any:
        """Earlier releases kept no row of the surface-dice tau."""
        return [*rows, [0] * shape[1]] if isinstance(rows, list) and len(rows) == shape[0] - 1 else rows

    def signs(self) -> PairSigns | None:
        if self.kept.signs is None:
            return None
        joint, grain, oriented = self.parts("signs", self.kept.signs, 3)
        met = self.array("signs", joint, np.int64, (len(joint) if isinstance(joint, list) else 0, 3), least=None)
        return PairSigns(
            {(gt, pred): pixels for gt, pred, pixels in met.tolist()},
            self.array("signs", grain, np.int64, (2, 4)),
            self.array("signs", oriented, np.int64, (2, len(ORIENTATIONS))),
        )

    def confusion(self, key: str, parts: Any, shape: tuple[int, ...]) -> Confusion:
        gt, pred, agreeing = (self.array(key, each, np.int64, shape) for each in self.parts(key, parts, 3))
        if (agreeing > np.minimum(gt, pred)).any():
            raise SchemaError(f"scores.{key}", "has more pixels that agree than there are")
        return Confusion(gt, pred, agreeing)

    def parts(self, key: str, value: Any, count: int) -> list[Any]:
        if not isinstance(value, list) or len(value) != count:
            raise SchemaError(f"scores.{key}", f"needs {count} lists")
        return value

    def array(
        self,
        key: str,
        rows: Any,
        dtype: Any,
        shape: tuple[int, ...],
        *,
        least: float | None = 0,
        most: float | None = None,
    ) -> Any:
        """(shape) numbers from `least`, NaN among floats, to `most`."""
        try:
            found: npt.NDArray[Any] = np.array(rows)
        except (ValueError, OverflowError, RecursionError):
            raise SchemaError(f"scores.{key}", "has rows of different lengths") from None
        if found.size and found.dtype.kind not in _KINDS[np.dtype(dtype)]:
            raise SchemaError(f"scores.{key}", "needs numbers")
        if found.shape != shape:
            raise SchemaError(f"scores.{key}", f"is of shape {found.shape}, not {shape}")
        if (least is not None and (found < least).any()) or (most is not None and (found > most).any()):
            raise SchemaError(f"scores.{key}", "is out of range")
        return found.astype(dtype)


def _check_keys(place: str, kept: Iterable[str], wanted: Iterable[str]) -> None:
    """Raise SchemaError for the first that is missing, or that was not asked for."""
    kept, wanted = list(kept), list(wanted)
    for found, others, problem in ((wanted, kept, "is missing"), (kept, wanted, "was not asked for")):
        for key in found:
            if key not in others:
                raise SchemaError(f"scores.{place}.{key[:40]}", problem)
