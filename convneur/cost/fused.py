"""Layers that a device runs as one kernel and the meta device would take apart: attention, recurrent layers.

Also complex convolutions, which torch makes of three real ones on every device.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

__all__ = ["COMPLEX_PARTS", "FusedLayers"]

COMPLEX_PARTS = 3
"""Real convolutions that torch makes of one complex convolution."""

_CONVOLUTIONS = frozenset(f"{name}{axes}d" for name in ("conv", "conv_transpose") for axes in (1, 2, 3))
_RECURRENT = ("rnn_relu", "rnn_tanh", "lstm", "gru")  # by cuDNN's number for each


class FusedLayers(TorchFunctionMode):
    """Has such layers on the meta device run as one kernel.

    Args: as_parts: a context in which what runs is a third of one complex convolution.
    """

    def __init__(self, as_parts: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__()
        self._as_parts = as_parts

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return _attend(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in _RECURRENT and not kwargs and _is_one_kernel(args):
            return _recur(name, *args)
        if name in _CONVOLUTIONS and all(isinstance(each, Tensor) and each.is_complex() for each in args[:2]):
            with self._as_parts():
                return func(*args, **kwargs)
        return func(*args, **kwargs)


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention as one kernel, where torch would form the N x N matrix."""
    # Fused kernels take (batch, heads, tokens, depth) and nothing broadcast.
    is_fused = (
        query.is_meta
        and query.ndim == key.ndim == value.ndim == 4
        and query.shape[0] == key.shape[0] == value.shape[0]
        and (query.shape[1] == key.shape[1] or (enable_gqa and not torch.is_grad_enabled()))
        and key.shape[1] == value.shape[1]
    )
    if not is_fused:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
        )
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        attn_mask = attn_mask.to(query.dtype)
    return torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, attn_mask, torch.is_grad_enabled(), dropout_p, is_causal, scale=scale
    )[0]


def _is_one_kernel(args: Sequence[Any]) -> bool:
    """Whether a recurrent layer's arguments are those of whole sequences on meta, of which no gradient is taken.

    Of packed ones the third argument is the state; a gradient needs the steps, which torch takes one by one.
    """
    return (
        len(args) == 9
        and isinstance(args[0], Tensor)
        and args[0].is_meta
        and args[0].ndim == 3
        and isinstance(args[2], (list, tuple))
        and not torch.is_grad_enabled()
    )


def _recur(
    kind: str,
    x: Tensor,
    state: Any,
    weights: Sequence[Tensor],
    biased: bool,
    layers: int,
    dropout: float,
    training: bool,
    bidirectional: bool,
    batch_first: bool,
) -> tuple[Tensor, ...]:
    """All layers and steps as one kernel, where torch would take a step for each token."""
    hidden, cell = state if kind == "lstm" else (state, None)
    gates = {"lstm": 4, "gru": 3}.get(kind, 1)
    width = weights[0].shape[0] // gates
    projected = hidden.shape[-1] if hidden.shape[-1] != width else 0
    per_layer = len(weights) // (layers * (2 if bidirectional else 1))
    output, last, last_cell, *_ = torch.ops.aten._cudnn_rnn(
        x,
        weights,
        per_layer,
        None,
        hidden,
        cell,
        _RECURRENT.index(kind),
        width,
        projected,
        layers,
        batch_first,
        dropout,
        training,
        bidirectional,
        [],
        None,
    )
    return (output, last, last_cell) if kind == "lstm" else (output, last)
