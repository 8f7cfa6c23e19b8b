"""Every value of a training run as plain data, and the recipes that give them."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from convneur.data.augmentation import Augmentation
from convneur.data.examples import Task
from convneur.errors import ConfigError, InputError
from convneur.schema import SchemaError, read_json, typed
from convneur.variants import DENSE_HEADS, ConvNeurConfig

__all__ = ["RECIPES", "ClassWeights", "TrainSettings", "read_recipe", "recipe_settings", "task_config"]

ClassWeights = Literal["none", "sqrt", "inverse"]

RECIPES = ("small", "imagenet", "coco-1x")
_PACKAGED = Path(__file__).parent / "recipes"
# Choice: far above what anybody trains with; a slip must not fill the memory.
_MOST = {
    "epochs": 1_000_000,
    "batch": 1_000_000,
    "accumulate": 1_000_000,
    "eval_scale": 16,
    "crop": 4096,
    "scale": 16,
    "seed": 2**63 - 1,
}


@dataclass(frozen=True)
class TrainSettings:
    """How a model is trained; plain data, kept beside the weights.

    Args:
        task: segmentation, classification or detection.
        epochs: passes over the training images; steps = ceil(epochs images / batch).
        batch: images per step, over all processes and gradient-accumulation steps.
        accumulate: gradient-accumulation steps: parts that a process computes its share of a batch in.
        crop, scale, flip, colour, rand_augment, erase: see `Augmentation`; of detection crop is the shorter and the
            longer side that an image is brought to, and scale the range of a factor on top (see `fitted`).
        eval_scale: resizing factor of an image before a model that labels pixels, or detects, sees it whole.
        mixup, cutmix: alpha of the Beta distribution that images of a batch are mixed by; 0 disables it.
        label_smoothing: share of the target that is spread over all classes.
        class_weights: a class counts 1, or 1 / sqrt(its share of the pixels), or 1 / its share; mean 1.
        jaccard: weight of one minus the soft IoU (see `jaccard_loss`) in the loss; segmentation only. Taken of each
            part of a batch by itself: with several parts the loss is not that of the whole.
        context_penalty: weight of the mean square of what |G| has above 4 (see `excess`) in the loss; keeps the
            gate's sigmoid where it can still move. 0 disables it.
        drop_path: stochastic-depth rate of the last block (see `ConvNeurConfig.drop_path_rate`).
        lr: peak learning rate (AdamW); backbone_lr: the backbone's as a multiple of it.
        weight_decay: of weights; biases, norms and scales have none.
        warmup: fraction of the steps in which lr rises linearly; then it falls as a cosine to the fraction min_lr.
        milestones: fractions of the steps after each of which the rate is a tenth of what it was, in place of the
            cosine.
        clip: maximum gradient norm; 0 disables clipping.
        ema: decay of the weights' moving average, which is what is validated and kept.
        seed: of initialisation, order, augmentation and dropout.

    Raises: ConfigError: a value that makes no sense.

    >>> settings = recipe_settings("small", "segmentation", lr=1e-3, batch=8)
    >>> settings.steps(images=100), settings.lr_at(0, steps=1000) < settings.lr
    (2500, True)
    """

    task: Task
    epochs: float
    batch: int
    accumulate: int
    crop: tuple[int, int]
    scale: tuple[float, float]
    eval_scale: float
    flip: float
    colour: float
    rand_augment: float
    erase: float
    mixup: float
    cutmix: float
    label_smoothing: float
    class_weights: ClassWeights
    drop_path: float
    lr: float
    backbone_lr: float
    weight_decay: float
    warmup: float
    min_lr: float
    clip: float
    ema: float
    jaccard: float = 0.0
    context_penalty: float = 0.0
    milestones: tuple[float, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("crop", "scale"):
            value = getattr(self, name)
            if not isinstance(value, (list, tuple)) or len(value) != 2:
                raise ConfigError(name, "give two numbers", value=value)
            object.__setattr__(self, name, tuple(value))
        object.__setattr__(self, "milestones", tuple(self.milestones))
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            for number in value if isinstance(value, tuple) else (value,):
                if field.name not in ("task", "class_weights") and (
                    not isinstance(number, (int, float))
                    or isinstance(number, bool)
                    or not -math.inf < number < math.inf  # which takes a whole number beyond all floats too
                ):
                    raise ConfigError(field.name, "must be a number", value=repr(number))
        if self.class_weights not in get_args(ClassWeights):
            raise ConfigError(
                "class_weights", f"choose {', '.join(get_args(ClassWeights))}", value=repr(self.class_weights)
            )
        for name in ("crop", "seed"):
            value = getattr(self, name)
            if not all(isinstance(number, int) for number in (value if name == "crop" else (value,))):
                raise ConfigError(name, "must be whole", value=value)
        for name, bound in _MOST.items():
            value = getattr(self, name)
            if (max(value) if isinstance(value, tuple) else value) > bound:
                shown = "x".join(map(str, value)) if name == "crop" else value
                raise ConfigError(name, f"must be at most {bound}", value=shown)
        if min(self.crop) < 32:
            raise ConfigError("crop", "ConvNeur needs at least 32x32 pixels", value=f"{self.crop[0]}x{self.crop[1]}")
        highest = 1 if self.task == "classification" else math.inf
        if not 0 < self.scale[0] <= self.scale[1] <= highest:
            most = "at most 1, " if self.task == "classification" else ""
            raise ConfigError(
                "scale", f"two numbers above 0, {most}the smaller first", value=f"{self.scale[0]},{self.scale[1]}"
            )
        for name in ("batch", "accumulate"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ConfigError(name, "must be whole and at least 1", value=getattr(self, name))
        for name in ("epochs", "lr", "eval_scale"):
            if not getattr(self, name) > 0:
                raise ConfigError(name, "must be above 0", value=getattr(self, name))
        for name in ("flip", "erase", "label_smoothing", "warmup", "min_lr"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(name, "must be from 0 to 1", value=getattr(self, name))
        for name in ("colour", "drop_path", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(name, "must be at least 0 and below 1", value=getattr(self, name))
        for name in ("mixup", "cutmix", "backbone_lr", "weight_decay", "clip", "jaccard", "context_penalty", "seed"):
            if not getattr(self, name) >= 0:
                raise ConfigError(name, "must be at least 0", value=getattr(self, name))
        if not 0 <= self.rand_augment <= 10:
            raise ConfigError("rand_augment", "must be from 0 to 10", value=self.rand_augment)
        if not all(0 < each < 1 for each in self.milestones) or list(self.milestones) != sorted(self.milestones):
            raise ConfigError("milestones", "must be between 0 and 1, rising", value=self.milestones)
        if self.task != "segmentation" and self.jaccard:
            raise ConfigError("jaccard", "is for segmentation; leave it at 0", value=self.jaccard)
        if self.task == "detection" and self.class_weights != "none":
            raise ConfigError("class_weights", "are not for detection; leave them at none", value=self.class_weights)
        if self.task == "detection" and self.label_smoothing:
            raise ConfigError("label_smoothing", "is not for detection; leave it at 0", value=self.label_smoothing)
        if self.task != "classification":
            for name in ("rand_augment", "erase", "mixup", "cutmix"):
                if getattr(self, name):
                    raise ConfigError(name, "is for classification; leave it at 0", value=getattr(self, name))
        if (self.mixup or self.cutmix) and self.batch < 2 * self.accumulate:
            setting, value = ("batch", self.batch) if self.accumulate == 1 else ("accumulate", self.accumulate)
            problem = (
                "leaves one image at a time, with no other to mix it with; set mixup and cutmix to 0, or change it"
            )
            raise ConfigError(setting, problem, value=value)

    def augmentation(self) -> Augmentation:
        """How views are drawn."""
        names = [field.name for field in dataclasses.fields(Augmentation)]
        return Augmentation(**{name: getattr(self, name) for name in names})

    def steps(self, images: int) -> int:
        """How many steps the epochs are on so many images."""
        return max(math.ceil(self.epochs * images / self.batch - 1e-9), 1)

    def lr_at(self, step: int, steps: int) -> float:
        """The learning rate of a step, 0 to steps - 1: linear warm-up, then a cosine, or the milestones."""
        warm = round(self.warmup * steps)
        if step < warm:
            return self.lr * (step + 1) / warm
        if self.milestones:
            return self.lr * 0.1 ** sum(step >= round(each * steps) for each in self.milestones)
        share = (step - warm) / max(steps - warm, 1)
        return self.lr * (self.min_lr + (1 - self.min_lr) * (1 + math.cos(math.pi * share)) / 2)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        lists = {name: list(getattr(self, name)) for name in ("crop", "scale")}
        values = {**dataclasses.asdict(self), **lists, "milestones": list(self.milestones)}
        if not self.milestones:  # which files of earlier versions do not have
            del values["milestones"]
        return values


def read_recipe(name: str, task: Task) -> dict[str, Any]:
    """The values of a packaged recipe (`RECIPES`) or of a JSON file.

    Choice: a file maps a setting to its value, or to {"value": ..., "source": ...}.
    Raises: ConfigError: no such recipe, or not for this task. InputError: a file that is no recipe.
    """
    path = Path(name)
    if name in RECIPES:
        path = _PACKAGED / f"{name}-{task}.json"
        if not path.is_file():
            raise ConfigError("recipe", f"is not for {task}; choose small, or a .json file", value=name)
    elif not name.endswith(".json"):
        raise ConfigError("recipe", f"choose {', '.join(RECIPES)}, or a .json file", value=name)
    content = read_json(path, dict[str, Any], mend="correct it")
    known = get_type_hints(TrainSettings)
    unknown = content.keys() - (known.keys() - {"task"})
    if unknown:
        raise InputError(name, f"{', '.join(sorted(unknown))}: no setting of a recipe; leave it out")
    values = {}
    for key, given in content.items():
        sourced = isinstance(given, Mapping)
        try:
            if sourced and "value" not in given:
                raise SchemaError(f"{key}.value", "is missing")
            values[key] = typed(given["value"] if sourced else given, known[key], f"{key}.value" if sourced else key)
        except SchemaError as error:
            raise InputError(name, f"{error}; correct it") from None
    return values


def recipe_settings(recipe: str, task: Task, **values: Any) -> TrainSettings:
    """A recipe's settings, with values in place of some of them.

    Raises: ConfigError: no such recipe, or a value that makes no sense; InputError: as `read_recipe`, a recipe that
        leaves a setting out or has a value that makes no sense.
    """
    own = read_recipe(recipe, task)
    given = {"task": task, **own, **values}
    missing = [
        field.name
        for field in dataclasses.fields(TrainSettings)
        if field.default is dataclasses.MISSING and field.name not in given
    ]
    if missing:
        raise InputError(recipe, f"leaves out {', '.join(missing)}; add {'it' if len(missing) == 1 else 'them'}")
    try:
        return TrainSettings(**given)
    except ConfigError as error:
        if error.setting in values or error.setting not in own:
            raise
        raise InputError(recipe, f"{error}; correct it") from None


def task_config(config: ConvNeurConfig, settings: TrainSettings, *, head: str | None = None) -> ConvNeurConfig:
    """The config with a head for the task and the recipe's stochastic depth.

    Args:   head: the one that was asked for, which is kept or refused.
    Raises: ConfigError: that head is not for the task, or the model does not take RGB images.
    """
    if config.in_channels != 3:
        problem = f"takes {config.in_channels} channels, and images are read as RGB; set in_channels to 3"
        raise ConfigError("model", problem)
    if settings.task == "segmentation" and config.head not in DENSE_HEADS:
        if head is not None:
            raise ConfigError("head", f"labels no pixels; choose {', '.join(DENSE_HEADS)}", value=head)
        config = config.replace(head="light-fpn")
    if settings.task == "classification" and config.head != "classifier":
        if head is not None:
            raise ConfigError("head", "is not for classification; leave it out", value=head)
        config = config.replace(head="classifier")
    if settings.task == "detection":
        if head not in (None, "none"):
            raise ConfigError("head", "is not for detection, whose heads `detector` says; leave it out", value=head)
        config = config.replace(head="none")
    return config.replace(drop_path_rate=settings.drop_path)
