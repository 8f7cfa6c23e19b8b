"""Models that are no ConvNeur: built for an image's size, with the pixels that they were trained on, trained or not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from convneur.cost import CountingError, ExternalModel
from convneur.data.normalisation import Normalisation
from convneur.errors import InputError

__all__ = ["OtherModel", "normalisation_of", "seeded", "untrained_stamp"]


@dataclass(frozen=True, eq=False)
class OtherModel:
    """name: as asked for; seed: of what its factory draws."""

    name: str
    found: ExternalModel
    seed: int = 0

    def built(self, size: tuple[int, int]) -> nn.Module:
        """The module in eval mode. Raises: InputError: none of this size."""
        return self._seeded(size, self.seed)

    def stamp(self, module: nn.Module, size: tuple[int, int]) -> str | None:
        """What must be said of a model whose weights learned nothing.

        Choice: those for which another seed gives the factory other ones: more than half of the values differ.
        """
        other = self._seeded(size, self.seed + 1)
        pairs = list(zip(module.parameters(), other.parameters(), strict=False))
        total = sum(a.numel() for a, _ in pairs)
        differ = sum(int((a != b).sum()) for a, b in pairs if a.shape == b.shape)
        return untrained_stamp(self.seed) if total > 0 and 2 * differ > total else None

    def _seeded(self, size: tuple[int, int], seed: int) -> nn.Module:
        try:
            return seeded(lambda: self.found.build(*size), seed)
        except CountingError as error:
            raise InputError(self.name, f"{error}") from None


def seeded(make: Callable[[], nn.Module], seed: int) -> nn.Module:
    """A model whose random numbers come from this seed; the caller's random state is left as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def untrained_stamp(seed: int) -> str:
    """The words of it."""
    return f"UNTRAINED WEIGHTS, seed {seed}"


def normalisation_of(module: nn.Module) -> Normalisation:
    """Of the pixels that a model was trained on: by timm's config, where it has one, else ImageNet's.

    Raises: InputError: it takes other than three channels.
    """
    config = getattr(module, "pretrained_cfg", None) or getattr(module, "default_cfg", None)
    said = config if isinstance(config, Mapping) else {}
    if said.get("mean") is None or said.get("std") is None:
        return Normalisation()
    mean, std = (tuple(map(float, said[key])) for key in ("mean", "std"))
    if len(mean) != 3 or len(std) != 3:
        raise InputError(None, f"the model takes {len(mean)} channels, and an image has 3; choose another")
    return Normalisation(mean=(mean[0], mean[1], mean[2]), std=(std[0], std[1], std[2]))
