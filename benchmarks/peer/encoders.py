"""Both encoders of the peer.

The text side is a bidirectional GRU over words, then one layer of attention over the caption's graph; the video side
is a projection of each frame per level.
"""

import dataclasses

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class AttentionPooling(nn.Module):
    """``Σ_i softmax_i(w · h_i) h_i`` over real items."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Linear(width, 1, bias=False)

    def forward(self, h: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Pools [batch, item, width] to [batch, width]; every row has a real item."""
        logits = self.weight(h)[..., 0].masked_fill(~mask, -torch.inf)
        return torch.bmm(torch.softmax(logits, dim=1)[:, None], h)[:, 0]


@dataclasses.dataclass(frozen=True)
class Captions:
    """Padded captions; action slots come before entity slots.

    Attributes:
        token_ids: [caption, word].
        lengths: number of words [caption], on the CPU, one at least.
        node_spans: first word and one past the last word of each node [caption, node, 2].
        node_roles: [caption, node].
        node_mask: True for real nodes [caption, node].
        neighbours: True where a node attends to another one [caption, node, node].
    """

    token_ids: torch.Tensor
    lengths: torch.Tensor
    node_spans: torch.Tensor
    node_roles: torch.Tensor
    node_mask: torch.Tensor
    neighbours: torch.Tensor


class TextEncoder(nn.Module):
    """Captions to a global vector and to vectors of their action and entity nodes.

    Args:
        vocabulary: number of words.
        roles: number of roles.
        word_width: size of a word's embedding.
        width: size of the vectors that come out.
        actions: action slots of a caption.
        dropout: share of the values set to zero in training.
    """

    def __init__(
        self, vocabulary: int, roles: int, word_width: int, width: int, actions: int, dropout: float
    ) -> None:
        super().__init__()
        self.actions = actions
        self.dropout = nn.Dropout(dropout)
        self.words = nn.Embedding(vocabulary, word_width)
        self.gru = nn.GRU(word_width, width, batch_first=True, bidirectional=True)
        self.pooling = AttentionPooling(width)
        self.roles = nn.Embedding(roles, width)
        self.graph = GraphAttention(width, dropout)

    def forward(self, captions: Captions) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Global [caption, width], entity and action vectors [caption, slot, width]."""
        states, token_mask = self.word_states(captions)
        sentence = self.pooling(states, token_mask)
        nodes = max_over_spans(states, captions.node_spans) * self.roles(captions.node_roles)
        nodes = torch.cat([nodes, sentence[:, None]], dim=1)
        nodes = self.graph(nodes, with_sentence(captions.neighbours, self.actions))
        return nodes[:, -1], nodes[:, self.actions : -1], nodes[:, : self.actions]

    def word_states(self, captions: Captions) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean of both directions' states [caption, word, width], and which words are real."""
        words = self.dropout(self.words(captions.token_ids))
        packed = pack_padded_sequence(words, captions.lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True)
        longest = states.shape[1]
        mask = torch.arange(longest)[None] < captions.lengths[:, None]
        return states.unflatten(-1, (2, -1)).mean(dim=-2), mask.to(states.device)


class GraphAttention(nn.Module):
    """Scaled dot-product attention among neighbours, a residual connection and LayerNorm."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.query = nn.Linear(width, width // 2)
        self.key = nn.Linear(width, width // 2)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, nodes: torch.Tensor, neighbours: torch.Tensor) -> torch.Tensor:
        """New vectors of nodes [caption, node, width], given who attends to whom [caption, node, node]."""
        query = self.query(nodes) * self.key.out_features**-0.5
        logits = torch.bmm(query, self.key(nodes).transpose(1, 2))
        # A large finite number: a padded node attends to nothing, and its vector is not used.
        weights = torch.softmax(logits.masked_fill(~neighbours, -1e30), dim=-1)
        return self.norm(nodes + self.dropout(self.output(torch.bmm(weights, nodes))))


def max_over_spans(states: torch.Tensor, spans: torch.Tensor) -> torch.Tensor:
    """Maximum over each node's words of their states: [caption, word, width] to [caption, node, width].

    Only the words of spans are gathered; a span shorter than the longest one repeats its last word.
    """
    start, end = spans[..., :1], spans[..., 1:]
    last = (end - 1).clamp(min=0)
    words = torch.minimum(start + torch.arange(int((end - start).max().clamp(min=1))), last)
    rows = torch.arange(len(states))[:, None, None]
    return states[rows, words].amax(dim=2)


def with_sentence(neighbours: torch.Tensor, actions: int) -> torch.Tensor:
    """Adds the sentence as last node: actions attend to it, it attends to itself."""
    extended = nn.functional.pad(neighbours, (0, 1, 0, 1))
    extended[:, :actions, -1] = True
    extended[:, -1, -1] = True
    return extended


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
