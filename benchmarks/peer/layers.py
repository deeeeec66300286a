"""What both encoders of the peer use."""

import torch
from torch import nn


class AttentionPooling(nn.Module):
    """``Σ_i softmax_i(w · h_i) h_i`` over real items."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Linear(width, 1, bias=False)

    def forward(self, h: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Pools [batch, item, width] to [batch, width]; every row has a real item."""
        logits = self.weight(h)[..., 0].masked_fill(~mask, -torch.inf)
        return torch.bmm(torch.softmax(logits, dim=1)[:, None], h)[:, 0]
