"""Attention over all tokens, whose products grow with the square of their number: two twins of the neural memory."""

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["NonLocal", "SelfAttention"]


class SelfAttention(nn.Module):
    """Multi-head self-attention (Vaswani et al. 2017): softmax(q k^T / sqrt(m / heads)) v, then a projection.

    Choice: q, k, v without bias as in the memory, the output projection with one.
    Args:    x: (B, N, m).
    Returns: (B, N, m).
    """

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        # B N 3m -> 3 times B heads N m/heads
        q, k, v = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.proj(y.transpose(1, 2).flatten(2))


class NonLocal(nn.Module):
    """The non-local block, embedded Gaussian (Wang et al. 2018): x + W_z softmax(theta phi^T) g.

    Derived: inner width m / 2 and no subsampling, for only that meets the printed 3.0 G. Choice: no batch norm, which
    the source puts behind W_z; W_z starts as other layers do.
    Args:    x: (B, N, m).
    Returns: (B, N, m).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        inner = dim // 2
        self.theta_phi_g = nn.Linear(dim, 3 * inner)
        self.w_z = nn.Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        theta, phi, g = self.theta_phi_g(x)[:, None].chunk(3, dim=-1)  # each B 1 N m/2: one head
        y = F.scaled_dot_product_attention(theta, phi, g, scale=1.0)  # the source does not scale
        return x + self.w_z(y.squeeze(1))
