"""The peer: both encoders, the direct similarity, the ranking loss and a training step.

The similarity builds and compares the attended vector of every video and node.
"""

import dataclasses

import torch
from torch import nn
from torch.nn import functional

from benchmarks.peer.encoders import Captions, TextEncoder, VideoEncoder

_EPSILON = 1e-12


def attended_similarity(
    frames: torch.Tensor,
    frame_mask: torch.Tensor,
    nodes: torch.Tensor,
    node_mask: torch.Tensor,
    smoothing: float = 4.0,
) -> torch.Tensor:
    """Mean over each caption's real nodes of their scores with each video; zero for captions without nodes.

    With s_f the cosines of a node and a video's frames, r̂ = ReLU(s) / ‖ReLU(s)‖ and a = softmax(λ r̂) over real
    frames, the score is the cosine of Σ_f a_f V_f and the node. Memory grows with videos · captions · nodes · width.

    Args:
        frames: [video, frame, width].
        frame_mask: True for real frames [video, frame]; every video has one.
        nodes: [caption, node, width].
        node_mask: True for real nodes [caption, node].
        smoothing: λ.

    Returns:
        Scores [video, caption].
    """
    captions, slots, width = nodes.shape
    flat = functional.normalize(nodes.reshape(captions * slots, width), dim=-1, eps=_EPSILON)
    directions = functional.normalize(frames, dim=-1, eps=_EPSILON)
    # [video, node, frame]
    cosines = functional.linear(directions, flat).transpose(1, 2)
    padding = ~frame_mask[:, None]
    positive = functional.normalize(torch.relu(cosines.masked_fill(padding, 0)), dim=-1, eps=_EPSILON)
    logits = (smoothing * positive).masked_fill(padding, -torch.inf)
    attended = torch.bmm(torch.softmax(logits, dim=-1), frames)
    lengths = torch.linalg.vector_norm(attended, dim=-1).clamp(min=_EPSILON)
    scores = torch.einsum("vmd,md->vm", attended, flat) / lengths
    weights = node_mask / node_mask.sum(dim=1, keepdim=True).clamp(min=1)
    return (scores.unflatten(1, (captions, slots)) * weights).sum(dim=-1)


def global_similarity(videos: torch.Tensor, captions: torch.Tensor) -> torch.Tensor:
    """Cosine of every video [video, width] and caption [caption, width]."""
    return functional.normalize(videos, dim=-1) @ functional.normalize(captions, dim=-1).T


def fuse(levels: list[torch.Tensor], present: list[torch.Tensor], renormalize: bool = False) -> torch.Tensor:
    """Mean of the levels' scores [video, caption].

    Args:
        levels: scores of each level, zero where a caption has nothing at it.
        present: per level, True for captions that have something at it [caption].
        renormalize: take the mean over the levels that a caption has, instead of all.
    """
    total = torch.stack(levels).sum(dim=0)
    return total / torch.stack(present).sum(dim=0) if renormalize else total / len(levels)


def triplet_loss(scores: torch.Tensor, margin: float = 0.2) -> torch.Tensor:
    """Bidirectional hinge loss with the hardest negative; Faghri et al. 2018, VSE++.

    Args:
        scores: [pair, pair], matched pairs on the diagonal.
        margin: by how much a matched pair is to stand above all others.
    """
    matched = scores.diagonal()
    others = scores.masked_fill(torch.eye(len(scores), dtype=torch.bool), -torch.inf)
    of_videos = torch.relu(margin - matched + others.amax(dim=1))
    of_captions = torch.relu(margin - matched + others.amax(dim=0))
    return (of_videos + of_captions).mean()


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
