"""A model as a graph of torch.export, of one size or of any."""

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, library, nn
from torch.export import Dim, ExportedProgram

from convneur.errors import ConfigError
from convneur.graphs import InputShape
from convneur.model.network import ConvNeur, stage_sizes
from convneur.variants import ConvNeurConfig

__all__ = ["check_open", "fresh_sides", "least_side", "quiet", "traced"]

# Bounds of what is left open; torch asks for some.
_LARGEST_SIDE, _MOST_IMAGES = 8192, 1024
# Choice: an image to trace with where the size is open; its stages' sides all differ.
_TRACED = (256, 320)

_OPEN_BRANCHES = ("neural-memory", "cbam", "non-local", "self-attention")


@library.custom_op("convneur::fresh_sides", mutates_args=())
def fresh_sides(x: Tensor) -> Tensor:
    """A map whose height and width torch forgets how they came about; in the file nothing is left of it.

    Sides of the last stage are quotients of quotients of the image's, about which torch proves the same things at each
    operator: two thirds of the time that an export for any size takes.
    """
    return x.clone()


@fresh_sides.register_fake
def _(x: Tensor) -> Tensor:
    context = library.get_ctx()
    height, width = (context.new_dynamic_size(min=2, max=_LARGEST_SIDE // 4) for _ in range(2))
    return x.new_empty(x.shape[0], x.shape[1], height, width)


class _FreshSides(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return fresh_sides(x)


def traced(model: ConvNeur, shape: InputShape, *, forget_sides: bool = False) -> ExportedProgram:
    """The graph of what `model(x)` computes. forget_sides: see `fresh_sides`; the reader must know the operator."""
    height, width = shape.size or _TRACED
    batch = shape.batch or 2  # 1 would be taken for a number that never changes
    sides: dict[int, Dim] = {}
    if shape.batch is None:
        sides[0] = Dim("batch", max=_MOST_IMAGES)
    if shape.size is None:
        sides |= {2: Dim("height", min=shape.least, max=_LARGEST_SIDE)}
        sides |= {3: Dim("width", min=shape.least, max=_LARGEST_SIDE)}
        if forget_sides:
            model = copy.deepcopy(model)
            model.stem = nn.Sequential(model.stem, _FreshSides())  # type: ignore[assignment]
            model.downsamples = nn.ModuleList(nn.Sequential(each, _FreshSides()) for each in model.downsamples)
    x = torch.zeros(batch, model.config.in_channels, height, width)
    with torch.no_grad(), quiet():
        return torch.export.export(
            model,
            (x,),
            dynamic_shapes={"x": sides} if sides else None,
            strict=False,
            prefer_deferred_runtime_asserts_over_guards=True,
        )


def check_open(config: ConvNeurConfig) -> None:
    """Raises: ConfigError: the model cannot be written for any size."""
    way_on = "name one, such as 224 or 360x480"
    if config.head == "upernet":
        raise ConfigError("size", f"UPerNet's pools have no form that takes any; {way_on}", value="any")
    if config.memory == "none":
        return
    if config.global_branch not in _OPEN_BRANCHES:
        raise ConfigError("size", f"{config.global_branch} has no form that takes any; {way_on}", value="any")
    if config.global_branch != "neural-memory":
        return
    if config.chunks is None:
        problem = "the number of chunks follows the size, unless a model is trained with a fixed number (`chunks`)"
        raise ConfigError("size", f"{problem}; {way_on}", value="any")
    if config.order == "strided":
        raise ConfigError("size", f"strided chunks have no form that takes any; {way_on}", value="any")


def least_side(config: ConvNeurConfig) -> int:
    """The smallest side for which every stage of a model that takes any size has its number of chunks.

    C chunks of ceil(N / C) tokens are C for every N above C (C - 1).

    >>> from convneur.variants import VARIANTS
    >>> least_side(VARIANTS["m1"].replace(chunks=4)), least_side(VARIANTS["m1"].replace(memory="none"))
    (128, 32)
    """
    if config.memory == "none" or config.global_branch != "neural-memory":
        return 32
    chunks = [config.chunks_of(stage) or 1 for stage in (1, 2, 3, 4)]
    side = 32
    while any(
        h * w <= c * (c - 1) for c, (h, w) in zip(chunks, stage_sizes(side, side, config.output_stride), strict=True)
    ):
        side += 32
    return side


@contextmanager
def quiet() -> Iterator[None]:
    """Without what torch and the runtimes say to their developers while they write graphs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
