"""Containers with one array for each level: what encoders return and scoring takes."""

import dataclasses

import jax
from jaxtyping import Array, Bool, Float

from data_pipeline.levels import GLOBAL, LEVELS


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class NodeSet:
    """Several vectors per item, padded: the frames of videos or the graph nodes of captions.

    Attributes:
        vectors: of the nodes.
        mask: True for real nodes.
        negated: True for nodes that a caption denies, whose scores are taken off; None where no node can be denied.
    """

    vectors: Float[Array, "item node d"]
    mask: Bool[Array, "item node"]
    negated: Bool[Array, "item node"] | None = None

    @property
    def affirmed(self) -> Bool[Array, "item node"]:
        """Returns which nodes are real and not denied."""
        return self.mask if self.negated is None else self.mask & ~self.negated


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LevelEmbeddings:
    """What an encoder returns: one vector for the global level, a `NodeSet` for every other level.

    A level that is switched off is absent: ``pooled`` is None, or ``nodes`` lacks its name.
    """

    pooled: Float[Array, "item d"] | None
    nodes: dict[str, NodeSet]

    @property
    def levels(self) -> tuple[str, ...]:
        """Names of the levels present, in the order of `LEVELS`."""
        present = set(self.nodes) | ({GLOBAL} if self.pooled is not None else set())
        return tuple(level for level in LEVELS if level in present)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Encoding:
    """Everything that scoring needs of one modality.

    Attributes:
        embeddings: of the levels.
        attribute_logits: of each node level.
        linear: vectors of the linear branch; None without one, and in training, which they have no part in.
    """

    embeddings: LevelEmbeddings
    attribute_logits: dict[str, Float[Array, "item a"]]
    linear: Float[Array, "item r"] | None = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ScoringParameters:
    """The numbers that turn encodings into scores.

    Attributes:
        level_weights: of each level; they sum to one.
        temperature: of InfoNCE.
        linear_share: share of the linear branch in the fused score; None without a branch.
    """

    level_weights: dict[str, Float[Array, ""]]
    temperature: Float[Array, ""]
    linear_share: Float[Array, ""] | None = None
