"""Both encoders, the similarity and a training step."""

import dataclasses

import torch
from torch import nn

from benchmarks.peer.losses import triplet_loss
from benchmarks.peer.similarity import attended_similarity, fuse, global_similarity
from benchmarks.peer.text import Captions, TextEncoder
from benchmarks.peer.video import VideoEncoder


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Videos, each with its caption in the same row.

    Attributes:
        frames: features [video, frame, frame_dim].
        frame_mask: True for real frames [video, frame].
        captions: the captions.
    """

    frames: torch.Tensor
    frame_mask: torch.Tensor
    captions: Captions


class ThreeLevelModel(nn.Module):
    """Global, entity and action level.

    Args:
        video: encodes videos.
        text: encodes captions.
        renormalize: see `fuse`.
    """

    def __init__(self, video: VideoEncoder, text: TextEncoder, renormalize: bool = False) -> None:
        super().__init__()
        self.video, self.text = video, text
        self.renormalize = renormalize

    def forward(self, pairs: Pairs) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Fused scores, and those of each level [video, caption]."""
        of_video, of_text = self.video(pairs.frames, pairs.frame_mask), self.text(pairs.captions)
        split, mask = self.text.actions, pairs.captions.node_mask
        masks = {"entity": mask[:, split:], "action": mask[:, :split]}
        levels = {"global": global_similarity(of_video[0], of_text[0])}
        present = [mask.new_ones(len(mask))]
        for place, (level, node_mask) in enumerate(masks.items(), start=1):
            levels[level] = attended_similarity(of_video[place], pairs.frame_mask, of_text[place], node_mask)
            present.append(node_mask.any(dim=1))
        return fuse(list(levels.values()), present, self.renormalize), levels


def train_step(model: ThreeLevelModel, optimizer: torch.optim.Optimizer, pairs: Pairs) -> float:
    """One update with the triplet loss; returns the loss."""
    optimizer.zero_grad()
    loss = triplet_loss(model(pairs)[0])
    loss.backward()
    optimizer.step()
    return loss.item()
