"""The page of a study: one HTML file with its tables and plots, which asks nothing of any network."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from convneur.figures.html_page import html_page

__all__ = ["study_page"]


def study_page(
    result: Mapping[str, Any], figures: Sequence[tuple[str, str]], *, title: str, words: Sequence[str]
) -> str:
    """The page as HTML.

    Args: result: as `convneur study --json` gives it; figures: (key, short name), in order; words: what the figures
        and intervals are.
    """
    data = {
        "title": title,
        "words": list(words),
        "figures": [{"key": key, "short": short, "name": result["figures"][key]["name"]} for key, short in figures],
        "level": f"{result['interval']['level']:.0%}",
        "about": [
            f"{result['model']}, {result['precision']}, {result['steps']} steps of {result['settings']['batch']} views "
            f"of {result['settings']['crop'][0]}x{result['settings']['crop'][1]}; tested on "
            + (f"{result['folds']} folds" if result["folds"] else f"split {result['tested_on']}")
            + f", {result['images']} photos; recipe {result['recipe']}"
            + (f", begun from {result['init']}" if result["init"] else "")
        ],
        "reference": result["reference"],
        "crop": "x".join(map(str, result["settings"]["crop"])),
        **{
            key: [{name: value for name, value in row.items() if name not in ("net", "iou")} for row in result[key]]
            for key in ("twins", "runs")
        },
    }
    return html_page(
        "study",
        _plain(data),
        title=title,
        generator=f"convneur {result['convneur']}",
        without_script="The tables and plots of this page are made by its own script; nothing is fetched. Allow "
        "scripts to see them, or read study.md, study.json or study.csv beside it.",
        charts=True,
    )


def _plain(value: Any) -> Any:
    """The same with null for figures that are undefined."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
