"""Several images in one figure: their results, with one record and one file of arrays."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convneur.errors import ConfigError
from convneur.gates.record import record_beside, save_npz
from convneur.gates.result import GateResult
from convneur.results import Result, Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["GateSheet"]


@dataclass(frozen=True, eq=False, repr=False)
class GateSheet(Result):
    """Several images' gates, which `convneur.figures.gates_figure` draws in one figure, a row for each image.

    Args:   results: of the same model, stages and rows, in their order from the top.
    Raises: ConfigError: none, or of different stages or rows.

    >>> import numpy as np, convneur
    >>> inspector = convneur.gates.Inspector(weights="none", mem_dim=8, stage=4, size=64)
    >>> images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    >>> sheet = GateSheet(tuple(inspector.inspect(image) for image in images))
    >>> sorted(sheet.arrays())[:2]
    ['image1_stage4_f_loc', 'image1_stage4_f_out']
    """

    results: tuple[GateResult, ...]

    def __post_init__(self) -> None:
        shapes = {(one.options.rows, tuple(stage.stage for stage in one.stages)) for one in self.results}
        if len(shapes) != 1:
            problem = "must have the same rows and stages, which one figure draws" if shapes else "is empty"
            raise ConfigError("results", problem)

    def __repr__(self) -> str:
        return f"<GateSheet of {', '.join(one.image.file_name for one in self.results)}>"

    def arrays(self) -> "dict[str, NDArray[np.float32]]":
        """The drawn maps, (H, W) each, by image, stage and row, such as `image1_stage2_gate`."""
        return {
            f"image{n}_{name}": one for n, each in enumerate(self.results, 1) for name, one in each.arrays().items()
        }

    def raw_arrays(self) -> "dict[str, NDArray[np.float32]]":
        """What the maps are made of, (C, H, W) each, under the same names."""
        return {
            f"image{n}_{name}": one for n, each in enumerate(self.results, 1) for name, one in each.raw_arrays().items()
        }

    def record_beside(
        self, figure: str | Path, *, arrays: bool = False, raw_arrays: bool = False, force: bool = False
    ) -> dict[str, Any]:
        """The record of the figure; as `GateResult.record_beside`."""
        return record_beside(self.to_dict(), Path(figure), arrays=arrays, raw_arrays=raw_arrays, force=force)

    def save_arrays(self, path: str | Path, *, raw: bool = False, force: bool = False) -> None:
        """As `GateResult.save_arrays`."""
        save_npz(self.raw_arrays() if raw else self.arrays(), path, force=force)

    def to_dict(self) -> dict[str, Any]:
        """The record of every image."""
        return {"schema": "convneur.gates-sheet/1", "images": [one.to_dict() for one in self.results]}

    def tables(self) -> tuple[Table, ...]:
        return tuple(table for one in self.results for table in one.tables())
