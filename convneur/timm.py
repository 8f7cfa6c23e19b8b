"""ConvNeur in timm: `import convneur.timm` registers convneur_m1 to convneur_m4 and the packaged weights as their tags.

    import timm
    import convneur.timm

    model = timm.create_model("convneur_m1.photos", pretrained=True, num_classes=10)
    backbone = timm.create_model("convneur_m1.camvid", pretrained=True, features_only=True)

Needs timm (the extra `timm`). The weights come from the installed package; nothing is downloaded.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from timm.layers import SelectAdaptivePool2d
from timm.models import (
    build_model_with_cfg,
    checkpoint_seq,
    generate_default_cfgs,
    register_model,
    register_notrace_module,
)
from torch import Tensor, nn

from convneur.errors import ConfigError
from convneur.model.global_branches import FoldedGlobalBranch, GlobalBranch
from convneur.model.layers import GELU, DropPath, Linear
from convneur.model.network import ConvNeur
from convneur.packaged import find_weights
from convneur.variants import VARIANTS, find_config

__all__ = ["TimmConvNeur", "convneur_m1", "convneur_m2", "convneur_m3", "convneur_m4"]

# Choice: in every stage and at every size all parameters learn; the packaged weights were trained like this.
_SETTINGS: Mapping[str, Any] = {"chunks": 4, "read": "final"}
# By tag, where a file's model is another.
_SETTINGS_OF: Mapping[str, Mapping[str, Any]] = {"photos-local": {"memory": "none"}, "camvid-local": {"memory": "none"}}

for _leaf in (GlobalBranch, FoldedGlobalBranch, Linear, GELU, DropPath):  # they look at sizes and modes
    register_notrace_module(_leaf)


class TimmConvNeur(ConvNeur):
    """A ConvNeur under timm's conventions; its state dict is that of a `ConvNeur` with a classifier.

    So `convneur.save_checkpoint` writes it, and whatever reads such files goes on with it.

    Args:
        model: as of `convneur.create`.
        num_classes: 0 for the pooled features. in_chans: channels of the image.
        global_pool: as timm's `SelectAdaptivePool2d` takes it; "" leaves the map as it is.
        drop_rate: of the features before the classifier.
        settings: of `ConvNeurConfig`. Choice: `chunks` 4 and `read` final unless `chunk_length`, `min_chunks` or
            `model_preset` say otherwise; `chunk_length=196, read="before"` is the paper's form.
    Raises: ConfigError: a setting that no ConvNeur has.

    >>> import timm, torch
    >>> model = timm.create_model("convneur_m1", num_classes=10).eval()
    >>> tuple(model.forward_features(torch.zeros(1, 3, 64, 96)).shape), tuple(model(torch.zeros(1, 3, 64, 96)).shape)
    ((1, 320, 2, 3), (1, 10))
    """

    def __init__(
        self,
        model: str = "m1",
        *,
        num_classes: int = 1000,
        in_chans: int = 3,
        global_pool: str = "avg",
        drop_rate: float = 0.0,
        **settings: Any,
    ) -> None:
        for name in ("head", "in_channels"):
            if name in settings:
                raise ConfigError(name, "timm's names are num_classes and in_chans; use them")
        base = VARIANTS[model]
        if settings.get("memory") != "none":
            free = {"chunk_length", "min_chunks", "model_preset"} & settings.keys()
            base = base.replace(**{name: value for name, value in _SETTINGS.items() if not (free and name == "chunks")})
        super().__init__(find_config(base, **settings, in_channels=in_chans, head="none"))
        self.in_chans, self.drop_rate = in_chans, drop_rate
        self.grad_checkpointing = False
        self.reset_classifier(num_classes, global_pool)

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(x))

    def forward_features(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """The last stage's map, (B, C, H / 32, W / 32)."""
        features: Tensor = self.forward_intermediates(x, indices=1)[0]
        return features

    def forward_head(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        """The logits of the last stage's map; pre_logits: what the classifier takes."""
        assert isinstance(self.head, Head)
        return self.head(x, pre_logits=pre_logits)

    def forward_intermediates(
        self,
        x: Any,
        indices: int | Iterable[int] | None = None,
        norm: bool = False,
        stop_early: bool = False,
        output_fmt: str = "NCHW",
        intermediates_only: bool = False,
    ) -> Any:
        """The last map and the stages' maps, of which `indices` are taken: the last n, or by number from 0."""
        if output_fmt != "NCHW":
            raise ValueError(f"output_fmt {output_fmt}: a ConvNeur gives NCHW")
        take = _taken(len(self.stages), indices)
        if isinstance(x, Tensor):  # fx traces with a stand-in for one; its graph takes what it is given
            self._check(x, (), 1)
        taken = []
        for index in range(max(take) + 1 if stop_early else len(self.stages)):
            x = self.stem(x) if index == 0 else self.downsamples[index - 1](x)
            blocks = self.stages[index]
            x = checkpoint_seq(blocks, x) if self.grad_checkpointing and self.training else blocks(x)
            if index in take:
                taken.append(x)
        return taken if intermediates_only else (x, taken)

    def prune_intermediate_layers(
        self, indices: int | Iterable[int] = 1, prune_norm: bool = False, prune_head: bool = True
    ) -> list[int]:
        """Remove the stages behind the last of `indices`, and the head; their numbers."""
        take = _taken(len(self.stages), indices)
        last = max(take)
        pruned = last + 1 < len(self.stages)
        self.stages, self.downsamples = self.stages[: last + 1], self.downsamples[:last]
        self.num_features = self.head_hidden_size = self.feature_info[last]["num_chs"]
        if pruned or prune_head:
            self.reset_classifier(0, "", reset_other=True)
        return take

    def get_classifier(self) -> nn.Module:
        """The linear layer, or the identity where there are no classes."""
        assert isinstance(self.head, Head)
        return self.head.linear

    def reset_classifier(self, num_classes: int, global_pool: str | None = None, reset_other: bool = False) -> None:
        """A new classifier, or none for 0; reset_other: without the norm before it."""
        old = self.head if isinstance(self.head, Head) else None
        if global_pool is None:
            global_pool = old.pool_type if old else "avg"
        head = Head(self.num_features, num_classes, global_pool, self.drop_rate)
        if old is not None:
            head.norm = old.norm
        if reset_other:
            head.norm = nn.Identity()
        self.num_classes, self.head_hidden_size = num_classes, self.num_features
        like = next(self.stem.parameters())
        self.head = head.to(like.device, like.dtype).train(self.training)
        classes: dict[str, Any] = (
            {"head": "classifier", "num_classes": num_classes} if num_classes else {"head": "none"}
        )
        self.config = self.config.replace(**classes)

    def group_matcher(self, coarse: bool = False) -> Callable[[str], tuple[float, ...]]:
        """Of parameters by name, for layer-wise learning rates: the stem, each block (coarse: each stage), the head."""

        def group(name: str) -> tuple[float, ...]:
            part, *numbers = name.split(".")
            if part == "stem":
                return (0,)
            if part == "downsamples":  # learns with the block that follows it
                return (1, int(numbers[0]) + 1) if coarse else (1, int(numbers[0]) + 1, 0)
            if part == "stages":
                return (1, int(numbers[0])) if coarse else (1, int(numbers[0]), int(numbers[1]))
            return (float("inf"),)

        return group

    def no_weight_decay(self) -> set[str]:
        """The learned start of each memory, which is a state and not a weight of its inputs."""
        return {name for name, _ in self.named_parameters() if name.endswith(".initial")}

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """In training, recompute each block's activations in the backward pass."""
        self.grad_checkpointing = enable


class Head(nn.Module):
    """`convneur.model.heads.Classifier`, its weights by the same names, with what timm changes about a head.

    Args:    x: (B, C, H, W).
    Returns: (B, K), or (B, K, H, W) without a pool; K: classes, or C without classes and for `pre_logits`.
    """

    def __init__(self, channels: int, num_classes: int, pool_type: str, drop_rate: float) -> None:
        super().__init__()
        self.pool_type = pool_type
        self.pool = SelectAdaptivePool2d(pool_type=pool_type, flatten=bool(pool_type))
        if self.pool.feat_mult() != 1:
            raise ConfigError(
                "global_pool", "must keep the number of channels; choose avg, max or avgmax", value=pool_type
            )
        self.norm: nn.Module = nn.LayerNorm(channels, eps=1e-6)
        self.drop = nn.Dropout(drop_rate)
        self.linear: nn.Module = nn.Identity()
        if num_classes:
            self.linear = nn.Linear(channels, num_classes)
            nn.init.trunc_normal_(self.linear.weight, std=0.02)
            nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, pre_logits: bool = False) -> Tensor:
        x = self.pool(x)
        if not self.pool_type:
            x = x.permute(0, 2, 3, 1)  # B C H W -> B H W C
        x = self.drop(self.norm(x))
        if not pre_logits:
            x = self.linear(x)
        return x if self.pool_type else x.permute(0, 3, 1, 2)


def _taken(count: int, indices: int | Iterable[int] | None) -> list[int]:
    """timm's `indices` as numbers from 0. Raises: ValueError: beyond the stages, or none."""
    if indices is None:
        indices = count
    wanted = range(-indices, 0) if isinstance(indices, int) else list(indices)
    if not wanted or not all(-count <= each < count for each in wanted):
        raise ValueError(f"indices {indices}: the stages are 0 to {count - 1}")
    return [each % count for each in wanted]


def _fitting(tensors: Mapping[str, Tensor], model: TimmConvNeur) -> dict[str, Tensor]:
    """A file's tensors as the model has them: without another head's, with the model's own norm in its place."""
    own = model.state_dict()
    fitting = {name: each for name, each in tensors.items() if not name.startswith("head.") or name in own}
    if "head.norm.weight" not in fitting:
        fitting |= {name: each for name, each in own.items() if name.startswith("head.norm.")}
    return fitting


def _entry(model: str, pretrained: bool, pretrained_cfg: Any = None, **settings: Any) -> nn.Module:
    """What timm calls for a name; pretrained_cfg: a tag, or what timm has kept of one."""
    tag = pretrained_cfg
    if tag is not None and not isinstance(tag, str):
        tag = tag.get("tag") if isinstance(tag, Mapping) else tag.tag
    return build_model_with_cfg(
        partial(TimmConvNeur, model),
        f"convneur_{model}",
        pretrained,
        pretrained_cfg=pretrained_cfg,
        pretrained_filter_fn=_fitting,
        feature_cfg={"out_indices": (0, 1, 2, 3), "feature_cls": "getter"},
        **{**_SETTINGS_OF.get(tag or "", {}), **settings},
    )


def convneur_m1(pretrained: bool = False, **settings: Any) -> nn.Module:
    """m1, 4.3 million parameters; tags photos, photos-local, camvid, camvid-local."""
    return _entry("m1", pretrained, **settings)


def convneur_m2(pretrained: bool = False, **settings: Any) -> nn.Module:
    """m2."""
    return _entry("m2", pretrained, **settings)


def convneur_m3(pretrained: bool = False, **settings: Any) -> nn.Module:
    """m3."""
    return _entry("m3", pretrained, **settings)


def convneur_m4(pretrained: bool = False, **settings: Any) -> nn.Module:
    """m4."""
    return _entry("m4", pretrained, **settings)


def _described(file: str | None = None, size: tuple[int, int] = (224, 224), num_classes: int = 1000) -> dict[str, Any]:
    """What timm keeps of a model's weights; file: packaged weights by name."""
    return {
        "file": None if file is None else str(find_weights(file)),
        "num_classes": num_classes,
        "input_size": (3, *size),
        "min_input_size": (3, 32, 32),
        "pool_size": (size[0] // 32, size[1] // 32),
        "crop_pct": 1.0,
        "interpolation": "bilinear",
        "first_conv": "stem.0",
        "classifier": "head.linear",
        "license": "apache-2.0" if file is None else "other",
    }


_CAMVID: dict[str, Any] = {"size": (256, 320), "num_classes": 0}  # the backbone alone: its head labels pixels

default_cfgs = generate_default_cfgs(
    {
        "convneur_m1.photos": _described("photos"),
        "convneur_m1.photos-local": _described("photos-local"),
        "convneur_m1.camvid": _described("camvid", **_CAMVID),
        "convneur_m1.camvid-local": _described("camvid-local", **_CAMVID),
        "convneur_m2.untrained": _described(),
        "convneur_m3.untrained": _described(),
        "convneur_m4.untrained": _described(),
    }
)
"""What timm reads when a model of this module is registered."""

for _model in (convneur_m1, convneur_m2, convneur_m3, convneur_m4):
    register_model(_model)
