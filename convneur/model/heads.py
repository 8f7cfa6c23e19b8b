"""What follows the backbone: a classifier, Semantic FPN, UPerNet. Each takes the pyramid and the image's size.

Semantic FPN and UPerNet have the configuration of MMSegmentation's models, which the paper's ADE20K table used. Choice:
GroupNorm of 32 groups where those have SyncBN, which runs neither on a CPU nor at batch 1; it costs the same.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convneur.model.tracing import is_exporting
from convneur.variants import ConvNeurConfig

__all__ = ["Classifier", "LightFPN", "SemanticFPN", "UPerNet", "build_head", "on_finer_grid"]

Size = tuple[int, int]
STRIDE = 4  # of the pyramid's finest level


class Classifier(nn.Module):
    """Global average pool, norm, linear (Derived: no hidden layer).

    Args:    features: the pyramid, of which the last is used; size: not used.
    Returns: (B, num_classes) logits.
    """

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.linear = nn.Linear(channels, num_classes)

    def forward(self, features: Sequence[Tensor], size: Size) -> Tensor:
        return self.linear(self.norm(features[-1].mean(dim=(2, 3))))


class Pool(nn.Module):
    """Global average pool, for a backbone without a head.

    Args:    features: the pyramid, of which the last is used; size: not used.
    Returns: (B, C).
    """

    def forward(self, features: Sequence[Tensor], size: Size) -> Tensor:
        return features[-1].mean(dim=(2, 3))


class ConvNormAct(nn.Sequential):
    """Convolution that keeps the size, GroupNorm, ReLU."""

    def __init__(self, in_channels: int, channels: int, kernel_size: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, channels, kernel_size, padding=kernel_size // 2, bias=False),
            nn.GroupNorm(32, channels),
            nn.ReLU(),
        )


def on_finer_grid(x: Tensor, factor: int, size: Sequence[int], mode: str = "bilinear") -> Tensor:
    """A map on a grid `factor` times as fine, cut or continued by its edge to `size`.

    Strides are exact while sides are rounded: 75 positions become 38 and these stand for 76. To spread them over 75
    would move what they say, by as much as a coarse position at the far edge, at every size but multiples of 32.
    """
    x = F.interpolate(x, scale_factor=float(factor), mode=mode)
    if is_exporting():  # the same as one gather along each side, whose length may be open
        for axis, side in ((2, size[0]), (3, size[1])):
            x = x.index_select(axis, torch.arange(side, device=x.device).clamp(max=x.shape[axis] - 1))
        return x
    rows, columns = (int(side) - int(have) for side, have in zip(size, x.shape[2:], strict=True))
    if rows > 0 or columns > 0:
        x = F.pad(x, (0, max(columns, 0), 0, max(rows, 0)), mode="replicate")
    return x[..., : size[0], : size[1]]


class SemanticFPN(nn.Module):
    """Semantic FPN (Kirillov et al. 2019): a pyramid of equal width, each level brought to stride 4, summed.

    As MMSegmentation: neck of 256, head of 128, one 3x3 convolution and doubling for each halving since stride 4.
    Args:    features: four maps of strides 4, 8, 16, 32; size: the image's.
    Returns: (B, num_classes, *size) logits.
    """

    def __init__(self, dims: Sequence[int], num_classes: int, neck: int = 256, width: int = 128) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(channels, neck, kernel_size=1) for channels in dims)
        self.smooth = nn.ModuleList(nn.Conv2d(neck, neck, kernel_size=3, padding=1) for _ in dims)
        self.scale_heads = nn.ModuleList(
            nn.ModuleList(ConvNormAct(neck if step == 0 else width, width, 3) for step in range(max(level, 1)))
            for level in range(len(dims))
        )
        self.dropout = nn.Dropout2d(0.1)
        self.classify = nn.Conv2d(width, num_classes, kernel_size=1)

    def forward(self, features: Sequence[Tensor], size: Size) -> Tensor:
        maps = [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]
        for level in range(len(maps) - 1, 0, -1):
            maps[level - 1] = maps[level - 1] + on_finer_grid(maps[level], 2, maps[level - 1].shape[2:], "nearest")
        total: Tensor | None = None
        for level, (smooth, head) in enumerate(zip(self.smooth, self.scale_heads, strict=True)):
            x = smooth(maps[level])
            block: ConvNormAct
            for step, block in enumerate(head):  # type: ignore[arg-type]
                x = block(x)
                if level > 0:  # up by one level of the pyramid
                    x = on_finer_grid(x, 2, features[level - 1 - step].shape[2:])
            total = x if total is None else total + x
        return on_finer_grid(self.classify(self.dropout(total)), STRIDE, size)


class LightFPN(nn.Module):
    """A Semantic FPN for small nets: one width, summed from the top down, one 3x3 convolution at stride 4.

    Choice: width 96. At 256x320 pixels and 11 classes it costs 0.53 GMACs beside m1's 1.25; a Semantic FPN in
    MMSegmentation's configuration costs 6.6.
    Args:    features: four maps of strides 4, 8, 16, 32; size: the image's.
    Returns: (B, num_classes, *size) logits.
    """

    def __init__(self, dims: Sequence[int], num_classes: int, width: int = 96) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(channels, width, kernel_size=1) for channels in dims)
        self.smooth = ConvNormAct(width, width, 3)
        self.dropout = nn.Dropout2d(0.1)
        self.classify = nn.Conv2d(width, num_classes, kernel_size=1)

    def forward(self, features: Sequence[Tensor], size: Size) -> Tensor:
        *finer, last = (lateral(x) for lateral, x in zip(self.laterals, features, strict=True))
        total: Tensor = last
        for x in reversed(finer):
            total = x + on_finer_grid(total, 2, x.shape[2:])
        return on_finer_grid(self.classify(self.dropout(self.smooth(total))), STRIDE, size)


class UPerNet(nn.Module):
    """UPerNet (Xiao et al. 2018): pyramid pooling on the last level, a top-down path, all levels joined at stride 4.

    As MMSegmentation: width 512, pools of 1, 2, 3, 6.
    Args:    features: four maps of strides 4, 8, 16, 32; size: the image's.
    Returns: (B, num_classes, *size) logits.
    """

    def __init__(
        self, dims: Sequence[int], num_classes: int, width: int = 512, pools: Sequence[int] = (1, 2, 3, 6)
    ) -> None:
        super().__init__()
        *finer, last = dims
        self.pools = tuple(pools)
        self.pooled = nn.ModuleList(ConvNormAct(last, width, 1) for _ in pools)
        self.bottleneck = ConvNormAct(last + len(self.pools) * width, width, 3)
        self.laterals = nn.ModuleList(ConvNormAct(channels, width, 1) for channels in finer)
        self.smooth = nn.ModuleList(ConvNormAct(width, width, 3) for _ in finer)
        self.join = ConvNormAct(len(dims) * width, width, 3)
        self.dropout = nn.Dropout2d(0.1)
        self.classify = nn.Conv2d(width, num_classes, kernel_size=1)

    def forward(self, features: Sequence[Tensor], size: Size) -> Tensor:
        *finer, last = features
        pooled = [
            # A pool's cells share out the whole map, whatever its sides.
            F.interpolate(block(F.adaptive_avg_pool2d(last, side)), last.shape[2:], mode="bilinear")
            for side, block in zip(self.pools, self.pooled, strict=True)
        ]
        maps = [lateral(x) for lateral, x in zip(self.laterals, finer, strict=True)]
        maps.append(self.bottleneck(torch.cat([last, *pooled], dim=1)))
        for level in range(len(maps) - 1, 0, -1):
            maps[level - 1] = maps[level - 1] + on_finer_grid(maps[level], 2, maps[level - 1].shape[2:])
        maps[:-1] = [smooth(x) for smooth, x in zip(self.smooth, maps[:-1], strict=True)]
        at_stride_4 = [on_finer_grid(x, 2**level, maps[0].shape[2:]) for level, x in enumerate(maps)]
        joined = self.join(torch.cat(at_stride_4, dim=1))
        return on_finer_grid(self.classify(self.dropout(joined)), STRIDE, size)


def build_head(config: ConvNeurConfig) -> Classifier | Pool | SemanticFPN | LightFPN | UPerNet:
    """The head that a config names."""
    match config.head:
        case "classifier":
            return Classifier(config.dims[-1], config.num_classes)
        case "none":
            return Pool()
        case "semantic-fpn":
            return SemanticFPN(config.dims, config.num_classes)
        case "light-fpn":
            return LightFPN(config.dims, config.num_classes)
        case "upernet":
            return UPerNet(config.dims, config.num_classes)
