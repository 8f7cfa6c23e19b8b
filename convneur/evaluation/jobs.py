"""What there is to score and what it comes to: a pair of one of the models, its scores or why it has none."""

from dataclasses import dataclass
from pathlib import Path

from convneur.data.pairs import Pair
from convneur.metrics import PairScores

__all__ = ["Failure", "Job", "Scored", "sources", "stamp"]

Stamp = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Job:
    """One pair to score. model: whose prediction it holds, 0 the first model's, 1 the second's."""

    pair: Pair
    model: int = 0


@dataclass(frozen=True)
class Failure:
    """A pair that could not be scored. name: of the pair; why: what is wrong; model: 0 the first, 1 the second.

    >>> Failure("street", "is empty (0 bytes); write it again", model=1).title
    'street (against)'
    """

    name: str
    why: str
    model: int = 0

    @property
    def title(self) -> str:
        """The pair's name as people read it and as JSON has it; nothing reads it back."""
        return f"{self.name} (against)" if self.model else self.name


@dataclass(frozen=True, eq=False)
class Scored:
    """scores: of a pair. files: size and time in ns of prediction and ground truth. resized: the prediction was."""

    scores: PairScores
    files: Stamp
    resized: bool


def stamp(pair: Pair) -> Stamp:
    """Size and time of change in ns of the prediction and the ground truth."""
    pred, gt = pair.pred.stat(), pair.gt.stat()
    return (pred.st_size, pred.st_mtime_ns), (gt.st_size, gt.st_mtime_ns)


def sources(pair: Pair) -> tuple[str, str]:
    """Which files they are, in full: those of another choice may have equal names, sizes and times."""
    return str(Path(str(pair.pred)).absolute()), str(Path(str(pair.gt)).absolute())
