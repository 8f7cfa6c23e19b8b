"""Whether a written graph says what torch says, on real images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from convneur.data.normalisation import Normalisation
from convneur.exporting.formats import format_of
from convneur.exporting.tracing import quiet
from convneur.graphs import InputShape, Precision
from convneur.inference import Agreement, ExportedModel, Predictor, measure_agreement
from convneur.model.network import ConvNeur

__all__ = ["BOUNDS", "Comparison", "compare"]

# Choice: of `difference`. float32 programs that differ in the order of sums come to 1e-6; int8 to 0.01.
BOUNDS: dict[Precision, float] = {"fp32": 1e-4, "int8": 0.05}

_Floats = NDArray[np.float32]
_Program = Callable[[_Floats], _Floats]


@dataclass(frozen=True)
class Comparison(Agreement):
    """A graph beside torch on the same images. bound: the largest `difference` that passes.

    >>> Comparison(4, ((224, 224),), difference=2e-7, largest=1e-5, labels_equal=1.0, bound=1e-4).passed
    True
    """

    bound: float

    @property
    def passed(self) -> bool:
        return self.difference <= self.bound  # not so for NaN

    def to_dict(self) -> dict[str, Any]:
        return super().to_dict() | {"bound": self.bound, "passed": self.passed}


def compare(predictor: Predictor, model: ConvNeur, path: Path, shape: InputShape, precision: Precision) -> Comparison:
    """Ask the file at `path` and the model in torch of the packaged images."""
    graph = _program(path)

    @torch.inference_mode()
    def reference(x: _Floats) -> _Floats:
        return model(torch.from_numpy(x)).numpy()

    found = measure_agreement(
        lambda x: _in_batches(graph, x, shape.batch or len(x)),
        reference,
        model.config,
        _sizes(shape),
        Normalisation(predictor.mean, predictor.std),
    )
    return Comparison(**vars(found), bound=BOUNDS[precision])


def _sizes(shape: InputShape) -> tuple[tuple[int, int], ...]:
    """Those to compare at. Of any: the smallest, one that no stride divides, one for whose tokens no chunk is even."""
    if shape.size is not None:
        return (shape.size,)
    least = shape.least
    return ((least, least), (least + 3, 2 * least + 1), (max(352, least), max(480, least)))


def _program(path: Path) -> _Program:
    if format_of(path) != "torch-export":
        return ExportedModel(path).run
    with quiet():
        module: Any = torch.export.load(path).module()

    def run(x: _Floats) -> _Floats:
        with torch.inference_mode():
            return module(torch.from_numpy(x)).numpy()

    return run


def _in_batches(run: _Program, x: _Floats, batch: int) -> _Floats:
    parts: Sequence[_Floats] = [x[at : at + batch] for at in range(0, len(x), batch)]
    filled = [np.concatenate([part, np.zeros((batch - len(part), *x.shape[1:]), x.dtype)]) for part in parts]
    return np.concatenate([run(each)[: len(part)] for each, part in zip(filled, parts, strict=True)])
