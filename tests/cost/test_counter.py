"""The dispatch counter against hand arithmetic, torch's own counter, and itself on a device that computes."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from convneur import InputError
from convneur.cost import CountingError, count
from convneur.model.titans import MemoryAsContext


def meta(*shape: int, **options: Any) -> Tensor:
    return torch.empty(shape, device="meta", **options)


# Multiply-adds, against hand arithmetic


def test_linear() -> None:
    counted = count(nn.Linear(3, 8, device="meta"), meta(5, 10, 3))
    assert (counted.macs, counted.flops, counted.params) == (1200, 2400, 32)


def test_grouped_transposed_convolution() -> None:
    layer = nn.ConvTranspose2d(6, 6, 2, stride=2, groups=3, device="meta")
    assert count(layer, meta(2, 6, 8, 8)).macs == 6144


@pytest.mark.parametrize(
    ("function", "shapes", "macs"),
    [
        (torch.mv, [(5, 7), (7,)], 35),
        (torch.dot, [(7,), (7,)], 7),
        (torch.vdot, [(7,), (7,)], 7),
        (torch.addmv, [(5,), (5, 7), (7,)], 35),
        (torch.addr, [(5, 7), (5,), (7,)], 35),
        (torch.mm, [(5, 7), (7, 3)], 105),
        (torch.addmm, [(3,), (5, 7), (7, 3)], 105),
        (torch.addbmm, [(5, 3), (2, 5, 7), (2, 7, 3)], 210),
        (torch.baddbmm, [(2, 5, 3), (2, 5, 7), (2, 7, 3)], 210),
        (Tensor.baddbmm_, [(2, 5, 3), (2, 5, 7), (2, 7, 3)], 210),
        (lambda a, b: torch.einsum("bij,bkj->bik", a, b), [(2, 5, 7), (2, 3, 7)], 210),
        (lambda a, b: a @ b, [(4, 2, 5, 7), (7, 3)], 840),
        (F.conv1d, [(2, 3, 10), (4, 3, 3)], 2 * 4 * 8 * 9),
    ],
)
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_products(
    calling: Callable[..., nn.Module], device: str, function: Any, shapes: list[tuple[int, ...]], macs: int
) -> None:
    counted = count(calling(function), *(torch.ones(shape, device=device) for shape in shapes))
    assert counted.macs == macs
    assert counted.uncounted == ()


def test_a_function_run_in_inference_mode_is_counted(calling: Callable[..., nn.Module]) -> None:
    # There composite operators arrive whole: linear, not addmm.
    layer = nn.Linear(3, 8, device="meta")
    assert count(calling(torch.inference_mode()(layer.forward)), meta(5, 10, 3)).macs == 1200


# Attention


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_scaled_dot_product_attention_is_one_operator(calling: Callable[..., nn.Module], device: str) -> None:
    x = torch.ones(1, 12, 64, 64, device=device)
    counted = count(calling(F.scaled_dot_product_attention), x, x, x)
    assert counted.flops == 12_582_912
    assert [entry.operator for entry in counted.work] == ["scaled_dot_product_attention"]


@pytest.mark.parametrize("backend", [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION])
def test_attention_reads_the_same_whichever_kernel_runs(calling: Callable[..., nn.Module], backend: Any) -> None:
    x = torch.ones(1, 12, 64, 64)
    with sdpa_kernel(backend):
        assert count(calling(F.scaled_dot_product_attention), x, x, x).flops == 12_582_912


def test_attention_holds_no_square_matrix(calling: Callable[..., nn.Module]) -> None:
    x = meta(1, 4, 4096, 20)
    counted = count(calling(F.scaled_dot_product_attention), x, x, x)
    assert counted.macs == 2 * 4 * 4096 * 4096 * 20
    assert counted.peak_activation_bytes is not None
    assert x.nbytes <= counted.peak_activation_bytes < 2 * x.nbytes


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_masked_attention_counts_every_product(calling: Callable[..., nn.Module], dtype: torch.dtype) -> None:
    x = meta(2, 4, 16, 8)
    assert (
        count(calling(F.scaled_dot_product_attention), x, x, x, meta(16, 16, dtype=dtype)).macs == 2 * 4 * 16 * 16 * 16
    )


def test_grouped_heads_repeat_for_the_queries(calling: Callable[..., nn.Module]) -> None:
    module = calling(lambda q, k: F.scaled_dot_product_attention(q, k, k, enable_gqa=True))
    assert count(module, meta(1, 8, 16, 4), meta(1, 2, 10, 4)).macs == 8 * 16 * 10 * 8


def test_attention_without_heads_is_taken_apart_but_exact(calling: Callable[..., nn.Module]) -> None:
    x = meta(2, 16, 8)
    assert count(calling(F.scaled_dot_product_attention), x, x, x).macs == 2 * 16 * 16 * 16


def multi_head_macs(batch: int, tokens: int, dim: int) -> int:
    return batch * (4 * tokens * dim * dim + 2 * tokens * tokens * dim)


def test_multi_head_attention_and_its_fast_path() -> None:
    layer = nn.MultiheadAttention(16, 4, batch_first=True)
    x = torch.ones(2, 10, 16)
    fast = count(layer, x, x, x)
    assert [entry.operator for entry in fast.work] == ["_native_multi_head_attention"]
    assert fast.macs == multi_head_macs(2, 10, 16)
    x = x.to("meta")
    assert count(layer.to("meta"), x, x, x).macs == multi_head_macs(2, 10, 16)


def test_multi_head_attention_to_other_tokens() -> None:
    layer = nn.MultiheadAttention(16, 4, batch_first=True)
    query, key = torch.ones(2, 10, 16), torch.ones(2, 7, 16)
    fast = count(layer, query, key, key)
    slow = count(layer.to("meta"), query.to("meta"), key.to("meta"), key.to("meta"))
    assert fast.macs == slow.macs == 2 * (2 * 17 * 16 * 16 + 2 * 10 * 7 * 16)


def test_encoder_layer_and_its_fast_path(calling: Callable[..., nn.Module]) -> None:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval()
    expected = multi_head_macs(2, 10, 16) + 2 * 2 * 10 * 16 * 32
    # A plain function hides the layer from the hooks, which keep it from its fast path.
    fast = count(calling(lambda x: layer(x)), torch.ones(2, 10, 16))
    assert fast.macs == expected
    assert count(layer.to("meta"), meta(2, 10, 16)).macs == expected


# What is no multiply-add


def test_an_operator_without_formula_is_named_with_its_module(calling: Callable[..., nn.Module]) -> None:
    model = nn.Sequential(nn.Linear(8, 8), calling(lambda x: torch.fft.rfft(x).abs()))
    counted = count(model, torch.ones(2, 8))
    assert counted.macs == 128
    (entry,) = counted.uncounted
    assert (entry.module, entry.operator, entry.calls) == ("1", "_fft_r2c", 1)
    assert counted.uncounted_operators() == {"_fft_r2c": 1}


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU])
def test_what_recurrent_layers_do_to_shapes_is_no_work(layer: type[nn.LSTM | nn.GRU]) -> None:
    gates = 4 if layer is nn.LSTM else 3
    counted = count(layer(8, 16, batch_first=True, device="meta"), meta(2, 5, 8))
    assert counted.uncounted == ()
    assert counted.macs == 2 * 5 * gates * 16 * (8 + 16)


def test_bookkeeping_of_indices_is_no_work(calling: Callable[..., nn.Module]) -> None:
    counted = count(calling(lambda x: x[:, torch.arange(4, device=x.device).argsort()]), meta(2, 4, 3))
    assert counted.uncounted == ()
    assert counted.macs == 0


def test_elementwise_work_stands_apart(calling: Callable[..., nn.Module]) -> None:
    counted = count(calling(lambda x: (x + 1).sum()), meta(4, 5))
    assert (counted.macs, counted.elementwise) == (0, 40)  # the sum takes in 20


def test_launches_leave_views_out(calling: Callable[..., nn.Module]) -> None:
    counted = count(calling(lambda x: torch.cat([x.t().flatten(0), x.view(-1)]) * 2), meta(4, 5))
    assert counted.launches == 3  # flatten copies what t() turned, cat, mul


def test_launches_are_of_the_modules_that_make_them(calling: Callable[..., nn.Module]) -> None:
    model = nn.Sequential(nn.Linear(5, 5), nn.Sequential(nn.ReLU(), calling(lambda x: (x + 1).view(-1) * 2)))
    counted = count(model, torch.ones(4, 5))
    assert counted.module_launches == {"0": 1, "1.0": 1, "1.1": 2}
    assert counted.launches == 4


# Peak memory


def test_peak_memory_of_a_chain(calling: Callable[..., nn.Module]) -> None:
    def chain(x: Tensor) -> Tensor:  # x is the input: no activation
        a = x * 2
        b = a + 1  # a and b: the peak
        del a
        c = b.view(-1)  # shares b
        c.mul_(3)
        return c[:10] + 1  # with b, but smaller than a

    for device in ("meta", "cpu"):
        assert count(calling(chain), torch.ones(50, 20, device=device)).peak_activation_bytes == 2 * 1000 * 4


def test_parameters_are_no_activations(calling: Callable[..., nn.Module]) -> None:
    module = nn.Linear(100, 100, device="meta")
    assert count(module, meta(1, 100)).peak_activation_bytes == 400


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"global_branch": "self-attention"},
        {"order": "strided", "chunk_length": 50},
        {"read": "final", "memory": "per-layer", "fusion": "concat", "max_state_norm": 5.0},
    ],
)
def test_meta_counts_what_the_cpu_executes(meta_net: Any, settings: dict[str, Any]) -> None:
    model = meta_net("m1", depths=(1, 1, 1, 1), **settings).double()
    on_meta = count(model, meta(1, 3, 96, 64, dtype=torch.float64))
    on_cpu = count(model.to_empty(device="cpu"), torch.zeros(1, 3, 96, 64, dtype=torch.float64))
    assert on_meta == on_cpu
    # In float32 the CPU adds the local branch's biases apart, and that is all.
    model = meta_net("m1", depths=(1, 1, 1, 1), **settings)
    on_meta = count(model, meta(1, 3, 96, 64))
    on_cpu = count(model.to_empty(device="cpu"), torch.zeros(1, 3, 96, 64))
    assert on_cpu.launches == on_meta.launches + 2 * 4
    assert on_cpu.peak_activation_bytes == on_meta.peak_activation_bytes
    assert on_cpu.uncounted == on_meta.uncounted
    products = [[(work.module, work.macs) for work in counted.work] for counted in (on_cpu, on_meta)]
    assert products[0] == products[1]


# The whole net


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"memory": "none"},
        {"memory": "per-layer", "fusion": "concat"},
        {"global_branch": "self-attention"},
        {"read": "after", "order": "strided", "min_chunks": 4},
        {"head": "none", "chunks": (5, 4, 3, 2)},
    ],
)
def test_torch_counts_the_same_total(meta_net: Any, settings: dict[str, Any]) -> None:
    model, x = meta_net("m2", **settings), meta(2, 3, 160, 96)
    with torch.no_grad(), FlopCounterMode(display=False) as theirs:
        model(x)
    ours = count(model, x)
    assert ours.flops == theirs.get_total_flops()
    assert ours.uncounted == ()


def test_a_shared_module_has_its_parameters_once_and_its_work_twice() -> None:
    shared = nn.Linear(4, 4, device="meta")
    model = nn.Sequential(shared, nn.ReLU(), shared)
    counted = count(model, meta(1, 4))
    assert counted.params == 20
    (entry,) = counted.work
    assert (entry.module, entry.calls, entry.macs) == ("0", 2, 32)


def state_of(model: nn.Module) -> list[Any]:
    return [
        list(model.state_dict()),
        [
            (len(m._forward_hooks), len(m._forward_pre_hooks), len(m._forward_hooks_always_called), m.training)
            for m in model.modules()
        ],
    ]


def test_counting_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Sequential(nn.ReLU()))
    model.train()
    model[1].eval()
    model[0].register_forward_hook(lambda *_: None)
    before, running = state_of(model), model[1].running_mean.clone()
    first = count(model, torch.ones(2, 3, 8, 8))
    assert state_of(model) == before
    assert torch.equal(model[1].running_mean, running)
    assert count(model, torch.ones(2, 3, 8, 8)) == first


def test_an_error_names_the_module_and_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 4)), nn.ReLU()).to("meta").train()
    before = state_of(model)
    with pytest.raises(CountingError, match=r"^module 0\.1: .*\(input 2x4\)$") as raised:
        count(model, meta(2, 4))
    assert "\n" not in str(raised.value)
    assert state_of(model) == before


def test_lazy_parameters_are_refused() -> None:
    with pytest.raises(InputError, match="lazy parameters"):
        count(nn.LazyLinear(4), torch.ones(1, 3))


# What others' models do


def test_a_module_that_fails_and_is_replaced_counts_nothing_afterwards(calling: Callable[..., nn.Module]) -> None:
    def refuses(_: Tensor) -> None:
        raise RuntimeError("no such kernel here")

    class Falls(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fast = calling(refuses)
            self.slow = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.fast(x)
            except RuntimeError:
                x = self.slow(x)
            return x @ x

    model = Falls().to("meta")
    before = state_of(model)
    assert {work.module: work.macs for work in count(model, meta(4, 4)).work} == {"slow": 64, "": 64}
    assert state_of(model) == before
    model.slow = nn.Sequential(nn.ReLU(), nn.Linear(5, 4, device="meta"))
    with pytest.raises(CountingError, match=r"^module slow\.1: "):
        count(model, meta(4, 4))
    assert state_of(model)[1] == state_of(model.eval().train())[1]


def test_the_fast_count_of_alike_calls_is_the_slow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MemoryAsContext(8, num_heads=2, chunk_length=5).to("meta")
    fast = count(model, meta(2, 23, 8))
    assert "step" not in vars(model)
    monkeypatch.setattr(MemoryAsContext, "calls_alike", ())
    assert count(model, meta(2, 23, 8)) == fast


@pytest.mark.filterwarnings("ignore:LSTM with projections")
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_recurrent_layers_of_all_kinds(device: str) -> None:
    layers = [
        (nn.LSTM(6, 4, num_layers=2, bidirectional=True, batch_first=True), 2 * 16 * (6 + 4) + 2 * 16 * (8 + 4)),
        (nn.LSTM(6, 4, proj_size=3), 16 * (6 + 3) + 4 * 3),
        (nn.GRU(6, 4, bidirectional=True), 2 * 12 * (6 + 4)),
        (nn.RNN(6, 4, nonlinearity="relu"), 4 * (6 + 4)),
    ]
    for layer, macs_per_token in layers:
        counted = count(layer.to_empty(device=device), torch.zeros(3, 5, 6, device=device))
        assert counted.macs == 15 * macs_per_token, layer
        assert counted.uncounted == ()


@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_a_complex_multiply_add_is_one_in_a_convolution_too(device: str) -> None:
    layer = nn.Conv2d(3, 4, 3, dtype=torch.complex64, device=device)
    assert count(layer, torch.zeros(1, 3, 8, 8, dtype=torch.complex64, device=device)).macs == 4 * 27 * 36


@pytest.mark.parametrize(
    ("layer", "inputs", "macs"),
    [
        (nn.Bilinear(8, 6, 4), [(16, 8), (16, 6)], 16 * 4 * 8 * 6),
        (lambda a, b: torch.cdist(a, b), [(30, 7), (40, 7)], 30 * 40 * 9),
        (lambda a, b: torch.cdist(a, b), [(3, 7), (4, 7)], 0),
        (lambda x: (x.topk(2).values, x.sort().values, x.median(), torch.isin(x, x)), [(9,)], 0),
    ],
)
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_operators_met_elsewhere(
    calling: Callable[..., nn.Module], device: str, layer: Any, inputs: list[tuple[int, ...]], macs: int
) -> None:
    model = layer.to_empty(device=device) if isinstance(layer, nn.Module) else calling(layer)
    counted = count(model, *(torch.zeros(shape, device=device) for shape in inputs))
    assert (counted.macs, counted.uncounted) == (macs, ())


def test_named_arguments_and_what_objects_hold(calling: Callable[..., nn.Module]) -> None:
    class Named(nn.Module):
        def forward(self, *, image: Tensor, others: dict[str, Tensor]) -> Tensor:
            return image @ others["weight"]

    assert count(Named(), image=meta(2, 3), others={"weight": meta(3, 4)}).macs == 24
    with pytest.raises(CountingError, match=r"\(input 2x3, 4x4\)"):
        count(Named(), image=meta(2, 3), others={"weight": meta(4, 4)})


@torch.library.custom_op("convneur_tests::scan", mutates_args=())
def scan(x: Tensor) -> Tensor:
    return x.clone()


@scan.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


def test_a_formula_registered_with_torch_counts(
    calling: Callable[..., nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, operator = calling(lambda x: scan(x)), torch.ops.convneur_tests.scan
    assert count(model, meta(2, 3)).uncounted_operators() == {"convneur_tests::scan": 1}
    monkeypatch.setitem(flop_registry, operator, lambda x, out_val: 4 * x.numel())
    counted = count(model, meta(2, 3))
    assert (counted.macs, counted.uncounted) == (12, ())
    monkeypatch.setitem(flop_registry, operator, lambda x, out_val: "many")
    with pytest.raises(CountingError, match="the formula registered for convneur_tests::scan gives 'many'"):
        count(model, meta(2, 3))
    monkeypatch.setitem(flop_registry, operator, lambda: 1)
    with pytest.raises(CountingError, match="the formula registered for convneur_tests::scan failed: TypeError: "):
        count(model, meta(2, 3))


def test_compiled_parts_are_counted_as_they_were(calling: Callable[..., nn.Module]) -> None:
    model = nn.Sequential(nn.Linear(4, 4), calling(torch.compile(lambda x: x @ x))).to("meta")
    assert count(model, meta(4, 4)).macs == 128


def test_traced_and_scripted_models_and_parts() -> None:
    plain, x = nn.Sequential(nn.Linear(4, 4), nn.ReLU()), torch.zeros(2, 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced, scripted = torch.jit.trace(plain, x), torch.jit.script(plain)
    for model in (traced, scripted, nn.Sequential(scripted)):
        assert count(model, x).macs == 32


def test_functions_that_an_operator_calls_are_counted(calling: Callable[..., nn.Module]) -> None:
    def either(x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 1, lambda y: y @ y, lambda y: y @ y @ y, (x,))

    assert count(calling(either), torch.ones(4, 4)).macs == 64
    assert count(calling(either), torch.zeros(4, 4)).macs == 128


@pytest.mark.parametrize(
    ("transform", "flops"),
    [
        (lambda x: torch.fft.fft2(x.to(torch.complex64)), 5 * 3 * 64 * 6),
        (lambda x: torch.fft.rfft(x), 2.5 * 3 * 64 * 3),
        (lambda x: torch.fft.irfft2(torch.fft.rfft2(x), s=(8, 8)), 2 * 2.5 * 3 * 64 * 6),
    ],
)
def test_fourier_transforms_have_a_value_of_their_own(
    calling: Callable[..., nn.Module], transform: Callable[[Tensor], Tensor], flops: float
) -> None:
    for device in ("meta", "cpu"):
        counted = count(calling(transform), torch.zeros(3, 8, 8, device=device))
        assert (counted.macs, counted.fft_flops, bool(counted.uncounted)) == (0, flops, True)
