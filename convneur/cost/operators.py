"""What each dispatched operator is: multiply-adds with a formula, element-wise work, movement, or unknown.

torch's own formulas are taken where it has them; those here are for operators that its counter reads as 0 without
a word: mv, dot, addmv, addr, addbmm, the attention kernels of the CPU, the fused multi-head attention, recurrent
layers, deformable convolutions. A formula that anybody registers with torch's `register_flop_formula` counts too.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch._ops import HigherOrderOperator
from torch.utils.flop_counter import flop_registry

__all__ = [
    "FFTS",
    "FormulaError",
    "Operator",
    "WorkKind",
    "attention_macs",
    "describe_operator",
    "fft_flops",
    "has_floats",
    "packed_weights",
]

WorkKind = Literal["convolution", "matmul", "attention"]
Formula = Callable[[Sequence[Any], Mapping[str, Any], Any], int]
"""Multiply-adds of a call, from its arguments, keyword arguments and result."""

_aten = torch.ops.aten


class FormulaError(ValueError):
    """A formula that somebody registered with torch fails, or gives no number: no fault of the model or its inputs."""


class Operator(NamedTuple):
    """How a call of one operator overload is counted.

    name: without aten's namespace, the overload, and the underscore of an in-place form. kind: macs, elementwise,
    movement, unknown, composite: made of other operators, which are counted instead, or higher-order: it calls
    functions among its arguments, whose operators are counted. work, formula: of macs only.
    allocates: its results are new tensors, not views or arguments. launches: it runs something on the device.
    """

    name: str
    kind: Literal["macs", "elementwise", "movement", "unknown", "composite", "higher-order"]
    work: WorkKind | None
    formula: Formula | None
    allocates: bool
    launches: bool


def attention_macs(query: Sequence[int], key: Sequence[int], value: Sequence[int]) -> int:
    """Multiply-adds of softmax(q k^T) v: every query head against every key, masked or not.

    Args: query (..., N, d), key (..., S, d), value (..., S, e): shapes; grouped heads repeat for the query's.
    """
    *batch, queries, depth = query
    return prod(batch) * queries * key[-2] * (depth + value[-1])


def _attention_backward_macs(query: Sequence[int], key: Sequence[int], value: Sequence[int]) -> int:
    *batch, queries, depth = query
    return prod(batch) * queries * key[-2] * (3 * depth + 2 * value[-1])


def _multi_head_attention_macs(query: Sequence[int], key: Sequence[int]) -> int:
    """Projections in and out and both products, for (B, N, D) queries and (B, S, D) keys and values."""
    batch, queries, dim = query
    keys = key[1]
    return batch * (2 * (queries + keys) * dim * dim + 2 * queries * keys * dim)


def _convolution_backward_macs(args: Sequence[Any]) -> int:
    """As much as the forward convolution for each of the gradients asked for: the input's and the weight's.

    torch's own formula takes a grouped convolution for a dense one here.
    """
    grad_output, image, weight = args[:3]
    transposed, wanted = args[7], args[10]
    positions = image.numel() if transposed else grad_output.numel()
    return positions * prod(weight.shape[1:]) * sum(wanted[:2])


def _trilinear_macs(args: Sequence[Any]) -> int:
    """Every combination of the three tensors' axes, those that each lacks put in: `nn.Bilinear` and its gradients."""
    shapes = []
    for tensor, lacking in zip(args[:3], args[3:6], strict=True):
        shape = list(tensor.shape)
        for axis in sorted(lacking):
            shape.insert(axis, 1)
        shapes.append(shape)
    return prod(map(max, *shapes))


def _grouped_matmul_macs(first: Tensor, second: Tensor) -> int:
    """A product for each group; the groups share out the axis that a matrix of two axes has in a stack's place."""
    macs = first.numel() * second.shape[-1]
    return macs // first.shape[0] if first.ndim == 3 and second.ndim == 2 else macs


def _recurrent_macs(x: Tensor, weights: Sequence[Tensor]) -> int:
    """Every weight matrix once a token; in all layers and directions."""
    return prod(x.shape[:-1]) * sum(weight.numel() for weight in weights if weight.ndim == 2)


def packed_weights(value: Any) -> list[Tensor]:
    """The weight and the bias in what a quantized layer packs them into; none in any other value."""
    unpack = getattr(value, "unpack", None)
    found = unpack() if isinstance(value, torch.ScriptObject) and callable(unpack) else ()
    return [each for each in found if isinstance(each, Tensor)]


def _packed_conv(args: Sequence[Any], _kwargs: Mapping[str, Any], out: Tensor) -> int:
    return out.numel() * prod(packed_weights(args[1])[0].shape[1:])


def _packed_transposed(args: Sequence[Any], _kwargs: Mapping[str, Any], _out: Tensor) -> int:
    return int(args[0].numel()) * prod(packed_weights(args[1])[0].shape[1:])


def _encoder_layer_macs(args: Sequence[Any]) -> int:
    source, hidden_weight = args[0].shape, args[14].shape
    return _multi_head_attention_macs(source, source) + 2 * prod(source[:-1]) * prod(hidden_weight)


_FORMULAS: dict[str, tuple[WorkKind, Formula]] = {
    "mv": ("matmul", lambda args, _k, _o: args[0].numel()),
    "addmv": ("matmul", lambda args, _k, _o: args[1].numel()),
    "dot": ("matmul", lambda args, _k, _o: args[0].numel()),
    "vdot": ("matmul", lambda args, _k, _o: args[0].numel()),
    "addr": ("matmul", lambda args, _k, _o: args[1].numel() * args[2].numel()),
    "addbmm": ("matmul", lambda args, _k, _o: args[1].numel() * args[2].shape[2]),
    "_addmm_activation": ("matmul", lambda args, _k, _o: args[1].numel() * args[2].shape[1]),
    "mkldnn_convolution": ("convolution", lambda args, _k, out: out.numel() * prod(args[1].shape[1:])),
    "mkldnn_linear": ("matmul", lambda args, _k, out: out.numel() * args[0].shape[-1]),
    "_sparse_addmm": ("matmul", lambda args, _k, _o: args[1]._nnz() * args[2].shape[1]),
    "convolution_backward": ("convolution", lambda args, _k, _o: _convolution_backward_macs(args)),
    "_int_mm": ("matmul", lambda args, _k, _o: args[0].numel() * args[1].shape[1]),
    "_grouped_mm": ("matmul", lambda args, _k, _o: _grouped_matmul_macs(args[0], args[1])),
    "_trilinear": ("matmul", lambda args, _k, _o: _trilinear_macs(args)),
    # (x, x^2, 1) times (-2 y, 1, y^2)
    "_euclidean_dist": ("matmul", lambda args, _k, out: out.numel() * (args[0].shape[-1] + 2)),
    "_cudnn_rnn": ("matmul", lambda args, _k, _o: _recurrent_macs(args[0], args[1])),
    "_cudnn_rnn_backward": ("matmul", lambda args, _k, _o: 2 * _recurrent_macs(args[0], args[1])),
    "mkldnn_rnn_layer": ("matmul", lambda args, _k, _o: _recurrent_macs(args[0], args[1:5])),
    "mkldnn_rnn_layer_backward": ("matmul", lambda args, _k, _o: 2 * _recurrent_macs(args[0], args[1:5])),
    # Its samples are interpolated, which is element-wise work.
    "torchvision::deform_conv2d": ("convolution", lambda args, _k, out: out.numel() * prod(args[1].shape[1:])),
    "flex_attention": (
        "attention",
        lambda args, _k, _o: attention_macs(args[0].shape, args[1].shape, args[2].shape),
    ),
    "flex_attention_backward": (
        "attention",
        lambda args, _k, _o: _attention_backward_macs(args[0].shape, args[1].shape, args[2].shape),
    ),
    "_native_multi_head_attention": (
        "attention",
        lambda args, _k, _o: _multi_head_attention_macs(args[0].shape, args[1].shape),
    ),
    "_transformer_encoder_layer_fwd": ("attention", lambda args, _k, _o: _encoder_layer_macs(args)),
} | {
    # All kernels compute the same products; torch's own formula knows some of the names only.
    name: ("attention", lambda args, _k, _o: attention_macs(args[0].shape, args[1].shape, args[2].shape))
    for name in (
        "_scaled_dot_product_flash_attention_for_cpu",
        "_scaled_dot_product_flash_attention",
        "_scaled_dot_product_efficient_attention",
        "_scaled_dot_product_cudnn_attention",
        "_scaled_dot_product_fused_attention_overrideable",
    )
}
_FORMULAS |= {
    name: ("matmul", lambda args, _k, out: args[0].numel() * out.shape[-1])
    for name in (
        "_weight_int8pack_mm",
        "_weight_int4pack_mm",
        "quantized::linear",
        "quantized::linear_relu",
        "quantized::linear_leaky_relu",
        "quantized::linear_tanh",
        "quantized::linear_dynamic",
        "quantized::linear_relu_dynamic",
        "quantized::matmul",
    )
}
_FORMULAS |= {
    # Their weights are packed, and unpack themselves.
    f"quantized::conv{transpose}{axes}d{after}": ("convolution", _packed_transposed if transpose else _packed_conv)
    for transpose, axes, after in product(
        ("", "_transpose"), (1, 2, 3), ("", "_relu", "_add", "_add_relu", "_dynamic", "_relu_dynamic")
    )
}
_FORMULAS |= {
    # Scores again, and the gradients of scores, values, queries and keys; torch's formula knows the other kernels.
    name: ("attention", lambda args, _k, _o: _attention_backward_macs(args[1].shape, args[2].shape, args[3].shape))
    for name in (
        "_scaled_dot_product_flash_attention_for_cpu_backward",
        "_scaled_dot_product_fused_attention_overrideable_backward",
    )
}


def _names(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Arithmetic per element that torch does not tag as pointwise, reductions, norms, pooling, interpolation.
_ELEMENTWISE = _names(
    """
    rsub hardswish glu log_sigmoid_forward rrelu_with_noise native_dropout _fused_dropout _prelu_kernel complex polar
    sum mean prod amax amin aminmax max min argmax argmin any all nansum logsumexp norm linalg_vector_norm std std_mean
    var var_mean cumsum cumprod cummax cummin logcumsumexp _softmax _safe_softmax _log_softmax count_nonzero
    native_layer_norm _fused_rms_norm native_group_norm native_batch_norm _native_batch_norm_legit
    _native_batch_norm_legit_no_training _batch_norm_no_update _batch_norm_with_update cudnn_batch_norm
    avg_pool1d avg_pool2d avg_pool3d _adaptive_avg_pool2d _adaptive_avg_pool3d max_pool2d_with_indices
    max_pool3d_with_indices adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d
    upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d _upsample_bilinear2d_aa
    _upsample_bicubic2d_aa grid_sampler_2d grid_sampler_3d col2im
    _embedding_bag scatter_add scatter_reduce index_add index_reduce mse_loss smooth_l1_loss huber_loss nll_loss
    nll_loss_forward nll_loss2d nll_loss2d_forward binary_cross_entropy _ctc_loss log_sigmoid
    quantize_per_tensor quantize_per_tensor_dynamic quantize_per_channel dequantize fake_quantize_per_tensor_affine
    fake_quantize_per_tensor_affine_cachemask fake_quantize_per_channel_affine_cachemask _weight_norm_interface
    topk sort kthvalue mode median nanmedian bincount histc searchsorted bucketize isin _unique2 unique_dim
    unique_consecutive multinomial linalg_cross renorm _cdist_forward _cdist _pdist_forward _pdist
    """
)

# Values moved, filled in or looked up; nothing is computed.
_MOVEMENT = _names(
    """
    cat stack copy clone _to_copy _copy_from fill zero zeros ones full zeros_like ones_like full_like new_zeros
    new_ones new_full arange linspace eye scalar_tensor lift_fresh_copy index index_put _index_put_impl
    _unsafe_index _unsafe_index_put index_select index_copy index_fill take gather scatter masked_scatter
    masked_select nonzero slice_scatter select_scatter diagonal_scatter as_strided_scatter constant_pad_nd
    pad _pad_circular max_unpool2d max_unpool3d
    reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d replication_pad3d repeat
    repeat_interleave roll flip rot90 tril triu tril_indices triu_indices diag_embed embedding im2col
    pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle upsample_nearest1d upsample_nearest2d
    upsample_nearest3d _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d split_copy
    split_with_sizes_copy unbind_copy rand randn randint rand_like randn_like randint_like randperm uniform normal
    bernoulli view_copy expand_copy permute_copy transpose_copy _reshape_copy slice_backward select_backward
    diagonal_backward unfold_backward embedding_dense_backward _local_scalar_dense
    """
)

# Their schema promises a new tensor, or one written to, but they hand out the storage they were given. In place, as
# recurrent layers call some of these, only sizes and strides are written.
_VIEWS_UNSAID = _names(
    """
    as_strided _unsafe_view lift_fresh set resize unsafe_split unsafe_split_with_sizes transpose t squeeze unsqueeze
    swapaxes swapdims
    """
)

# Neither work nor movement: metadata, and storage that nothing has filled yet.
_METADATA = _names(
    """
    empty empty_like empty_strided new_empty new_empty_strided empty_permuted promote_types
    is_same_size _has_compatible_shallow_copy_type record_stream
    """
)


# torch's own operators on quantized tensors: those without a formula are element-wise.
_QUANTIZED = frozenset(("quantized", "quantized_decomposed"))


def _base_name(overload: Any) -> str:
    """`addmm` of aten::addmm_, as operators in place take the same arguments; `mine::addmm` of another namespace."""
    full: str = overload._schema.name
    name = full.removeprefix("aten::")
    return name[:-1] if name.endswith("_") and not name.endswith("__") else name


def _registered_formula(name: str, overload: Any) -> Formula | None:
    """torch's own, or one that somebody has registered for an operator of any namespace."""
    ours = getattr(_aten, name, None)  # of an operator in place, the one that is not
    registered = flop_registry.get(overload.overloadpacket) or flop_registry.get(ours)
    if registered is None:
        return None

    def formula(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
        try:
            flops = registered(*args, **kwargs, out_val=out)
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            raise FormulaError(f"the formula registered for {name} failed: {said}") from error
        if isinstance(flops, bool) or not isinstance(flops, (int, float)) or not 0 <= flops < math.inf:
            raise FormulaError(f"the formula registered for {name} gives {flops!r}, not a number of FLOPs")
        return int(flops) // 2  # torch counts 2 for a multiply-add

    return formula


def _is_listed(name: str, names: frozenset[str]) -> bool:
    """Whether an operator, or the one whose gradient it computes, is among these."""
    return name in names or name.removesuffix("_data").removesuffix("_backward") in names


def _is_pointwise(name: str, overload: Any) -> bool:
    """Whether torch calls an operator, or the one whose gradient it computes, pointwise."""
    siblings = []
    for each in (name, name.removesuffix("_backward")):
        packet = getattr(_aten, each, None)
        siblings += [] if packet is None else [getattr(packet, sibling) for sibling in packet.overloads()]
    return any(torch.Tag.pointwise in one.tags for one in (overload, *siblings))


_NAMED: Mapping[str, str] = {
    "_cudnn_rnn": "rnn",
    "_cudnn_rnn_backward": "rnn_backward",
    "mkldnn_rnn_layer": "rnn",
    "mkldnn_rnn_layer_backward": "rnn_backward",
}
"""Kernels of a kind, by the kind's name."""


def describe_operator(overload: Any) -> Operator:
    """What a dispatched operator overload is."""
    if isinstance(overload, HigherOrderOperator):
        name = overload.name()
        if name in _FORMULAS:
            return Operator(name, "macs", *_FORMULAS[name], True, True)
        return Operator(name, "higher-order", None, None, False, False)
    name = _base_name(overload)
    results = [result.alias_info for result in overload._schema.returns]
    allocates = any(alias is None for alias in results)
    if name in _FORMULAS:
        work, formula = _FORMULAS[name]
        shown = "scaled_dot_product_attention" if name.startswith("_scaled_dot_product") else _NAMED.get(name, name)
        return Operator(shown, "macs", work, formula, allocates, True)
    registered = _registered_formula(name, overload)
    if registered is not None:
        kind: WorkKind = "convolution" if "conv" in name else "attention" if "attention" in name else "matmul"
        return Operator(name, "macs", kind, registered, allocates, True)
    if overload.namespace == "aten":
        if name in _VIEWS_UNSAID:
            return Operator(name, "movement", None, None, False, False)
        if name in _METADATA:
            return Operator(name, "movement", None, None, allocates, False)
        if _is_listed(name, _MOVEMENT):  # before the tag: torch calls a clone pointwise
            return Operator(name, "movement", None, None, allocates, True)
        if _is_listed(name, _ELEMENTWISE):
            return Operator(name, "elementwise", None, None, allocates, True)
    if overload.namespace in _QUANTIZED:
        moves = name.rpartition("::")[2] in _MOVEMENT
        return Operator(name, "movement" if moves else "elementwise", None, None, allocates, True)
    if results and all(alias is not None and not alias.is_write for alias in results):
        return Operator(name, "movement", None, None, False, False)
    if _is_pointwise(name, overload):
        return Operator(name, "elementwise", None, None, allocates, True)
    if overload._can_decompose():
        return Operator(name, "composite", None, None, False, False)
    return Operator(name, "unknown", None, None, allocates, True)


FFTS = frozenset(("_fft_c2c", "_fft_r2c", "_fft_c2r"))


def fft_flops(name: str, args: Sequence[Any]) -> int:
    """Real operations of a fast Fourier transform, as the field counts them: 5 N log2 N, half of it for real numbers.

    Args: name: one of `FFTS`; args: the tensor, its axes, the norm, and of `_fft_c2r` the length of its last axis.

    >>> fft_flops("_fft_c2c", [torch.empty(3, 8, 8, device="meta"), [1, 2]])
    5760
    """
    x, axes = args[:2]
    shape = list(x.shape)
    if name == "_fft_c2r":
        shape[axes[-1]] = args[3]
    each = 5 if name == "_fft_c2c" else 2.5
    return round(each * prod(shape) * math.log2(max(prod(shape[axis] for axis in axes), 1)))


def has_floats(values: Sequence[Any]) -> bool:
    """Whether a call takes real or complex tensors; without any it is bookkeeping of indices."""
    for value in values:
        if isinstance(value, Tensor):
            if value.is_floating_point() or value.is_complex():
                return True
        elif isinstance(value, (list, tuple)) and has_floats(value):
            return True
    return False
