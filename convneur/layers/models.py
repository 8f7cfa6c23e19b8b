"""Models that are no ConvNeur: built for an image's size, with the pixels that they were trained on, trained or not."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from convneur.cost import CountingError, ExternalModel
from convneur.data.normalisation import Normalisation
from convneur.errors import InputError
from convneur.layers.outputs import refusal
from convneur.layers.stamp import untrained_stamp

__all__ = [
    "OtherModel",
    "as_its_tensors",
    "check_watchable",
    "normalisation_of",
    "run_once",
    "seeded",
]

_Module = TypeVar("_Module", bound=nn.Module)


@dataclass(frozen=True, eq=False)
class OtherModel:
    """name: as asked for; seed: of what its factory draws."""

    name: str
    found: ExternalModel
    seed: int = 0

    def built(self, size: tuple[int, int]) -> nn.Module:
        """The module in eval mode, its lazy parameters made. Raises: InputError: none of this size, or one whose layers
        cannot be watched."""
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
        def made() -> nn.Module:
            module = self.found.build(*size)
            check_watchable(module, self.name)
            return run_once(module, size, self.name)

        try:
            return seeded(made, seed)
        except CountingError as error:
            raise InputError(self.name, f"{error}") from None


def check_watchable(module: nn.Module, name: str) -> None:
    """Raises: InputError: a module that torch compiled, whose layers take no hooks."""
    if isinstance(module, torch.jit.ScriptModule):
        problem = "is a ScriptModule, whose layers cannot be watched; give the module that it was made of"
        raise InputError(name, problem)


def run_once(module: nn.Module, size: tuple[int, int], name: str) -> nn.Module:
    """The module; one with lazy parameters has run once, which makes them. Raises: InputError: it cannot run."""
    if any(nn.parameter.is_lazy(each) for each in (*module.parameters(), *module.buffers())):
        try:
            with torch.no_grad():
                module(torch.zeros(1, 3, *size))
        except Exception as error:
            raise InputError(name, refusal(error, size)) from error
    return module


def as_its_tensors(x: Tensor, module: nn.Module) -> Tensor:
    """An image of the type and on the device that a model's floating-point parameters have."""
    like = next((each for each in module.parameters() if each.is_floating_point()), None)
    return x if like is None else x.to(like)


def seeded(make: Callable[[], _Module], seed: int) -> _Module:
    """A model whose random numbers come from this seed; the caller's random state is left as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


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
