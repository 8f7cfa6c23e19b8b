"""convneur_m1 to convneur_m4 in timm: what timm's own tests of its models ask, without TorchScript, and more.

After timm's tests/test_models.py, written anew.
"""

import math
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from timm.models import FeatureInfo, get_notrace_functions, get_notrace_modules, group_parameters
from timm.optim import create_optimizer_v2
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

import convneur
import convneur.timm
from convneur.errors import ConfigError
from convneur.model.network import UnreachedParametersWarning
from convneur.timm import TimmConvNeur

NAMES = timm.list_models("convneur_*")
TAGGED = timm.list_models("convneur_*", include_tags=True)
PRETRAINED = timm.list_pretrained("convneur_*")
FAITHFUL: dict[str, Any] = {"chunk_length": 196, "read": "before"}
FORMS = pytest.mark.parametrize("form", [{}, FAITHFUL], ids=["packaged", "faithful"])


def image(batch: int = 1, size: tuple[int, int, int] = (3, 96, 96)) -> Tensor:
    return torch.randn(batch, *size, generator=torch.Generator().manual_seed(0))


def create(name: str, **settings: Any) -> Any:
    torch.manual_seed(0)
    return timm.create_model(name, **settings)


def test_the_registered_names() -> None:
    assert NAMES == ["convneur_m1", "convneur_m2", "convneur_m3", "convneur_m4"]
    assert [f"convneur_m1.{name}" for name in ("camvid", "camvid-local", "photos", "photos-local")] == PRETRAINED
    assert set(timm.list_models(module="timm")) >= set(NAMES)


# -- After timm's own tests --


@FORMS
@pytest.mark.parametrize("name", NAMES)
def test_forward_and_gradient_checkpointing(name: str, form: dict[str, Any]) -> None:
    model, x = create(name, **form).eval(), image()
    with torch.no_grad():
        y = model(x)
        assert y.shape == (1, 1000)
        assert y.isfinite().all()
        model.set_grad_checkpointing()
        torch.testing.assert_close(model(x), y)


@pytest.mark.parametrize("name", NAMES)
def test_backward_reaches_every_parameter(name: str) -> None:
    for size in ((3, 64, 64), (3, 96, 128)):
        model = create(name, num_classes=42).train()
        y = model(image(2, size))
        y.mean().backward()
        assert y.shape == (2, 42)
        assert [n for n, parameter in model.named_parameters() if parameter.grad is None] == []


def test_backward_of_the_faithful_form_leaves_out_what_is_said() -> None:
    model = create("convneur_m1", num_classes=42, **FAITHFUL).train()
    with pytest.warns(UnreachedParametersWarning) as told:
        model(image(2)).mean().backward()
    assert "stage 2, 3, 4 at this image size: no gradient reaches k, v and the update generator" in str(told[0].message)
    without = [parameter for parameter in model.parameters() if parameter.grad is None]
    assert list(map(id, without)) == list(map(id, model.unreached_parameters(96, 96)))
    assert len(without) == 6  # weight and bias of three update generators


@torch.no_grad()
@pytest.mark.parametrize("name", TAGGED)
def test_default_configuration(name: str) -> None:
    model = create(name).eval()
    tensors, cfg = model.state_dict(), model.default_cfg
    assert model.num_classes >= 0
    assert cfg["num_classes"] == model.num_classes
    pool, x = cfg["pool_size"], image(1, cfg["input_size"])

    features = model.forward_features(x)
    before = model.forward_head(features, pre_logits=True)
    assert features.shape == (1, model.num_features, *pool)
    assert before.shape == (1, model.head_hidden_size)

    model.reset_classifier(0)
    assert model.num_classes == 0
    assert torch.equal(model(x), before)

    model.reset_classifier(0, "")
    assert model(x).shape == (1, model.num_features, *pool)
    unpooled = create(name, num_classes=0, global_pool="").eval()
    assert unpooled(x).shape == (1, model.num_features, *pool)

    if cfg["num_classes"]:
        assert f"{cfg['classifier']}.weight" in tensors
    assert f"{cfg['first_conv']}.weight" in tensors


@pytest.mark.parametrize("name", PRETRAINED)
def test_pretrained_weights_load_for_other_channels_and_classes(name: str) -> None:
    packaged = convneur.load_checkpoint(name.partition(".")[2]).model
    for classes in (5, 0):
        model = create(name, pretrained=True, in_chans=1, num_classes=classes)
        assert model.eval()(image(1, (1, 32, 32))).shape == (1, classes or 320)
        one_channel = packaged.stem[0].weight.sum(1, keepdim=True)
        torch.testing.assert_close(model.stem[0].weight, one_channel, rtol=1e-3, atol=1e-3)  # timm rounds to float16
        others = packaged.state_dict()
        for key, tensor in model.state_dict().items():
            if key.startswith(("stages.", "downsamples.")):
                assert torch.equal(tensor, others[key])


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", [{}, {"feature_cls": "getter"}, {"feature_cls": "fx"}], ids=["default", "getter", "fx"])
def test_features_only(name: str, how: dict[str, str]) -> None:
    model = create(name, features_only=True, **how).eval()
    maps = model(image())
    channels, strides = model.feature_info.channels(), model.feature_info.reduction()
    assert strides == [4, 8, 16, 32]
    for feature, count, stride in zip(maps, channels, strides, strict=True):
        assert feature.shape == (1, count, math.ceil(96 / stride), math.ceil(96 / stride))
        assert feature.isfinite().all()


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_forward_intermediates(name: str) -> None:
    model, x = create(name).eval(), image()
    info = FeatureInfo(model.feature_info, len(model.feature_info))
    last, maps = model.forward_intermediates(x, output_fmt="NCHW")
    for feature, count, stride in zip(maps, info.channels(), info.reduction(), strict=True):
        assert feature.shape == (1, count, math.ceil(96 / stride), math.ceil(96 / stride))
    assert torch.equal(last, model.forward_features(x))
    model.set_grad_checkpointing()
    torch.testing.assert_close(model.forward_intermediates(x)[0], last)


def traced(model: nn.Module) -> nn.Module:
    """The model as torchvision's feature extractor traces it with fx, down to its output."""
    options = {
        "leaf_modules": get_notrace_modules(), "autowrap_functions": get_notrace_functions(),
        "param_shapes_constant": True,
    }  # fmt: skip
    train, evaluate = get_graph_node_names(model, tracer_kwargs=options)
    graph: nn.Module = create_feature_extractor(
        model, train_return_nodes=[train[-1]], eval_return_nodes=[evaluate[-1]], tracer_kwargs=options
    )
    return graph


@FORMS
@pytest.mark.parametrize("name", NAMES)
def test_forward_of_a_traced_graph(name: str, form: dict[str, Any]) -> None:
    model, x = create(name, **form).eval(), image()
    with torch.inference_mode():
        (y,) = traced(model)(x).values()
        assert torch.equal(y, model(x))


@pytest.mark.parametrize("name", NAMES)
def test_backward_of_a_traced_graph(name: str) -> None:
    graph = traced(create(name, num_classes=42, drop_path_rate=0.1).train())
    (y,) = graph(image(2)).values()
    y.mean().backward()
    assert y.shape == (2, 42)
    assert [n for n, parameter in graph.named_parameters() if parameter.grad is None] == []


# -- ConvNeur's own --


@torch.no_grad()
@pytest.mark.parametrize("name", PRETRAINED)
def test_packaged_weights_compute_what_they_do_in_convneur(name: str) -> None:
    packaged, _ = convneur.load_checkpoint(name.partition(".")[2])
    x = image(2, (3, 75, 98))
    backbone = timm.create_model(name, pretrained=True, features_only=True).eval()
    for mine, theirs in zip(backbone(x), packaged.forward_features(x), strict=True):
        assert torch.equal(mine, theirs)
    model = timm.create_model(name, pretrained=True).eval()
    assert isinstance(model, TimmConvNeur)
    for setting in ("chunks", "read", "memory"):
        assert getattr(model.config, setting) == getattr(packaged.config, setting)
    if packaged.config.head == "classifier":
        torch.testing.assert_close(model(x), packaged(x))
        assert model.config == packaged.config


@pytest.mark.parametrize("wanted", [(0, 1, 2, 3), (1,), (0, 2), (-1,), (-2, -1), 2])
def test_any_levels_and_no_parameter_behind_them(wanted: Any) -> None:
    backbone = create("convneur_m1", features_only=True, out_indices=wanted).train()
    x = image(1)
    maps = backbone(x)
    indices = list(range(4))[-wanted:] if isinstance(wanted, int) else [each % 4 for each in wanted]
    assert backbone.feature_info.channels() == [(40, 80, 160, 320)[each] for each in indices]
    assert [feature.shape[1] for feature in maps] == backbone.feature_info.channels()
    sum(feature.mean() for feature in maps).backward()
    assert [n for n, parameter in backbone.named_parameters() if parameter.grad is None] == []


def test_levels_that_are_not_there() -> None:
    for wanted in ((4,), (-5,), (), 5):
        with pytest.raises(ValueError, match="the stages are 0 to 3"):
            create("convneur_m1").forward_intermediates(image(), indices=wanted)
    with pytest.raises(ValueError, match="NCHW"):
        create("convneur_m1").forward_intermediates(image(), output_fmt="NHWC")


@torch.no_grad()
def test_intermediates_alone_and_stopped_early() -> None:
    model, x = create("convneur_m1").eval(), image()
    _, every = model.forward_intermediates(x)
    (second,) = model.forward_intermediates(x, indices=[1], stop_early=True, intermediates_only=True)
    assert torch.equal(second, every[1])


def test_layers_learn_at_rates_of_their_own() -> None:
    model = create("convneur_m1", num_classes=10)
    of = group_parameters(model, model.group_matcher(), reverse=True)
    assert of["stem.0.weight"] == 0
    assert of["stages.0.0.local_branch.dw_conv.weight"] == 1
    assert of["downsamples.0.1.weight"] == of["stages.1.0.global_branch.mixer.initial"] == 3  # stage 1 has two blocks
    assert of["stages.3.2.local_branch.norm.bias"] == 15
    assert of["head.linear.weight"] == of["head.norm.weight"] == 16
    coarse = group_parameters(model, model.group_matcher(coarse=True), reverse=True)
    assert set(coarse.values()) == set(range(6))

    optimizer = create_optimizer_v2(model, opt="adamw", lr=1e-3, weight_decay=0.05, layer_decay=0.5)
    group_of = {id(parameter): group for group in optimizer.param_groups for parameter in group["params"]}
    named = dict(model.named_parameters())
    assert group_of[id(named["stem.0.weight"])]["lr_scale"] == pytest.approx(0.5**16)
    assert group_of[id(named["head.linear.weight"])]["lr_scale"] == 1
    for name in model.no_weight_decay():
        assert name.endswith("mixer.initial")
        assert group_of[id(named[name])]["weight_decay"] == 0
    assert group_of[id(named["stages.0.0.global_branch.mixer.qkv.weight"])]["weight_decay"] == 0.05
    assert len(model.no_weight_decay()) == 4


def test_checkpointed_blocks_give_the_same_gradients() -> None:
    found = []
    for enable in (False, True):
        model = create("convneur_m1", num_classes=5).train()
        model.set_grad_checkpointing(enable)
        model(image(2)).square().sum().backward()
        found.append([parameter.grad for parameter in model.parameters()])
    for plain, checkpointed in zip(*found, strict=True):
        torch.testing.assert_close(plain, checkpointed)


def test_a_classifier_is_replaced_where_the_model_is() -> None:
    model = create("convneur_m1", drop_rate=0.3).double().eval()
    model.reset_classifier(7, "max")
    assert model(image().double()).shape == (1, 7)
    assert model.get_classifier().weight.dtype == torch.float64
    assert not model.head.training
    assert model.head.drop.p == 0.3
    assert model.config.num_classes == 7
    with pytest.raises(ConfigError, match="global_pool catavgmax"):
        model.reset_classifier(7, "catavgmax")


def test_a_model_of_timm_is_saved_and_read_as_a_convneur(tmp_path: Path) -> None:
    model = create("convneur_m1.photos", pretrained=True, num_classes=4).eval()
    convneur.save_checkpoint(model, tmp_path / "mine.safetensors", provenance={"classes": ["a", "b", "c", "d"]})
    loaded = convneur.load(tmp_path / "mine.safetensors")
    assert loaded.classes == ("a", "b", "c", "d")
    with torch.no_grad():
        torch.testing.assert_close(loaded.model(image()), model(image()))
    again = timm.create_model(
        "convneur_m1",
        pretrained=True,
        pretrained_cfg_overlay={"file": str(tmp_path / "mine.safetensors"), "num_classes": 4},
    ).eval()
    with torch.no_grad():
        assert torch.equal(again(image()), model(image()))


def test_settings_of_the_model() -> None:
    assert create("convneur_m2").config == convneur.VARIANTS["m2"].replace(chunks=4, read="final")
    assert create("convneur_m1", **FAITHFUL).config == convneur.VARIANTS["m1"]
    local = create("convneur_m1", memory="none", drop_path_rate=0.2).config
    assert local == convneur.VARIANTS["m1"].replace(memory="none", drop_path_rate=0.2)
    for settings, said in (({"depth": 3}, "depth"), ({"head": "upernet"}, "num_classes"), ({"chunks": 0}, "chunks")):
        with pytest.raises(ConfigError, match=said):
            create("convneur_m1", **settings)
    with pytest.raises(ValueError, match="at least 32x32"):
        create("convneur_m1")(image(1, (3, 31, 96)))


@torch.no_grad()
def test_gates_and_folding_work_on_a_model_of_timm() -> None:
    model = create("convneur_m1.photos", pretrained=True).eval()
    x = image()
    torch.testing.assert_close(convneur.fold(model)(x), model(x), rtol=1e-3, atol=1e-3)
    features, taps = model.forward_taps(x)
    assert torch.equal(features[3], model.forward_features(x))
    assert taps[1].gate is not None


def test_a_model_without_classes_is_saved_without_its_norm_or_refused(tmp_path: Path) -> None:
    model = timm.create_model("convneur_m1", num_classes=0)
    with pytest.raises(ValueError, match="reset_classifier"):
        convneur.save_checkpoint(model, tmp_path / "bare.safetensors")
    model.reset_classifier(0, reset_other=True)
    convneur.save_checkpoint(model, tmp_path / "bare.safetensors")
    assert convneur.load_checkpoint(tmp_path / "bare.safetensors").model.config.head == "none"
