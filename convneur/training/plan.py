"""What a run is begun with, typed; config.json in its folder, from which it can be gone on with."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from convneur.data.annotated import Invalid
from convneur.data.colours import ColourRow, ColourTable
from convneur.data.contents import Contents
from convneur.data.examples import Task
from convneur.detection import DetectorKind, DetectorSettings, Heads, detector_settings
from convneur.errors import ConfigError, InputError
from convneur.packaged import FOLDER_WEIGHTS
from convneur.schema import SchemaError, typed
from convneur.training.data import IgnoreIndex, TrainingData, reading_of
from convneur.training.folder import CONFIG, WEIGHTS, holds_run, read_config
from convneur.training.settings import TrainSettings
from convneur.variants import ConvNeurConfig

__all__ = ["VALIDATIONS", "RunPlan", "RunRequest", "refuse_changes"]

VALIDATIONS = 20  # in a run

_SCHEMA = "convneur.run/2"
_FIRST = "convneur.run/1"  # of version 0.1.0, whose `asked` was keyed by options
_SINCE = {"net": "config", "photos": "images"}  # keys of version 0.1.0


@dataclass(frozen=True)
class RunRequest:
    """What was asked for and stays as it is while a run goes on, beside the settings of recipe and model.

    Args:
        data: the folder, absolute; model, recipe: a name or a .json file; a model given as a config is "custom".
        init: the file of weights to begin from, absolute; classes: the file of names, absolute, or the names.
        ignore_index: the label that does not count, "none", or None for the preset's, or 255.
        colours: what RGB label maps mean, as `ColourTable.rows`.
        follow_links: see `prepare_data`.
        detector, detector_heads: of detection, see `detector_settings`; heads are by default light with the recipe
            small, else standard. annotations, invalid: see `prepare_annotated`.
        epochs: None where minutes say how long the run is; precision, validate_every: before they were decided.
    Raises: ConfigError: a preset or an ignored label that cannot be.

    >>> RunRequest(data="/images", preset="camvid").model
    'm1'
    """

    data: str
    task: Task = "segmentation"
    model: str = "m1"
    recipe: str = "small"
    init: str | None = None
    preset: str | None = None
    classes: str | tuple[str, ...] | None = None
    ignore_index: IgnoreIndex = None
    epochs: float | None = None
    minutes: float | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    validate_every: int | None = None
    colours: tuple[ColourRow, ...] | None = None
    follow_links: bool = False
    detector: DetectorKind | None = None
    detector_heads: Heads | None = None
    annotations: str | None = None
    invalid: Invalid = "error"

    def __post_init__(self) -> None:
        if self.task != "detection":
            for name in ("detector", "detector_heads", "annotations"):
                if getattr(self, name) is not None:
                    raise ConfigError(name, "is for detection; leave it out, or set `task` to detection")
            if self.invalid != "error":
                raise ConfigError("invalid", "is for detection; leave it out")
        elif self.classes is not None:
            raise ConfigError("classes", "the annotations name the classes; leave it out")
        reading_of(self.task, self.preset, self.ignore_index, self.colour_table)

    @property
    def colour_table(self) -> ColourTable | None:
        """What RGB label maps mean."""
        return None if self.colours is None else ColourTable.of_rows(self.colours)

    def detector_of(self, data: TrainingData) -> DetectorSettings | None:
        """The heads of a detector for these data; None of another task."""
        if self.task != "detection":
            return None
        heads = self.detector_heads or ("light" if self.recipe == "small" else "standard")
        return detector_settings(self.detector or "cascade", num_classes=len(data.names), heads=heads, masks=data.masks)

    def about(self) -> dict[str, Any]:
        """What the weights say of where they come from: files by their names, for where they lie is nobody's."""
        given = {"model": self.model, "recipe": self.recipe, "init": self.init}
        return {"convneur": version("convneur"), **{key: value and Path(value).name for key, value in given.items()}}

    def steps_between_validations(self, steps: int) -> int:
        """In a run of so many steps. Choice: a twentieth of them, where it was not asked for."""
        return self.validate_every or math.ceil(steps / VALIDATIONS)


@dataclass(frozen=True)
class RunPlan:
    """All that decides what the weights of a run become.

    Args:
        request: what was asked for; config: the model; settings: how it is trained.
        classes, counts, left_out, binary: see `TrainingData`.
        steps, validate_every, precision: as decided; images: see `TrainingData.fingerprint`.
        contents: of the images' files, see `TrainingData.contents`; validated: how many images are to validate on;
            init_sha256: of the weights that it begins from. All None in a run of an earlier version.
        detector: of detection, what follows the backbone.
        version: of the package that began the run.
    Raises: ConfigError: numbers that are of no run.

    >>> RunPlan.read("runs/none")
    Traceback (most recent call last):
    convneur.errors.InputError: runs/none: holds no run to go on with; leave out `resume`
    """

    request: RunRequest = dataclasses.field(metadata={"key": "asked"})
    config: ConvNeurConfig
    settings: TrainSettings
    classes: tuple[str, ...]
    counts: tuple[int, ...]
    left_out: tuple[str, ...]
    steps: int
    validate_every: int
    precision: Literal["fp32", "bf16"]
    images: str
    binary: bool = False
    detector: DetectorSettings | None = None
    contents: Contents | None = dataclasses.field(default=None, compare=False)
    init_sha256: str | None = dataclasses.field(default=None, compare=False)
    validated: int | None = dataclasses.field(default=None, compare=False)
    version: str = dataclasses.field(
        default_factory=lambda: version("convneur"), compare=False, metadata={"key": "convneur"}
    )

    def __post_init__(self) -> None:
        for name in ("steps", "validate_every"):
            if getattr(self, name) < 1:
                raise ConfigError(name, "must be at least 1", value=getattr(self, name))
        if len(self.counts) != len(self.classes) or min(self.counts, default=0) < 0:
            raise ConfigError("counts", f"needs one from 0 for each of {len(self.classes)} classes")
        if self.settings.task != self.request.task:
            raise ConfigError("settings", f"are of {self.settings.task}, what was asked for is {self.request.task}")

    @classmethod
    def of(
        cls,
        request: RunRequest,
        config: ConvNeurConfig,
        settings: TrainSettings,
        data: TrainingData,
        *,
        steps: int,
        validate_every: int,
        precision: Literal["fp32", "bf16"],
    ) -> "RunPlan":
        """The plan of a run on these data."""
        return cls(
            request, config, settings, data.names, data.counts, data.left_out, steps, validate_every, precision,
            data.fingerprint, data.binary, request.detector_of(data), data.contents,
            None if request.init is None else weights_sha256(Path(request.init)), len(data.val),
        )  # fmt: skip

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether a run was begun in a folder."""
        return holds_run(folder)

    @classmethod
    def read(cls, folder: str | Path) -> "RunPlan":
        """What the run in a folder was begun with. Raises: InputError: no run, or a damaged config."""
        folder = Path(folder)
        values = read_config(folder, _SCHEMA, _FIRST)
        try:
            return typed(cls.up_to_date(values), cls)
        except SchemaError as error:
            raise InputError(folder / CONFIG, f"is damaged ({error}); begin again with `force`") from None

    @staticmethod
    def up_to_date(values: Mapping[str, Any]) -> dict[str, Any]:
        """What config.json holds of a run, or version 0.1.0 held of a run or a study, by the keys of today.

        Raises: SchemaError: an option that cannot be read.

        >>> RunPlan.up_to_date({"schema": "convneur.run/1", "asked": {"--model": "m1"}, "photos": "1f"})
        {'asked': {'model': 'm1'}, 'images': '1f'}
        """
        made = {_SINCE.get(key, key): value for key, value in values.items() if key != "schema"}
        asked = made.get("asked")
        if values.get("schema") == _SCHEMA or not isinstance(asked, dict):
            return made
        # Options of a study are left aside.
        keys = {key.removeprefix("--").replace("-", "_").lower(): key for key in asked}
        request = {
            field.name: asked[keys[field.name]] for field in dataclasses.fields(RunRequest) if field.name in keys
        }
        ignored = request.get("ignore_index")
        if isinstance(ignored, str) and ignored != "none":  # it was kept as typed
            if not re.fullmatch(r"\d{1,9}", ignored, re.ASCII):
                raise SchemaError(f"asked.{keys['ignore_index']}", "must be a whole number or none")
            request["ignore_index"] = int(ignored)
        made["asked"] = request
        kept = {field.metadata.get("key", field.name) for field in dataclasses.fields(RunPlan)}
        return {key: value for key, value in made.items() if key in kept}

    def to_dict(self) -> dict[str, Any]:
        """What config.json holds."""
        return {
            "schema": _SCHEMA,
            "convneur": self.version,
            "asked": dataclasses.asdict(self.request),
            "config": self.config.to_dict(),
            "settings": self.settings.to_dict(),
            "classes": self.classes,
            "counts": self.counts,
            "left_out": self.left_out,
            "steps": self.steps,
            "validate_every": self.validate_every,
            "precision": self.precision,
            "images": self.images,
            "contents": None if self.contents is None else dataclasses.asdict(self.contents),
            "init_sha256": self.init_sha256,
            "validated": self.validated,
            "binary": self.binary,
            "detector": None if self.detector is None else self.detector.to_dict(),
        }

    def by_name(self) -> dict[str, Any]:
        """Every setting that stays as it is while the run goes on."""
        return {**self.config.to_dict(), **self.settings.to_dict(), **dataclasses.asdict(self.request)}

    def refuse_other_images(self, folder: Path, data: TrainingData, where: str | Path, kind: str = "run") -> None:
        """Raise for other images or label maps than the plan in a folder was made with; they may lie elsewhere.

        Of a run of an earlier version the names are known, not the files.

        Args:   where: the data lie now; kind: what errors call the work.
        Raises: ConfigError: other names, or files that have changed.
        """
        again = "or begin again with `force` in place of `resume`"
        moved = self.validated not in (None, len(data.val))  # the names in order say nothing of where train ends
        if self.images != data.fingerprint or moved:
            words = f"holds other images than the {kind} in {folder} was begun with; name the folder of those, {again}"
        elif self.contents is None or self.contents == data.contents:
            return
        else:
            changed = "label maps" if self.contents.images == data.contents.images else "images"
            words = f"its {changed} have changed since the {kind} in {folder} was begun; put them back, {again}"
        raise ConfigError("data", words, value=where)


def weights_sha256(path: Path) -> str:
    """Of a file of weights, or of the one in a folder. Raises: InputError: it cannot be read."""
    try:
        with (path / FOLDER_WEIGHTS if path.is_dir() else path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError.unreadable(path, error) from None


def refuse_changes(folder: Path, given: Mapping[str, Any], begun: Mapping[str, Any], kind: str = "run") -> None:
    """Raise for a setting that is given with another value than a run or a study was begun with. Both by name.

    Args: kind: which of the two it is.

    Raises: ConfigError: names the first of them.
    """
    weights = folder / WEIGHTS
    more = f"; to train its weights on, begin a run in another `out` with `init {weights}`" if weights.exists() else ""
    for name, value in given.items():
        if _plain(value) != _plain(begun.get(name)):
            then = begun.get(name)
            raise ConfigError(
                name,
                f"the {kind} in {folder} was begun with{'out it' if then is None else f' {_shown(then)}'}; "
                "leave it out, or begin again with "
                f"`force` in place of `resume`{more}",
                value=_shown(value),
            )


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(" ".join(map(_shown, each)) if isinstance(each, (list, tuple)) else str(each) for each in value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "none" if value is None else str(value)
