"""The options of a training run: each value of a recipe, and what the run is begun or gone on with."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import typer

from convneur_cli.errors import UsageError
from convneur_cli.options.common import option_group
from convneur_cli.sizes import parse_size

__all__ = ["RecipeOptions", "RunOptions"]

_VIEWS, _STEPS = "Views of a photo", "Steps"


@option_group
@dataclass(frozen=True)
class RunOptions:
    """What a run, or every run of a study, is begun with beside net, recipe and data."""

    task: Annotated[
        Literal["segmentation", "classification"] | None,
        typer.Option(help="A class for each pixel, or for each photo.", show_default="segmentation"),
    ] = None
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Values to train with: small, imagenet, or a JSON file.",
            metavar="NAME",
            show_default="small",
        ),
    ] = None
    init: Annotated[
        str | None,
        typer.Option(help="Begin from these weights: a file, or packaged ones by name.", metavar="FILE|NAME"),
    ] = None
    precision: Annotated[
        Literal["auto", "fp32", "bf16"] | None,
        typer.Option(help="auto: bf16 if a few timed steps are a tenth quicker.", show_default="auto"),
    ] = None
    device: Annotated[Literal["auto", "cpu"], typer.Option(help="auto: an accelerator if there is one.")] = "auto"
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode photos; 0: none but this one.")] = 2
    validate_every: Annotated[
        int | None, typer.Option(min=1, help="Steps between validations.", show_default="a twentieth of the steps")
    ] = None


@option_group
@dataclass(frozen=True)
class RecipeOptions:
    """What a recipe says; every option left out keeps the recipe's value."""

    crop: Annotated[
        str | None,
        typer.Option(
            help="Size of a view.", metavar="SIDE|HEIGHTxWIDTH", show_default="recipe", rich_help_panel=_VIEWS
        ),
    ] = None
    scale: Annotated[
        str | None,
        typer.Option(
            help="Segmentation: range of the factor on a photo's sides. Classification: of a view's share of its area.",
            metavar="LOW,HIGH",
            show_default="recipe",
            rich_help_panel=_VIEWS,
        ),
    ] = None
    eval_scale: Annotated[
        float | None,
        typer.Option(
            help="Segmentation: factor on the sides of the photos that are validated and, later, predicted.",
            show_default="recipe",
            rich_help_panel=_VIEWS,
        ),
    ] = None
    flip: Annotated[
        float | None, typer.Option(help="How often mirrored.", show_default="recipe", rich_help_panel=_VIEWS)
    ] = None
    colour: Annotated[
        float | None,
        typer.Option(
            help="Brightness, contrast and saturation change by this share.",
            show_default="recipe",
            rich_help_panel=_VIEWS,
        ),
    ] = None
    rand_augment: Annotated[
        float | None,
        typer.Option(help="Magnitude of RandAugment, to 10; 0: off.", show_default="recipe", rich_help_panel=_VIEWS),
    ] = None
    erase: Annotated[
        float | None,
        typer.Option(help="How often a rectangle is noise.", show_default="recipe", rich_help_panel=_VIEWS),
    ] = None
    mixup: Annotated[
        float | None, typer.Option(help="Beta of mixup; 0: off.", show_default="recipe", rich_help_panel=_VIEWS)
    ] = None
    cutmix: Annotated[
        float | None, typer.Option(help="Beta of CutMix; 0: off.", show_default="recipe", rich_help_panel=_VIEWS)
    ] = None
    batch: Annotated[
        int | None,
        typer.Option(help="Photos in a step, over all processes.", show_default="recipe", rich_help_panel=_STEPS),
    ] = None
    accumulate: Annotated[
        int | None,
        typer.Option(help="Parts a process computes its share in.", show_default="recipe", rich_help_panel=_STEPS),
    ] = None
    lr: Annotated[
        float | None, typer.Option(help="AdamW's largest step.", show_default="recipe", rich_help_panel=_STEPS)
    ] = None
    backbone_lr: Annotated[
        float | None,
        typer.Option(help="The backbone's, as a share of it.", show_default="recipe", rich_help_panel=_STEPS),
    ] = None
    min_lr: Annotated[
        float | None, typer.Option(help="What is left of it at the end.", show_default="recipe", rich_help_panel=_STEPS)
    ] = None
    warmup: Annotated[
        float | None,
        typer.Option(help="Share of the steps in which it rises.", show_default="recipe", rich_help_panel=_STEPS),
    ] = None
    weight_decay: Annotated[
        float | None, typer.Option(help="Of weights alone.", show_default="recipe", rich_help_panel=_STEPS)
    ] = None
    clip: Annotated[
        float | None,
        typer.Option(help="Largest norm of the gradient; 0: any.", show_default="recipe", rich_help_panel=_STEPS),
    ] = None
    ema: Annotated[
        float | None,
        typer.Option(help="Decay of the averaged weights.", show_default="recipe", rich_help_panel=_STEPS),
    ] = None
    label_smoothing: Annotated[
        float | None, typer.Option(help="Share spread over all classes.", show_default="recipe", rich_help_panel=_STEPS)
    ] = None
    class_weights: Annotated[
        Literal["none", "sqrt", "inverse"] | None,
        typer.Option(help="Rare classes count more.", show_default="recipe", rich_help_panel=_STEPS),
    ] = None
    jaccard: Annotated[
        float | None,
        typer.Option(
            help="Segmentation: times one minus the soft IoU, in the loss; 0: off.",
            show_default="recipe",
            rich_help_panel=_STEPS,
        ),
    ] = None
    context_penalty: Annotated[
        float | None,
        typer.Option(
            help="Times the mean square of |G| above 4, in the loss: keeps gates from saturating; 0: off.",
            show_default="recipe",
            rich_help_panel=_STEPS,
        ),
    ] = None
    drop_path: Annotated[
        float | None,
        typer.Option(help="How often the last block is left out.", show_default="recipe", rich_help_panel=_STEPS),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(help="Of weights, order, views and dropout.", show_default="0", rich_help_panel=_STEPS),
    ] = None

    def typed(self) -> dict[str, Any]:
        """The values that were typed, by their names in TrainSettings."""
        values = {name: value for name, value in vars(self).items() if value is not None}
        if self.crop is not None:
            values["crop"] = parse_size("--crop", self.crop)
        if self.scale is not None:
            try:
                low, high = map(float, self.scale.split(","))
            except ValueError:
                raise UsageError(f"--scale {self.scale}: give the least and the largest, such as 0.5,2") from None
            values["scale"] = (low, high)
        return values
