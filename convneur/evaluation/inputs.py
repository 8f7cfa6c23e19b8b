"""Which files belong together and how they become label maps: from what was asked for to pairs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from convneur.data.class_names import read_class_names
from convneur.data.colours import ColourTable, read_colour_table
from convneur.data.folders import some
from convneur.data.limits import MAX_PIXELS
from convneur.data.pairs import Pairing, find_pairs, listed_pairs, paged, paired_files
from convneur.data.presets import PRESETS, Naming, Preset
from convneur.data.probabilities import DEFAULT_THRESHOLD, RULE
from convneur.data.reading import Reading
from convneur.data.relabelling import Relabelling, relabelling
from convneur.errors import ConfigError, InputError

__all__ = [
    "ClassSource",
    "InputSettings",
    "Inputs",
    "Labels",
    "Maps",
    "Missing",
    "existing",
    "file_list",
    "found_inputs",
    "same_images",
    "unpaired",
]

Maps = str | Path | Sequence[str | Path]
"""A label map, a folder of them, or a list of files."""

Labels = str | int | Mapping[int, int | None]
"""As which labels others are read: a shift, or FROM:TO pairs."""

ClassSource = Literal["classes", "num_classes", "preset", "colours", "labels"]
Missing = Literal["error", "skip"]


@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """What says which files belong together and what they hold, as `evaluate` takes it.

    Raises: ConfigError: a setting that is none of those it may be.
    """

    num_classes: int | None = None
    classes: str | Path | Sequence[str] | None = None
    ignore_index: int | str | None = None
    preset: str | None = None
    colours: str | Path | ColourTable | None = None
    pred_name: str | None = None
    gt_name: str | None = None
    listed: str | Path | None = None
    missing: Missing = "error"
    resize: Literal["nearest"] | None = None
    follow_links: bool = False
    max_pixels: int = MAX_PIXELS
    pred_labels: Labels | None = None
    gt_labels: Labels | None = None
    probabilities: bool = False
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.preset is not None and self.preset not in PRESETS:
            raise ConfigError("preset", f"must be one of {', '.join(PRESETS)}", value=self.preset)
        if self.missing not in get_args(Missing):
            raise ConfigError("missing", f"must be one of {', '.join(get_args(Missing))}", value=self.missing)
        if self.resize not in (None, "nearest"):
            raise ConfigError("resize", "must be nearest, or left out", value=self.resize)
        if self.listed is not None and (self.pred_name or self.gt_name):
            raise ConfigError("listed", "names both files of a pair; leave `pred_name` and `gt_name` out")
        for setting, table in zip(("pred_labels", "gt_labels"), self.relabellings(), strict=True):
            if self.ignored() is None and table and table.ignores:
                problem = "ignores labels, and no label is the ignored one; give `ignore_index` a number"
                raise ConfigError(setting, problem, value=table)
        if self.threshold is not None and not self.probabilities:
            raise ConfigError("threshold", "is for probability maps; add `probabilities`", value=self.threshold)
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError("threshold", "must be from 0 to 1", value=self.threshold)
        if self.probabilities and self.pred_labels is not None:
            raise ConfigError("pred_labels", "changes labels, and `probabilities` holds none; leave it out")

    def relabellings(self) -> tuple[Relabelling | None, Relabelling | None]:
        """As which labels those of the predictions and of the ground truth are read."""
        return relabelling("pred_labels", self.pred_labels), relabelling("gt_labels", self.gt_labels)

    def relabelled(self) -> dict[str, str]:
        """`relabellings` in words, as far as there are any."""
        both = zip(("pred_labels", "gt_labels"), self.relabellings(), strict=True)
        return {setting: str(table) for setting, table in both if table is not None}

    def recorded(self) -> dict[str, Any]:
        """What the settings of a result say of it where it was asked for: relabelling, and the threshold."""
        if not self.probabilities:
            return dict(self.relabelled())
        threshold = DEFAULT_THRESHOLD if self.threshold is None else self.threshold
        return {**self.relabelled(), "probabilities": True, "threshold": threshold, "threshold_rule": RULE}

    @property
    def known(self) -> Preset | None:
        """What the preset says."""
        return PRESETS[self.preset] if self.preset else None

    def ignored(self) -> int | None:
        """The label that is ignored, None for none."""
        if self.ignore_index is None:
            return self.known.ignore_index if self.known else 255
        if self.ignore_index == "none":
            return None
        try:
            return int(self.ignore_index)
        except ValueError:
            problem = "must be a whole number, or none for no ignored label"
            raise ConfigError("ignore_index", problem, value=self.ignore_index) from None


@dataclass(frozen=True)
class Inputs:
    """names: of the classes, None if they have none; class_source: what says how many classes there are.

    follow_links: of the images' folder too.
    """

    pairing: Pairing
    reading: Reading
    names: tuple[str, ...] | None
    class_source: ClassSource
    follow_links: bool = False


def found_inputs(
    asked: InputSettings, predictions: Maps | None, ground_truth: Maps | None, *, setting: str = "predictions"
) -> Inputs:
    """Find the pairs and read what describes them. setting: which argument the predictions are, for messages.

    Raises: ConfigError: a path that is not there, settings that contradict each other. InputError: a file that cannot
        be used, a ground truth without a prediction.
    """
    colours = asked.colours
    if colours is not None and not isinstance(colours, ColourTable):
        colours = read_colour_table(existing("colours", colours))
    preset = asked.known
    names, source = _class_names(asked, preset.names if preset else colours.names if colours else None)
    if colours and names:
        colours = colours.renumbered(names)
    pred_labels, gt_labels = asked.relabellings()
    reading = Reading(
        asked.ignored(),
        preset,
        colours,
        asked.resize is not None,
        asked.max_pixels,
        pred_labels=pred_labels,
        gt_labels=gt_labels,
        probabilities=asked.probabilities,
        threshold=asked.threshold,
    )
    pairing = paged(_pairing(asked, predictions, ground_truth, setting))
    return Inputs(pairing, reading, names, source, asked.follow_links)


def file_list(maps: Maps | None) -> list[Path] | None:
    """The files of a list; None for a single path or nothing. Raises: ConfigError: arrays instead of files."""
    if maps is None or isinstance(maps, (str, Path)):
        return None
    if hasattr(maps, "ndim") or any(hasattr(each, "ndim") for each in maps):
        raise ConfigError("predictions", "evaluate reads files; for arrays there is convneur.metrics.BoundaryMetrics")
    return [Path(path) for path in maps]


def existing(setting: str, path: str | Path) -> Path:
    """Raise ConfigError for a path that is not there: a typing mistake, not a broken file."""
    path = Path(path)
    if not path.exists():
        raise ConfigError(setting, "no such file or folder", value=path)
    return path


def unpaired(pairing: Pairing) -> list[str]:
    """Which files were left aside or are not read, in words."""
    found = []
    for names, kind, kinds, fate in (
        (pairing.without_gt, "prediction without a ground truth", "predictions without a ground truth", "ignored"),
        (pairing.without_pred, "ground truth without a prediction", "ground truths without a prediction", "skipped"),
    ):
        if names:
            words = kind if len(names) == 1 else kinds
            found.append(f"{len(names)} {words}, {fate}: {some(names)}")
    return found + list(pairing.unread)


def same_images(first: Pairing, second: Pairing, against: str) -> None:
    """Raise InputError for images that only one of two models has. against: the second model's predictions."""
    names, others = ({pair.files for pair in each.pairs} for each in (first, second))
    for lone, words in ((names - others, f"not in `against {against}`"), (others - names, "only there")):
        if lone:
            listed = ", ".join(sorted(lone)[:3]) + (f" and {len(lone) - 3} more" if len(lone) > 3 else "")
            raise InputError(
                None,
                f"`against {against}`: other images than `predictions` ({listed}: {words}); compare the same ones",
            )


def _class_names(asked: InputSettings, known: tuple[str, ...] | None) -> tuple[tuple[str, ...] | None, ClassSource]:
    """Names of the classes, and what says how many there are."""
    if asked.classes is not None:
        if isinstance(asked.classes, (str, Path)):
            names, where = tuple(read_class_names(existing("classes", asked.classes))), str(asked.classes)
        else:
            names, where = tuple(asked.classes), "`classes`"
        if asked.num_classes not in (None, len(names)):
            problem = f"{where} names {len(names)}; leave one of them out"
            raise ConfigError("num_classes", problem, value=asked.num_classes)
        return names, "classes"
    if asked.num_classes is not None and (known is None or len(known) != asked.num_classes):
        return None, "num_classes"
    if known is None:
        return None, "labels"
    return known, "preset" if asked.preset else "colours"


def _pairing(asked: InputSettings, predictions: Maps | None, ground_truth: Maps | None, setting: str) -> Pairing:
    files = [file_list(each) for each in (predictions, ground_truth)]
    if any(each is not None for each in files):
        preds, gts = files
        if preds is None or gts is None or asked.listed is not None:
            raise ConfigError(setting, "lists of files go in pairs; give both, and no `listed`")
        if not preds and not gts:
            raise ConfigError(setting, "the list is empty; name a file for each ground truth")
        return paired_files(preds, gts)
    pred, gt = (
        None if each is None else existing(name, each)  # type: ignore[arg-type]
        for name, each in ((setting, predictions), ("ground_truth", ground_truth))
    )
    if asked.listed is not None:
        return listed_pairs(existing("listed", asked.listed), pred or Path(), gt or Path(), missing=asked.missing)
    if pred is None or gt is None:
        raise ConfigError("predictions", "give the predictions and the ground truth, or pairs of them with `listed`")
    for name in ("pred_name", "gt_name"):
        if getattr(asked, name) is not None and not pred.is_dir():
            raise ConfigError(
                name, "is for folders; two files are a pair whatever their names are", value=getattr(asked, name)
            )
    preset = asked.known
    return find_pairs(
        pred,
        gt,
        missing=asked.missing,
        pred_names=_templates(asked.pred_name, preset.pred if preset else ()),
        gt_names=_templates(asked.gt_name, preset.gt if preset else ()),
        follow_links=asked.follow_links,
    )


def _templates(typed: str | None, known: Sequence[Naming]) -> list[str]:
    return [typed] if typed else [naming.template for naming in known] or ["{stem}"]
