"""The parts of a ConvNeXt-like net that every block shares. Layout is (B, C, H, W) unless a comment says so."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convneur.model.tracing import is_exporting

__all__ = ["GELU", "Downsample", "DropPath", "LayerNorm2d", "Linear", "LocalBranch", "Stem"]


class LayerNorm2d(nn.LayerNorm):
    """LayerNorm over the channels of each position.

    Choice: eps 1e-6, as in ConvNeXt.
    Args:    x: (B, C, H, W) float.
    Returns: (B, C, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1)  # B C H W -> B H W C: a view, and contiguous under channels_last
        x = super().forward(x)
        return x.permute(0, 3, 1, 2)  # B H W C -> B C H W


class DropPath(nn.Module):
    """Stochastic depth: in training, zero a residual branch for whole samples and scale up the others.

    Args:    rate: share of samples dropped, in [0, 1); x: (B, ...) float.
    Returns: (B, ...), x itself in eval mode or at rate 0.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0 or not self.training:
            return x
        keep = 1 - self.rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        return x * (mask / keep)

    def extra_repr(self) -> str:
        return f"rate={self.rate:g}"


class GELU(nn.Module):
    """The exact GELU, on the spot where no gradient is asked for: it may overwrite its input.

    The hidden maps of the first stage are the largest tensors of the net; on a CPU, writing them to fresh memory took
    three times as long as the function itself.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x) if torch.is_grad_enabled() else torch.ops.aten.gelu_(x)


class Linear(nn.Linear):
    """A linear layer that adds its bias on the spot, on a CPU in float32 where no gradient is asked for.

    There torch copies the bias over the whole output and has the product add to it; at 40 channels that took as long as
    the product itself.
    """

    def forward(self, x: Tensor) -> Tensor:
        apart = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if apart and not torch.is_grad_enabled() and not is_exporting():  # runtimes add it within the product
            return F.linear(x, self.weight).add_(self.bias)
        return super().forward(x)


class LocalBranch(nn.Module):
    """F_loc: large-kernel depthwise convolution, norm, light channel mixing (paper, local branch).

    Derived: 7x7 kernel and mixing ratio 3. Choice: GELU, biases, no layer scale.
    Args:    x: (B, C, H, W) float; dilation: of the depthwise convolution.
    Returns: (B, C, H, W).
    """

    def __init__(self, channels: int, kernel_size: int, mlp_ratio: int, dilation: int = 1) -> None:
        super().__init__()
        self.dw_conv = nn.Conv2d(
            channels, channels, kernel_size, padding=kernel_size // 2 * dilation, dilation=dilation, groups=channels
        )
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pw_conv1 = Linear(channels, mlp_ratio * channels)  # 1x1 convolutions, on B H W C
        self.act = GELU()
        self.pw_conv2 = Linear(mlp_ratio * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dw_conv(x)
        x = x.permute(0, 2, 3, 1)  # B C H W -> B H W C
        x = self.norm(x)
        x = self.pw_conv1(x)
        x = self.act(x)
        x = self.pw_conv2(x)
        return x.permute(0, 3, 1, 2)  # B H W C -> B C H W


class Stem(nn.Sequential):
    """Image to tokens of 4x4 pixels: convolution of stride 4, norm. Sides are floored to multiples of 4.

    Args:    x: (B, in_channels, H, W) float.
    Returns: (B, C, H // 4, W // 4).
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(nn.Conv2d(in_channels, channels, kernel_size=4, stride=4), LayerNorm2d(channels))


class Downsample(nn.Sequential):
    """Between stages: norm, then a 3x3 convolution of stride 2 with padding 1; odd sides round up.

    Args:    x: (B, C, H, W) float; stride: 1 to keep the size; dilation: of the stage before.
    Returns: (B, C', ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 2, dilation: int = 1) -> None:
        super().__init__(
            LayerNorm2d(in_channels),
            nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=dilation, dilation=dilation),
        )
