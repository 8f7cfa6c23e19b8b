"""The metrics that are one file each, by their keys."""

from convneur.metrics.measure import Measure
from convneur.metrics.measures.centrelines import CentrelineDice
from convneur.metrics.measures.components import ComponentDice
from convneur.metrics.measures.curve import BoundaryF1Curve
from convneur.metrics.measures.object_counts import ObjectMeasure
from convneur.metrics.measures.overlap import Dice
from convneur.metrics.measures.percentiles import HausdorffPercentile
from convneur.metrics.settings import BoundarySettings

__all__ = ["MEASURES", "measures_of"]

_ALL = (
    Dice(),
    HausdorffPercentile(),
    BoundaryF1Curve(),
    ObjectMeasure(),
    CentrelineDice(),
    ComponentDice(),
)
MEASURES: dict[str, Measure] = {measure.metric: measure for measure in _ALL}


def measures_of(settings: BoundarySettings) -> list[Measure]:
    """Those that are asked for."""
    return [measure for metric, measure in MEASURES.items() if metric in settings.metrics]
