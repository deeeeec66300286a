"""The direct similarity: for every video and node the attended vector is built and compared."""

import torch
from torch.nn import functional

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
