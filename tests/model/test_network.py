"""The net: its printed figures, its taps, what sizes and modes it takes, and that it learns."""

import dataclasses
import itertools
import shutil
import warnings
from typing import Any, get_args

import numpy as np
import pytest
import torch
from skimage import data
from torch import nn

from convneur.cost import ModelCounter, describe_architecture
from convneur.errors import ConfigError
from convneur.model.layers import DropPath, Linear
from convneur.model.memory import NeuralMemory
from convneur.model.network import ConvNeur, UnreachedParametersWarning, stage_sizes
from convneur.variants import VARIANTS, ConvNeurConfig, GlobalBranchName

SMALL = ConvNeurConfig(
    dims=(8, 12, 16, 20), depths=(2, 1, 2, 1), mem_dim=8, num_classes=5, chunk_length=20, num_heads=2
)


def on_meta(config: ConvNeurConfig) -> ConvNeur:
    with torch.device("meta"):
        return ConvNeur(config)


def parameters(config: ConvNeurConfig) -> int:
    return sum(p.numel() for p in on_meta(config).parameters())


@pytest.mark.parametrize(
    ("name", "derived", "printed"),
    [("m1", 4_317_092, 4.3), ("m2", 6_105_748, 6.1), ("m3", 10_608_500, 10.6), ("m4", 18_036_460, 18.1)],
)
def test_parameters_are_the_derived_ones_and_within_1_percent_of_the_printed(
    name: str, derived: int, printed: float
) -> None:
    assert parameters(VARIANTS[name]) == derived
    assert derived / 1e6 == pytest.approx(printed, rel=0.01)


def test_concatenation_adds_the_printed_parameters() -> None:
    m3 = VARIANTS["m3"]
    assert parameters(m3.replace(fusion="concat")) - parameters(m3) == 2 * sum(c * c for c in m3.dims) == 696_320


@pytest.mark.parametrize(
    ("size", "length", "chunks"),
    [((224, 224), 196, (16, 4, 1, 1)), ((512, 512), 196, (84, 21, 6, 2)), ((1024, 1024), 196, (335, 84, 21, 6)),
     ((800, 1280), 4096, (16, 4, 1, 1))],
)  # fmt: skip
def test_chunks_per_stage_follow_from_the_printed_lengths(
    size: tuple[int, int], length: int, chunks: tuple[int, ...]
) -> None:
    assert on_meta(VARIANTS["m1"].replace(chunk_length=length)).chunks(*size) == chunks


def test_chunks_are_zero_without_memory_and_follow_their_options() -> None:
    assert on_meta(SMALL.replace(memory="none")).chunks(224, 224) == (0, 0, 0, 0)
    assert on_meta(SMALL.replace(global_branch="self-attention")).chunks(224, 224) == (0, 0, 0, 0)
    assert on_meta(SMALL.replace(chunk_length=196, min_chunks=4)).chunks(224, 224) == (16, 4, 4, 4)
    assert on_meta(SMALL.replace(global_branch="titans", chunk_length=196)).chunks(224, 224) == (16, 4, 1, 1)
    assert on_meta(SMALL.replace(chunks=(16, 8, 4, 2))).chunks(1024, 1024) == (16, 8, 4, 2)
    assert on_meta(SMALL.replace(chunk_length=(3136, 196, 49, 7))).chunks(224, 224) == (1, 4, 4, 7)


@pytest.mark.parametrize(("placement", "per_stage"), [("none", (0, 0)), ("per-stage", (1, 1)), ("per-layer", (2, 1))])
def test_placement(placement: str, per_stage: tuple[int, int]) -> None:
    model = on_meta(SMALL.replace(memory=placement))
    for stage, wanted in zip(model.stages[:2], per_stage, strict=True):
        gated = [block.global_branch is not None for block in stage]
        assert sum(gated) == wanted
        assert gated == sorted(gated, reverse=True)  # the stage's first


EVERY_NET = [
    SMALL.replace(memory=memory, fusion=fusion, global_branch=branch)
    for memory, fusion, branch in itertools.product(
        ("per-stage", "per-layer"), ("gating", "addition", "concat"), ("neural-memory", "self-attention")
    )
] + [
    SMALL.replace(memory="none"),
    SMALL.replace(read="final", order="strided"),
    SMALL.replace(memory_layers=2),
    SMALL.replace(global_branch="cbam", mem_dim=64),  # of few channels its reduction leaves one unit, often dead
    *(
        SMALL.replace(global_branch=branch)
        for branch in get_args(GlobalBranchName)
        if branch not in ("neural-memory", "self-attention", "cbam")  # which stand above
    ),
]


def label(config: ConvNeurConfig) -> str:
    return f"{config.memory}-{config.fusion}-{config.global_branch}-{config.memory_layers}-{config.read}"


@pytest.mark.parametrize("config", EVERY_NET, ids=label)
@pytest.mark.parametrize("how", ["contiguous", "channels_last", "bf16"])
@torch.no_grad()
def test_taps_are_the_plain_forward_bit_for_bit(config: ConvNeurConfig, how: str) -> None:
    torch.manual_seed(0)
    model = ConvNeur(config).eval()
    x = torch.randn(2, 3, 75, 98)
    if how == "channels_last":
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=how == "bf16"):
        logits = model(x)
        plain = model.forward_features(x)
        features, taps = model.forward_taps(x)
        assert torch.equal(model.head(features, (75, 98)), logits)
    for mine, theirs in zip(features, plain, strict=True):
        assert torch.equal(mine, theirs)
    for stage, tap in taps.items():
        size = features[stage - 1].shape
        assert tap.f_loc.shape == tap.f_out.shape == size
        has_gate = config.fusion == "gating" and config.memory != "none"
        assert (tap.gate is None) is (tap.gated is None) is (not has_gate)
        if tap.gate is not None:
            assert torch.equal(tap.gated, tap.gate * tap.f_loc)
            assert 0 <= tap.gate.min() <= tap.gate.max() <= 1
        has_memory = config.memory != "none" and config.global_branch == "neural-memory"
        assert (tap.surprise is not None) is has_memory
        if tap.surprise is not None:
            assert tap.surprise.shape == (2, 1, *size[2:])
            assert tap.surprise.min() >= 0


@torch.no_grad()
def test_a_tapped_block_computes_the_printed_equation() -> None:
    model = ConvNeur(SMALL).eval()
    x = torch.randn(1, 3, 64, 64)
    tap = model.forward_taps(x, stages=(1,)).taps[1]
    start = model.stem(x)
    block = model.stages[0][0]
    assert torch.equal(tap.f_loc, block.local_branch(start))
    assert torch.equal(tap.gate, torch.sigmoid(block.global_branch(start)))
    torch.testing.assert_close(tap.f_out, start + tap.gate * tap.f_loc)


@torch.no_grad()
def test_any_block_can_be_tapped_and_blocks_without_a_branch_have_no_gate() -> None:
    model = ConvNeur(SMALL).eval()
    x = torch.randn(1, 3, 64, 64)
    features, taps = model.forward_taps(x, stages=(3,), block=2)
    assert list(taps) == [3]
    assert taps[3].gate is None
    assert torch.equal(taps[3].f_out, features[2])  # the stage's last block
    for stages, block in (((0,), 1), ((5,), 1), ((2,), 2), ((1,), 0)):
        with pytest.raises(ValueError, match=r"stage|block"):
            model.forward_taps(x, stages=stages, block=block)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (127, 129), (32, 300), (96, 64)])
@pytest.mark.parametrize("batch", [1, 3])
@torch.no_grad()
def test_any_image_of_32_pixels_and_more(size: tuple[int, int], batch: int) -> None:
    model = ConvNeur(SMALL).eval()
    x = torch.randn(batch, 3, *size)
    assert model(x).shape == (batch, 5)
    sizes = stage_sizes(*size)
    for level, features, (h, w) in zip(model.feature_info, model.forward_features(x), sizes, strict=True):
        assert features.shape == (batch, level["num_chs"], h, w)
        assert features.isfinite().all()
    assert [level["reduction"] for level in model.feature_info] == [4, 8, 16, 32]


@torch.no_grad()
def test_images_of_a_batch_do_not_meet() -> None:
    model = ConvNeur(SMALL).eval()
    x = torch.randn(3, 3, 64, 80)
    for alone, together in zip(x, model(x), strict=True):
        torch.testing.assert_close(model(alone[None])[0], together)


def test_what_no_net_can_take_is_refused() -> None:
    model = ConvNeur(SMALL)
    for shape, message in (((1, 3, 31, 64), "32x32"), ((1, 1, 64, 64), "expected"), ((3, 64, 64), "expected")):
        with pytest.raises(ValueError, match=message):
            model(torch.randn(shape))


@torch.no_grad()
def test_no_head_gives_pooled_features() -> None:
    assert ConvNeur(SMALL.replace(head="none"))(torch.randn(2, 3, 64, 64)).shape == (2, 20)


def test_drop_path_rises_to_its_rate_and_acts_in_training_only() -> None:
    model = ConvNeur(SMALL.replace(drop_path_rate=0.5))
    rates = [module.rate for module in model.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.5 * i / 5 for i in range(6)])
    torch.manual_seed(0)
    drop, x = DropPath(0.25), torch.ones(4000, 2, 1, 1)
    y = drop(x)
    assert torch.equal(y[:, 0], y[:, 1])  # whole samples
    assert sorted(y.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert y.mean().item() == pytest.approx(1, abs=0.05)
    assert drop.eval()(x) is x


@pytest.mark.parametrize("config", EVERY_NET, ids=label)
def test_gradients_reach_every_parameter_where_chunks_allow(config: ConvNeurConfig) -> None:
    torch.manual_seed(0)
    model = ConvNeur(config.replace(min_chunks=3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # enough chunks: nothing to warn of
        model(torch.randn(2, 3, 160, 160)).square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        rows = parameter.grad.flatten(1).any(1) if "qkv" in name else parameter.grad.any()
        assert rows.all(), name


def test_too_few_chunks_are_warned_of_once_and_only_in_training() -> None:
    model = ConvNeur(SMALL.replace(chunk_length=(100, 100, 100, 8)))  # at 64 px: 3, 1, 1, 1 chunks
    x = torch.randn(1, 3, 64, 64)
    with pytest.warns(UnreachedParametersWarning, match=r"stage 2, 3, 4 .*reaches k, v and the update generator"):
        model(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(x)
        ConvNeur(SMALL.replace(memory="none"))(x)
        fresh = ConvNeur(SMALL.replace(chunk_length=1000))
        fresh.eval()(x)
        with torch.no_grad():
            fresh.train()(x)
    with pytest.warns(UnreachedParametersWarning, match=r"stage 1, 2 .*the momentum"):
        ConvNeur(SMALL.replace(chunks=(2, 2, 3, 3)))(torch.randn(1, 3, 160, 160))


@pytest.mark.filterwarnings("ignore::convneur.model.network.UnreachedParametersWarning")
def test_what_is_said_to_get_no_gradient_gets_none() -> None:
    """Against a backward pass, by the memories' parameters."""
    torch.manual_seed(0)
    for chunks in ((1, 2, 3, 1), (2, 2, 4, 3)):
        model = ConvNeur(SMALL.replace(chunks=chunks))
        model(torch.randn(2, 3, 160, 160)).square().sum().backward()
        silent: dict[str, list[int]] = {"k, v and the update generator": [], "the momentum": []}
        for stage, blocks in enumerate(model.stages, start=1):
            memory = next(module for module in blocks.modules() if isinstance(module, NeuralMemory))
            generator = memory.write.generator.weight.grad
            of_qkv = [bool(rows.any()) for rows in memory.qkv.weight.grad.chunk(3)]
            of_steps = [False] * 3 if generator is None else [bool(row.any()) for row in generator]
            if not any(of_qkv[1:] + of_steps):
                silent["k, v and the update generator"].append(stage)
            elif not of_steps[1]:  # theta, eta, alpha
                silent["the momentum"].append(stage)
        assert model.unreached(160, 160) == {what: tuple(stages) for what, stages in silent.items() if stages}


@pytest.mark.filterwarnings("ignore::convneur.model.network.UnreachedParametersWarning")
def test_parameters_that_no_read_needs_keep_no_gradient_and_do_not_decay() -> None:
    torch.manual_seed(0)
    model = ConvNeur(SMALL.replace(chunk_length=(100, 100, 100, 8), memory="per-layer"))  # at 64 px: 3, 1, 1, 1 chunks
    unreached = model.unreached_parameters(64, 64)
    before = [parameter.clone() for parameter in unreached]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.5)
    model(torch.randn(2, 3, 64, 64)).square().sum().backward()
    without = [parameter for parameter in model.parameters() if parameter.grad is None]
    assert list(map(id, without)) == list(map(id, unreached))
    assert len(unreached) == 2 * sum(SMALL.depths[1:])  # weight and bias of each generator
    optimizer.step()
    assert all(torch.equal(now, then) for now, then in zip(unreached, before, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_a_bias_added_on_the_spot_is_the_layers_own_and_spares_the_input(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer, x = Linear(40, 120).to(dtype), torch.randn(2, 5, 7, 40).to(dtype)
    before, wanted = x.clone(), layer(x)  # with gradients
    with torch.no_grad():
        torch.testing.assert_close(layer(x), wanted)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert layer(x).dtype == (dtype if dtype == torch.float64 else torch.bfloat16)
    assert torch.equal(x, before)


def test_modes_and_formats_give_the_same_net() -> None:
    torch.manual_seed(0)
    model = ConvNeur(SMALL).eval()
    x = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        reference = model(x)
        last = model.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(last, reference, rtol=1e-4, atol=1e-5)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert model(x).dtype is torch.bfloat16
            torch.testing.assert_close(model(x).float(), reference, rtol=0.1, atol=0.02)


def textures(side: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops of five real photos, the photo being the class: (40, 3, side, side), (40,)."""
    generator = np.random.default_rng(0)
    crops, labels = [], []
    for number, photo in enumerate((data.brick(), data.grass(), data.gravel(), data.coffee(), data.chelsea())):
        image = np.atleast_3d(photo).astype(np.float32) / 255
        image = np.broadcast_to(image, (*image.shape[:2], 3))
        for _ in range(8):
            top, left = (generator.integers(0, size - side) for size in image.shape[:2])
            crops.append(image[top : top + side, left : left + side].transpose(2, 0, 1))
            labels.append(number)
    return torch.from_numpy(np.stack(crops) - 0.5) * 4, torch.tensor(labels)


def losses_on_textures(config: ConvNeurConfig, steps: int) -> list[float]:
    torch.manual_seed(0)
    model = ConvNeur(config.replace(num_classes=5))
    model._warned = True  # a small net's chunks are few: not the matter here
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    x, wanted = textures()
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(model(x), wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize(
    "config", [pytest.param(VARIANTS["m1"].replace(min_chunks=4), marks=pytest.mark.slow), SMALL], ids=["m1", "small"]
)
def test_a_fresh_net_learns_real_images(config: ConvNeurConfig) -> None:
    losses = losses_on_textures(config, steps=25)
    assert losses[0] == pytest.approx(np.log(5), abs=0.2)  # a fresh net favours nothing
    assert min(losses[-5:]) < 0.5 * losses[0]


@pytest.mark.parametrize("branch", get_args(GlobalBranchName))
def test_ten_steps_on_real_images_lower_the_loss_of_every_branch(branch: GlobalBranchName) -> None:
    losses = losses_on_textures(SMALL.replace(global_branch=branch, mem_dim=16), steps=10)
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [SMALL, SMALL.replace(read="final", order="strided"), SMALL.replace(global_branch="self-attention"),
     SMALL.replace(memory="per-layer", fusion="concat", max_state_norm=3.0)],
    ids=label,
)  # fmt: skip
def test_export_at_a_fixed_size_with_a_dynamic_batch(config: ConvNeurConfig) -> None:
    torch.manual_seed(0)
    model = ConvNeur(config).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own making
        program = torch.export.export(
            model, (torch.randn(2, 3, 75, 64),), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},)
        )
    for batch in (1, 2, 7):
        x = torch.randn(batch, 3, 75, 64)
        with torch.no_grad():
            torch.testing.assert_close(program.module()(x), model(x))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_compile() -> None:
    torch.manual_seed(0)
    model = ConvNeur(SMALL.replace(chunk_length=60, min_chunks=3))
    x = torch.randn(2, 3, 75, 64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own making
        compiled = torch.compile(model, fullgraph=True, dynamic=False)
        torch.testing.assert_close(compiled(x), model(x), rtol=1e-4, atol=1e-4)
        compiled(x).square().sum().backward()
    found = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    model(x).square().sum().backward()
    for mine, theirs in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs.grad, rtol=1e-3, atol=1e-4)


def test_settings_are_passed_on_to_every_memory() -> None:
    config = SMALL.replace(
        chunk_length=(5, 6, 7, 8), min_chunks=2, read="after", order="strided", step_size=0.5, max_state_norm=9.0
    )
    memories = [module for module in ConvNeur(config).modules() if isinstance(module, NeuralMemory)]
    assert [memory.chunk_length for memory in memories] == [5, 6, 7, 8]
    for memory in memories:
        assert (memory.min_chunks, memory.read, memory.order) == (2, "after", "strided")
        assert (memory.write.generator.step_size, memory.write.max_state_norm) == (0.5, 9.0)


def test_a_config_survives_json_like_data() -> None:
    for config in (*VARIANTS.values(), SMALL.replace(chunks=(1, 2, 3, 4))):
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in config.to_dict().items()}
        assert ConvNeurConfig.from_dict(values) == config
        assert hash(config) == hash(dataclasses.replace(config))


@pytest.mark.parametrize(("stride", "sizes"), [(16, (20, 10, 5, 5)), (8, (20, 10, 10, 10))])
@pytest.mark.parametrize("side", [80, 76])
def test_an_output_stride_keeps_the_values_at_the_positions_that_were_there(
    stride: int, sizes: tuple[int, ...], side: int
) -> None:
    """Same weights: dilated convolutions see the grid of before, whose positions lie among the new ones."""
    torch.manual_seed(0)
    coarse = ConvNeur(SMALL.replace(memory="none", head="none")).eval()
    fine = ConvNeur(coarse.config.replace(output_stride=stride)).eval()
    fine.load_state_dict(coarse.state_dict())
    x = torch.randn(1, 3, 80, side)
    for stage, (old, new) in enumerate(zip(coarse.forward_features(x), fine.forward_features(x), strict=True), start=1):
        assert new.shape[2] == sizes[stage - 1]
        every = coarse.config.stride_of(stage) // fine.config.stride_of(stage)
        torch.testing.assert_close(new[..., ::every, ::every], old)


def test_an_output_stride_is_known_to_sizes_chunks_and_counts() -> None:
    config = VARIANTS["m1"].replace(output_stride=16)
    model = on_meta(config)
    assert [level["reduction"] for level in model.feature_info] == [4, 8, 16, 16]
    assert stage_sizes(224, 224, 16) == ((56, 56), (28, 28), (14, 14), (14, 14))
    assert model.chunks(512, 512) == (84, 21, 6, 6)
    assert parameters(config) == 4_317_092
    last = describe_architecture(config, size=224).stages[3]
    assert (last.stride, last.height, last.chunks) == (16, 14, 1)
    local = config.replace(memory="none", head="none")
    counted = {stride: ModelCounter(local.replace(output_stride=stride)).at(224, 224) for stride in (32, 16)}
    stage_4 = {
        stride: sum(work.macs for work in cost.work if work.module.startswith(("stages.3", "downsamples.2")))
        for stride, cost in counted.items()
    }
    assert stage_4[16] == 4 * stage_4[32]  # four times the positions
    assert counted[16].macs - counted[32].macs == stage_4[16] - stage_4[32]


@pytest.mark.parametrize(
    ("settings", "line"),
    [({"output_stride": 4}, "output_stride 4: choose 32, 16 or 8"),
     ({"output_stride": 16, "head": "upernet"}, "upernet takes strides 4 to 32; for 16 or 8 choose `head` none or")],
)  # fmt: skip
def test_an_output_stride_that_cannot_be(settings: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=line):
        VARIANTS["m1"].replace(**settings)
