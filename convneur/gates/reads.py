"""Where the read of one position comes from, stage by stage: as a map, and summed."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from convneur.errors import ConfigError
from convneur.variants import ConvNeurConfig

__all__ = ["ReadParts", "StageReads", "check_reads"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ReadParts:
    """What the reads of all positions of a stage are made of; see `convneur.model.reads.MemoryParts`.

    queries, keys, values: (N, m). chunk: (N,). step, eta, keep, seen: (T,). initial: (m, m), M_0. gram: (m, m),
    W_e^T W_e.
    """

    queries: Array
    keys: Array
    values: Array
    chunk: NDArray[np.int64]
    step: Array
    eta: Array
    keep: Array
    seen: NDArray[np.int64]
    initial: Array
    gram: Array


@dataclass(frozen=True, eq=False)
class StageReads:
    """What one position of a stage reads; shares of Y = W_e y, the global branch's output there but for its bias.

    Of a memory the values, `initial` and nothing else add up to 1, and a share may be negative or above 1: a part may
    point away from Y. Of attention they are its weights, the mean over heads.

    Args:
        position: row and column of the token that holds the pixel asked for.
        values: (H, W) float64, of each token; exactly 0 where the read cannot see it.
        initial: of M_0; None of attention, which has none.
        own: of the position's own chunk, or of attention of its own token.
        others: of all other tokens.
        parts_of_all: what any other position's read is made of; None of attention.

    All three are None, and the values 0, where Y is 0, which has no parts.

    >>> reads = StageReads((0, 1), np.array([[0.1, 0.2]]), initial=0.7, own=0.3, others=0.0)
    >>> reads.record()["initial"]
    0.7
    """

    position: tuple[int, int]
    values: NDArray[np.float64]
    initial: float | None
    own: float | None
    others: float | None
    kind: Literal["memory", "attention"] = "memory"
    parts_of_all: ReadParts | None = None

    @property
    def parts(self) -> tuple[tuple[str, float | None], ...]:
        """What the read comes from, in words, and its share."""
        own = "own chunk" if self.kind == "memory" else "own token"
        initial = (("M_0", self.initial),) if self.kind == "memory" else ()
        return (*initial, (own, self.own), ("others", self.others))

    @property
    def of_start_alone(self) -> bool:
        """Whether nothing but M_0 is read."""
        return self.initial is not None and not self.values.any()

    @property
    def shown(self) -> tuple[tuple[str, str], ...]:
        """`parts` as they are shown, such as −3.2%; a dash where there is none."""
        return tuple((name, "–" if share is None else f"{share:.1%}".replace("-", "−")) for name, share in self.parts)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        names = {"kind": self.kind, "position": list(self.position)}
        return {**names, "initial": self.initial, "own": self.own, "others": self.others}


def check_reads(config: ConvNeurConfig) -> None:
    """Whether the reads of a model with this config can be taken apart. Raises: ConfigError: they cannot."""
    branch = config.global_branch
    if branch not in ("neural-memory", "self-attention", "non-local"):
        choices = "choose neural-memory, self-attention or non-local"
        raise ConfigError("reads", f"a {branch} branch has no reads that can be taken apart; {choices}")
    if branch == "neural-memory" and config.memory_layers != 1:
        raise ConfigError("reads", "those of a memory of two layers cannot be taken apart; choose a model of one")
    if branch == "neural-memory" and config.max_state_norm is not None:
        raise ConfigError(
            "reads", "those under a cap on the state cannot be taken apart; choose a model without max_state_norm"
        )
