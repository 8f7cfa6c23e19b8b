"""What is captured is what the net computes, and capturing leaves the net as it was."""

import gc

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from convneur.errors import ConfigError
from convneur.gates.capture import capture_gates, check_block, reconfigured, untrained
from convneur.model.network import ConvNeur
from convneur.variants import VARIANTS, ConvNeurConfig

Image = NDArray[np.float32]


def test_arrays_are_the_nets_own_taps(net: ConvNeur, image: Image) -> None:
    capture = capture_gates(net, image)
    with torch.no_grad():
        taps = net.forward_taps(torch.from_numpy(image)[None]).taps
    assert [stage.stage for stage in capture.stages] == [1, 2, 3, 4]
    for stage in capture.stages:
        for name in ("f_loc", "gate", "gated", "f_out"):
            np.testing.assert_array_equal(getattr(stage, name), getattr(taps[stage.stage], name)[0])
        np.testing.assert_array_equal(stage.surprise, taps[stage.stage].surprise[0, 0])
        np.testing.assert_allclose(stage.gated, stage.gate * stage.f_loc, rtol=1e-6)
        assert stage.stride == 4 * 2 ** (stage.stage - 1)


def test_chunks_are_the_nets_own(net: ConvNeur, image: Image) -> None:
    capture = capture_gates(net, image)
    assert tuple(stage.chunks for stage in capture.stages) == net.chunks(64, 96) == (20, 5, 2, 1)
    assert [stage.chunk_length for stage in capture.stages] == [20, 20, 20, 6]


def test_stages_in_order_once_each(net: ConvNeur, image: Image) -> None:
    assert [stage.stage for stage in capture_gates(net, image, stages=(3, 1)).stages] == [1, 3]


def test_local_only_row_is_the_net_with_its_memory_off(net: ConvNeur, image: Image) -> None:
    """An independent reading: skip the fusion by hand, block by block."""
    capture = capture_gates(net, image)
    x = torch.from_numpy(image)[None]
    with torch.no_grad():
        for stage, blocks in enumerate(net.stages, start=1):
            x = net.stem(x) if stage == 1 else net.downsamples[stage - 2](x)
            for number, block in enumerate(blocks):
                f_loc = block.local_branch(x)
                if number == 0:
                    np.testing.assert_allclose(capture.stages[stage - 1].local_only, f_loc[0], atol=1e-6)
                x = x + f_loc
    first, second = capture.stages[:2]
    np.testing.assert_array_equal(first.local_only, first.f_loc)
    assert not np.allclose(second.local_only, second.f_loc)


def test_a_separate_local_only_net(net: ConvNeur, config: ConvNeurConfig, image: Image) -> None:
    other = untrained(config.replace(memory="none"), seed=9)
    capture = capture_gates(net, image, local_only=other)
    with torch.no_grad():
        taps = other.forward_taps(torch.from_numpy(image)[None]).taps
    np.testing.assert_array_equal(capture.stages[2].local_only, taps[3].f_loc[0])
    with pytest.raises(ConfigError, match="needs memory none"):
        capture_gates(net, image, local_only=net)
    shallow = untrained(config.replace(memory="none", depths=(1, 1, 1, 1)), seed=9)
    deep = reconfigured_per_layer(config)
    with pytest.raises(ConfigError, match="stage 2 of the local-only model has blocks 1 to 1"):
        capture_gates(deep, image, local_only=shallow, stages=(2,), block=2)


def test_the_comparison_can_be_left_out(net: ConvNeur, image: Image) -> None:
    with_it, without = capture_gates(net, image, stages=(2,)), capture_gates(net, image, stages=(2,), local_only="off")
    assert without.stages[0].local_only is None
    np.testing.assert_array_equal(without.stages[0].gate, with_it.stages[0].gate)


def reconfigured_per_layer(config: ConvNeurConfig) -> ConvNeur:
    return untrained(config.replace(memory="per-layer"), seed=3)


def test_capturing_leaves_the_net_as_it_was(net: ConvNeur, image: Image) -> None:
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modules = [type(module) for module in net.modules()]
    state = torch.get_rng_state()
    capture_gates(net, image)
    assert [type(module) for module in net.modules()] == modules
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_a_net_in_training_mode_is_refused(net: ConvNeur, image: Image) -> None:
    with pytest.raises(ValueError, match="eval"):
        capture_gates(net.train(), image)


def test_untrained_is_the_seeds_alone(config: ConvNeurConfig) -> None:
    state = torch.get_rng_state()
    first = untrained(config, seed=5)
    torch.manual_seed(77)
    second, other = untrained(config, seed=5), untrained(config, seed=6)
    torch.set_rng_state(state)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert not torch.equal(first.stem[0].weight, other.stem[0].weight)
    assert not first.training


def test_reconfigured_shares_the_weights(net: ConvNeur, image: Image) -> None:
    strided = reconfigured(net, order="strided", chunk_length=7)
    assert strided.config.chunk_length == 7
    assert strided.stem[0].weight.data_ptr() == net.stem[0].weight.data_ptr()
    assert net.config.order == "raster"
    x = torch.from_numpy(image)[None]
    with torch.no_grad():
        assert not torch.equal(strided(x), net(x))
    net.head = torch.nn.Identity()
    with pytest.raises(ConfigError, match="not the model that its config describes"):
        reconfigured(net)


def test_blocks_that_have_nothing_to_show(config: ConvNeurConfig) -> None:
    check_block(config, stages=(1, 2), block=1)
    with pytest.raises(ConfigError, match="stage 1 has blocks 1 to 1"):
        check_block(config, stages=(1, 2), block=2)
    with pytest.raises(ConfigError, match="first block has a global path"):
        check_block(config, stages=(2,), block=2)
    check_block(config.replace(memory="per-layer"), stages=(2,), block=2)
    with pytest.raises(ConfigError, match="choose a model with memory per-stage or per-layer"):
        check_block(config.replace(memory="none"), stages=(1,), block=1, needs_gate=False)
    for fusion in ("addition", "concat"):
        with pytest.raises(ConfigError, match="choose a model with fusion gating"):
            check_block(config.replace(fusion=fusion), stages=(1,), block=1)
        check_block(config.replace(fusion=fusion), stages=(1,), block=1, needs_gate=False)


@pytest.mark.parametrize("fusion", ["addition", "concat"])
def test_fusions_without_a_gate(config: ConvNeurConfig, image: Image, fusion: str) -> None:
    stage = capture_gates(untrained(config.replace(fusion=fusion), 0), image).stages[0]
    assert stage.gate is None
    assert stage.gated is None
    assert stage.surprise is not None


def test_self_attention_has_no_surprise_and_no_chunks(config: ConvNeurConfig, image: Image) -> None:
    stage = capture_gates(untrained(config.replace(global_branch="self-attention"), 0), image).stages[0]
    assert stage.surprise is None
    assert stage.chunks is None
    assert stage.gate is not None


def test_no_tensor_stays_behind(net: ConvNeur, image: Image) -> None:
    local = reconfigured(net, memory="none")

    def live() -> int:
        gc.collect()
        return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())

    capture_gates(net, image, local_only=local)
    before = live()
    for _ in range(5):
        capture_gates(net, image, local_only=local)
    assert live() <= before


def test_the_real_variants_stages(image: Image) -> None:
    capture = capture_gates(untrained(VARIANTS["m1"], 0), image, stages=(4,))
    assert capture.stages[0].f_loc.shape == (320, 2, 3)
