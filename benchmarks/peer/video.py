"""The video side: a projection of each frame per level."""

import torch
from torch import nn

from benchmarks.peer.layers import AttentionPooling


class VideoEncoder(nn.Module):
    """Frames to a global vector and to one entity and one action vector per frame.

    Args:
        frame_dim: size of a frame's feature vector.
        width: size of the vectors that come out.
        dropout: share of the inputs set to zero in training.
    """

    def __init__(self, frame_dim: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.clip = nn.Linear(frame_dim, width)
        self.entity = nn.Linear(frame_dim, width)
        self.action = nn.Linear(frame_dim, width)
        self.pooling = AttentionPooling(width)

    def forward(
        self, frames: torch.Tensor, frame_mask: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Global [video, width], entity and action vectors [video, frame, width].

        Args:
            frames: features [video, frame, frame_dim].
            frame_mask: True for real frames [video, frame].
        """
        frames = self.dropout(frames)
        return self.pooling(self.clip(frames), frame_mask), self.entity(frames), self.action(frames)
