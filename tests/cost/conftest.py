"""Nets on the meta device."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from convneur import VARIANTS, ConvNeur

MakeNet = Callable[..., ConvNeur]


@pytest.fixture
def meta_net() -> MakeNet:
    """A ConvNeur on meta: the variant's name, then settings that differ."""

    def make(variant: str = "m1", **settings: object) -> ConvNeur:
        with torch.device("meta"):
            return ConvNeur(VARIANTS[variant].replace(**settings)).eval()

    return make


class Calling(nn.Module):
    """A module that is one function of its inputs."""

    def __init__(self, function: Callable[..., object]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: torch.Tensor) -> object:
        return self.function(*inputs)


@pytest.fixture
def calling() -> type[Calling]:
    return Calling
