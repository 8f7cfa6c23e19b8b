"""RWKV for images: a weighted mean over all tokens whose weights fall with distance, in linear time."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["InvertedResidualRWKV", "bidirectional_wkv", "shift_quarters"]


def shift_quarters(x: Tensor) -> Tensor:
    """Each quarter of the channels moved by a pixel: from the left, the right, above, below; zeros come in.

    The token shift of Vision-RWKV (Duan et al. 2024). x: (B, m, H, W).
    """
    left, right, above, below = x.chunk(4, dim=1)
    return torch.cat(
        [
            F.pad(left[..., :-1], (1, 0)),
            F.pad(right[..., 1:], (0, 1)),
            F.pad(above[:, :, :-1], (0, 0, 1, 0)),
            F.pad(below[:, :, 1:], (0, 0, 0, 1)),
        ],
        dim=1,
    )


def bidirectional_wkv(k: Tensor, v: Tensor, decay: Tensor, bonus: Tensor) -> Tensor:
    """Every token's mean of all values, weighted by exp(k) and by nearness along the raster.

    Equation (Vision-RWKV, Bi-WKV), per channel, with N tokens:
        wkv_t = (sum_{i != t} e^{-(|t - i| - 1) w / N + k_i} v_i + e^{u + k_t} v_t) / (the same without the v)
    In linear time: decay over the whole image is e^-w, however many tokens it has, so the weights are split as
    e^{-w t / N} e^{+w i / N} and each side of t is a cumulative sum. The factors lie within e^{|w|}; |w| is held
    below 20, far within float32.

    Args:    k, v: (B, N, m); decay: w, (m,); bonus: u, (m,).
    Returns: (B, N, m), float32 or wider.
    """
    tokens = k.shape[1]
    k, v = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (k, v))
    place = torch.arange(tokens, device=k.device, dtype=k.dtype)[:, None] / tokens  # (N, 1)
    slope = decay.to(k.dtype).clamp(-20, 20)
    weight = (k - k.amax(dim=1, keepdim=True)).exp()  # the largest is 1; a common factor cancels
    both = torch.stack([weight * v, weight])  # (2, B, N, m): numerator and denominator
    one_step = (slope / tokens).exp()  # the nearest neighbour is not decayed

    rising = (slope * place).exp()
    past = (both * rising).cumsum(dim=2)
    past = F.pad(past[:, :, :-1], (0, 0, 1, 0)) * one_step / rising
    future = (both / rising).flip(2).cumsum(dim=2).flip(2)
    future = F.pad(future[:, :, 1:], (0, 0, 0, 1)) * one_step * rising

    value, total = (past + future + both * bonus.to(k.dtype).exp()).unbind(0)
    return value / total


class InvertedResidualRWKV(nn.Module):
    """RWKV spatial mixing, then channel mixing of ratio 1, each a residual (the paper's ir-rwkv; Vision-RWKV).

    Spatial: r, k, v from the shifted tokens; x + W_o (sigmoid(r) * wkv(k, v)). Channel: x + sigmoid(r) * W_v
    relu(W_k x)^2. Derived: ratio 1, seven m x m products a token, for they meet the printed 2.0 G. Choice: layer norm
    before each, one shift mix shared by r, k, v.
    Args:    x: (B, m, H, W), m a multiple of 4.
    Returns: (B, m, H, W).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.spatial_norm = nn.LayerNorm(dim, eps=1e-6)
        self.channel_norm = nn.LayerNorm(dim, eps=1e-6)
        self.spatial_shift = nn.Parameter(torch.full((dim,), 0.5))
        self.channel_shift = nn.Parameter(torch.full((dim,), 0.5))
        self.spatial_rkv = nn.Linear(dim, 3 * dim, bias=False)
        self.spatial_out = nn.Linear(dim, dim, bias=False)
        self.decay = nn.Parameter(torch.linspace(0.5, 8, dim))  # channels that look far, channels that look near
        self.bonus = nn.Parameter(torch.zeros(dim))
        self.channel_rk = nn.Linear(dim, 2 * dim, bias=False)
        self.channel_out = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        height_width = x.shape[2:]
        tokens = x.flatten(2).transpose(1, 2)  # B m H W -> B N m
        mixed = self._shifted(self.spatial_norm(tokens), self.spatial_shift, height_width)
        r, k, v = self.spatial_rkv(mixed).chunk(3, dim=-1)
        wkv = bidirectional_wkv(k, v, self.decay, self.bonus).to(r.dtype)
        tokens = tokens + self.spatial_out(r.sigmoid() * wkv)
        mixed = self._shifted(self.channel_norm(tokens), self.channel_shift, height_width)
        r, k = self.channel_rk(mixed).chunk(2, dim=-1)
        tokens = tokens + r.sigmoid() * self.channel_out(k.relu().square())
        return tokens.transpose(1, 2).unflatten(2, height_width)  # B N m -> B m H W

    @staticmethod
    def _shifted(tokens: Tensor, share: Tensor, height_width: torch.Size) -> Tensor:
        """share of each token itself, the rest of its shifted neighbours. tokens: (B, N, m)."""
        moved = shift_quarters(tokens.transpose(1, 2).unflatten(2, height_width)).flatten(2).transpose(1, 2)
        return moved + share * (tokens - moved)
