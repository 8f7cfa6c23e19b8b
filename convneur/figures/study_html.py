"""The page of a study: one HTML file with its tables and plots, which asks nothing of any network."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from convneur.figures.html_page import html_page

if TYPE_CHECKING:
    from convneur.study import StudyResult

__all__ = ["study_page"]


def study_page(result: "StudyResult") -> str:
    """The page as HTML: what `convneur study` writes as study.html.

    >>> from convneur import VARIANTS
    >>> from convneur.study import Finding, RunResult, StudyResult, StudyRun, Twin
    >>> from convneur.training.settings import recipe_settings
    >>> local = Twin("none", VARIANTS["m1"].replace(memory="none"), params=3_940_000, macs=518_000_000)
    >>> result = StudyResult(
    ...     data="flowers", model="m1", recipe="small", init=None, precision="fp32", steps=400,
    ...     settings=recipe_settings("small", "classification"), classes=("daisy", "rose"), split="test", folds=None,
    ...     seeds=(0,), planned=1, failed={},
    ...     twins=(Finding(local, 1, {"top1": 0.9}, {"top1": float("nan")}, (), None, None),),
    ...     runs=(RunResult(StudyRun("none", 0), 50, 320, 0.92, {"top1": 0.9}),),
    ... )
    >>> "<title>Study of 1 model on flowers</title>" in study_page(result)
    True
    """
    plain = result.to_dict()
    settings, tested = plain["settings"], f"split {result.split}"
    data = {
        "title": result.title,
        "words": result.sentences(),
        "metrics": [{"key": key, "short": metric.short, "name": metric.name} for key, metric in result.metrics.items()],
        "level": f"{plain['interval']['level']:.0%}",
        "about": [
            f"{result.model}, {result.precision}, {result.steps} steps of {settings['batch']} views of "
            f"{settings['crop'][0]}x{settings['crop'][1]}; tested on "
            f"{f'{result.folds} folds' if result.folds else tested}, {result.images} images; recipe {result.recipe}"
            + (f", initial weights {result.init}" if result.init else "")
        ],
        "reference": result.reference,
        "crop": "x".join(map(str, settings["crop"])),
        **{
            key: [{name: value for name, value in row.items() if name not in ("net", "iou")} for row in plain[key]]
            for key in ("twins", "runs")
        },
    }
    return html_page(
        "study",
        _finite(data),
        title=result.title,
        generator=f"convneur {plain['convneur']}",
        without_script="The tables and plots of this page are made by its own script; nothing is fetched. Allow "
        "scripts to see them, or read study.md, study.json or study.csv beside it.",
        charts=True,
    )


def _finite(value: Any) -> Any:
    """The same with null for values that are undefined."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value
