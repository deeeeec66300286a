"""The ranking loss."""

import torch


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
