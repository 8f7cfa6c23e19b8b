"""Options of commands that count: what a model of others is called with, and what a count is held to."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from convneur_cli.errors import UsageError
from convneur_cli.options.common import option_group
from convneur_cli.output import Printer

if TYPE_CHECKING:
    from convneur.bench import BenchResult
    from convneur.cost import CostReport

__all__ = ["CheckOptions", "DetectorOptions", "InputOptions"]

_DETECTOR, _INPUTS, _CHECKS = "Detectors", "Inputs of other models", "Checks: exit 3"


@option_group
@dataclass(frozen=True)
class DetectorOptions:
    """A detector over the model, counted in its place."""

    detector: Annotated[
        Literal["cascade", "mask-rcnn"] | None,
        typer.Option(
            help="Count Cascade Mask R-CNN or Mask R-CNN over the model, part by part, at 800x1280.",
            show_default=False,
            rich_help_panel=_DETECTOR,
        ),
    ] = None
    detector_heads: Annotated[
        Literal["standard", "light"] | None,
        typer.Option(
            help="Width of pyramid and heads: 256 channels, or 64.", show_default="standard", rich_help_panel=_DETECTOR
        ),
    ] = None

    def asked(self, **others: Any) -> bool:
        """Whether a detector is. Raises: UsageError: with what is not of detectors, or heads without one."""
        if self.detector is None:
            if self.detector_heads is not None:
                raise UsageError("--detector-heads: of no detector; add --detector")
            return False
        for name, value in others.items():
            if value:
                option = {"claims": "claim", "inputs": "input", "factory_arguments": "set"}.get(name, name)
                raise UsageError(f"--{option.replace('_', '-')}: not with --detector; leave one of them out")
        return True


@option_group
@dataclass(frozen=True)
class InputOptions:
    """What a model is made and called with that is no ConvNeur."""

    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            help="What an external model takes: a shape with the image's H and W, a name, a type. Repeatable.",
            metavar="[NAME=]1x3xHxW[:TYPE]",
            show_default="1x3xHxW",
            rich_help_panel=_INPUTS,
        ),
    ] = None
    input_factory: Annotated[
        str | None,
        typer.Option(
            help="A function of height and width that makes an external model's inputs.",
            metavar="MODULE:NAME",
            rich_help_panel=_INPUTS,
        ),
    ] = None
    factory_arguments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="An argument of an external model's factory. Repeatable.",
            metavar="NAME=VALUE",
            rich_help_panel=_INPUTS,
        ),
    ] = None

    def advise(self, result: "CostReport | BenchResult", printer: Printer) -> None:
        """Where a model of others was refused throughout, as one image of three channels may be the reason."""
        if result.other_inputs_may_help and not self.inputs and self.input_factory is None:
            printer.note("Other inputs than one image of three channels: --input. Arguments of the factory: --set.")

    def given(self) -> dict[str, Any]:
        """As `find_models` takes them."""
        return {
            "inputs": self.inputs,
            "input_factory": self.input_factory,
            "factory_arguments": self.factory_arguments or (),
        }


@option_group
@dataclass(frozen=True)
class CheckOptions:
    """What a count is held to."""

    claims: Annotated[
        list[str] | None,
        typer.Option(
            "--claim",
            help="Exit 3 unless this holds: subquadratic, '<= 1.0 GMACs@224', '<= 5 M params'. Repeatable.",
            metavar="CLAIM",
            rich_help_panel=_CHECKS,
        ),
    ] = None
    check: Annotated[
        bool,
        typer.Option("--check", help="Exit 3 unless the cost is linear or subquadratic.", rich_help_panel=_CHECKS),
    ] = False
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Exit 3 on operators without a formula, or counters that differ.",
            rich_help_panel=_CHECKS,
        ),
    ] = False
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="An earlier -o FILE.json: exit 3 where parameters, multiply-adds or memory are above it.",
            metavar="FILE",
            rich_help_panel=_CHECKS,
        ),
    ] = None
    tolerance: Annotated[
        str | None,
        typer.Option(
            help="How far above the baseline a cost may be.",
            metavar="PERCENT",
            show_default="0%",
            rich_help_panel=_CHECKS,
        ),
    ] = None

    def given(self, *, verdict: bool, probe: str | None) -> dict[str, Any]:
        """As `analyze` takes them. Raises: UsageError: a tolerance of nothing, no verdict where one is asked for."""
        if self.tolerance is not None and self.baseline is None:
            raise UsageError("--tolerance: is for --baseline; give the earlier count too")
        if not verdict and (self.check or probe is not None):
            asking = "--check" if self.check else "--probe"
            raise UsageError(f"--no-verdict: {asking} asks for a verdict; leave one of them out")
        return {
            "claims": self.claims or (),
            "baseline": self.baseline,
            "tolerance": self.tolerance or 0,
            "verdict": verdict,
            "probe": probe,
        }

    def failures(self, report: "CostReport") -> list[str]:
        """A line for each check that does not hold."""
        failures = [f"--check: {line}" for line in (report.check_failures if self.check else ())]
        failures += [f"--claim: {line}" for line in report.claim_failures]
        failures += [f"--baseline: {line}" for line in report.baseline_failures]
        return failures + [f"--strict: {line}" for line in (report.strict_failures if self.strict else ())]
