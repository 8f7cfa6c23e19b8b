"""The options of `train` and `study`; each is an argument of `convneur.training.train`."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

import typer

from convneur.sizes import find_size
from convneur_cli.errors import UsageError
from convneur_cli.options.common import Layout, option_group

__all__ = ["LAYOUTS", "RUN", "DetectionOptions", "RecipeOptions", "RunOptions"]

RUN, _VIEWS, _STEPS, _DETECTION = "Run", "Augmentation", "Optimisation", "Detection"
_PANELS = MappingProxyType({"data_set": "Data", "common": "Output"})
LAYOUTS = {
    "train": Layout(
        ("out", "task", "model", "recipe", "init", "preset", "epochs", "minutes", "resume"),
        _PANELS,
    ),
    "study": Layout(
        ("out", "twins", "seeds", "task", "model", "recipe", "preset", "epochs", "minutes", "resume"),
        _PANELS,
    ),
}


@option_group
@dataclass(frozen=True)
class RunOptions:
    """What a run, or every run of a study, is begun with beside model, recipe and data."""

    task: Annotated[
        Literal["segmentation", "classification", "detection"] | None,
        typer.Option(help="Label each pixel, or each image, or find objects.", show_default="segmentation"),
    ] = None
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Training hyperparameters: small, imagenet, coco-1x, or a JSON file.",
            metavar="NAME|FILE",
            show_default="small",
        ),
    ] = None
    init: Annotated[
        str | None,
        typer.Option(
            help="Weights to begin from: a file, or packaged ones by name.", metavar="FILE|NAME", rich_help_panel=RUN
        ),
    ] = None
    precision: Annotated[
        Literal["auto", "fp32", "bf16"] | None,
        typer.Option(
            help="Precision of matrix products; auto: bf16 if a few timed steps are 10 % faster.",
            show_default="auto",
            rich_help_panel=RUN,
        ),
    ] = None
    device: Annotated[
        Literal["auto", "cpu"],
        typer.Option(help="Device to train on; auto: an accelerator if there is one.", rich_help_panel=RUN),
    ] = "auto"
    workers: Annotated[
        int,
        typer.Option(
            min=0,
            help="Processes that decode images, at most one per core; 0: the training process.",
            rich_help_panel=RUN,
        ),
    ] = 2
    validate_every: Annotated[
        int | None,
        typer.Option(
            min=1, help="Steps between validations.", show_default="a twentieth of the steps", rich_help_panel=RUN
        ),
    ] = None


@option_group
@dataclass(frozen=True)
class DetectionOptions:
    """What `train` is told of a detector and its annotations."""

    detector: Annotated[
        Literal["cascade", "mask-rcnn"] | None,
        typer.Option(
            help="Cascade Mask R-CNN, of three stages, or Mask R-CNN, of one.",
            show_default="cascade",
            rich_help_panel=_DETECTION,
        ),
    ] = None
    detector_heads: Annotated[
        Literal["standard", "light"] | None,
        typer.Option(
            help="Width of pyramid and heads: 256 channels, or 64.",
            show_default="light with the recipe small, else standard",
            rich_help_panel=_DETECTION,
        ),
    ] = None
    annotations: Annotated[
        str | None,
        typer.Option(
            help="COCO files inside DATA; SPLIT stands for train and val.",
            metavar="TEMPLATE",
            show_default="annotations/SPLIT.json",
            rich_help_panel=_DETECTION,
        ),
    ] = None
    invalid: Annotated[
        Literal["error", "skip"] | None,
        typer.Option(
            help="What becomes of an object that cannot be, such as a box without area.",
            show_default="error",
            rich_help_panel=_DETECTION,
        ),
    ] = None


def _value(panel: str, help_: str, **more: Any) -> Any:
    """An option for a value of the recipe."""
    return typer.Option(help=help_, **{"show_default": "recipe", **more}, rich_help_panel=panel)


@option_group
@dataclass(frozen=True)
class RecipeOptions:
    """What a recipe says; every option left out keeps the recipe's value."""

    crop: Annotated[
        str | None,
        _value(
            _VIEWS,
            "Size of a training view, in pixels; detection: shorter and longer side of an image.",
            metavar="SIDE|HEIGHTxWIDTH",
        ),
    ] = None
    scale: Annotated[
        str | None,
        _value(
            _VIEWS,
            "Segmentation, detection: range of random resizing. Classification: range of a view's share of the area.",
            metavar="LOW,HIGH",
        ),
    ] = None
    eval_scale: Annotated[
        float | None, _value(_VIEWS, "Segmentation, detection: resizing factor for validation and, later, prediction.")
    ] = None
    flip: Annotated[float | None, _value(_VIEWS, "Horizontal-flip probability.")] = None
    colour: Annotated[
        float | None, _value(_VIEWS, "Colour jitter: largest relative change of brightness, contrast and saturation.")
    ] = None
    rand_augment: Annotated[float | None, _value(_VIEWS, "RandAugment magnitude, up to 10; 0 disables it.")] = None
    erase: Annotated[float | None, _value(_VIEWS, "Random-erasing probability.")] = None
    mixup: Annotated[float | None, _value(_VIEWS, "Mixup alpha; 0 disables it.")] = None
    cutmix: Annotated[float | None, _value(_VIEWS, "CutMix alpha; 0 disables it.")] = None
    batch: Annotated[int | None, _value(_STEPS, "Images per step, over all processes.")] = None
    accumulate: Annotated[int | None, _value(_STEPS, "Gradient-accumulation steps.")] = None
    lr: Annotated[float | None, _value(_STEPS, "Peak learning rate.")] = None
    backbone_lr: Annotated[float | None, _value(_STEPS, "Backbone learning-rate multiplier.")] = None
    min_lr: Annotated[float | None, _value(_STEPS, "Final learning rate as a fraction of the peak.")] = None
    warmup: Annotated[float | None, _value(_STEPS, "Linear warm-up as a fraction of the steps.")] = None
    weight_decay: Annotated[float | None, _value(_STEPS, "Weight decay; biases, norms and scales have none.")] = None
    clip: Annotated[float | None, _value(_STEPS, "Maximum gradient norm; 0 disables clipping.")] = None
    ema: Annotated[float | None, _value(_STEPS, "Decay of the weights' moving average (EMA).")] = None
    label_smoothing: Annotated[float | None, _value(_STEPS, "Label smoothing.")] = None
    class_weights: Annotated[
        Literal["none", "sqrt", "inverse"] | None,
        _value(_STEPS, "Class weights in the loss: none, or inverse to a class's frequency or its square root."),
    ] = None
    jaccard: Annotated[
        float | None, _value(_STEPS, "Segmentation: weight of the soft-IoU (Jaccard) loss; 0 disables it.")
    ] = None
    context_penalty: Annotated[
        float | None, _value(_STEPS, "Weight of a penalty on |G| above 4, which saturates gates; 0 disables it.")
    ] = None
    drop_path: Annotated[float | None, _value(_STEPS, "Stochastic-depth rate.")] = None
    seed: Annotated[
        int | None,
        _value(_STEPS, "Random seed of initialisation, order, augmentation and dropout.", show_default="0"),
    ] = None

    def typed(self) -> dict[str, Any]:
        """The values that were typed, by their names in TrainSettings."""
        values = {name: value for name, value in vars(self).items() if value is not None}
        if self.crop is not None:
            values["crop"] = find_size(self.crop, setting="crop")
        if self.scale is not None:
            try:
                low, high = map(float, self.scale.split(","))
            except ValueError:
                raise UsageError(f"--scale {self.scale}: give two numbers, such as 0.5,2") from None
            values["scale"] = (low, high)
        return values
