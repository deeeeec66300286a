"""This module makes one vector of a video and one of a text, whose product is near their fused score.

The fused score is a weighted mean of components that are products themselves, but for the node levels. There, the score
of a video and a node is the cosine of the node and a mix of frames that depends on the node; here it is the product of
the node and the direction of *one* mix for all nodes, the mean of the frames Σ_f l_f U_f, times `NODE_FACTOR`.

The vector of a video is its pooled vector, these directions, its attributes and its vector of the linear branch, one
after the other. That of a text has the mean of its nodes for these directions, in which those that it denies have a
minus, and every part times its share of the fused score. The global level, the attributes and the linear branch are
exact.

Where all of these are more than `MOST_WIDTH` numbers, each component is cut to its share of them: to the directions in
which the first videos of the index vary most.
"""

import functools
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from data_pipeline.levels import GLOBAL
from mcsan_jax.config import SimilarityConfig
from mcsan_jax.encodings import ScoringParameters
from mcsan_jax.ranking.collection import CaptionNodes, TextCollection
from mcsan_jax.retrieval.embeddings import FrameVectors, VideoEmbeddings
from mcsan_jax.scoring.multi_level import ATTRIBUTES, LINEAR, Fusion, component_shares
from mcsan_jax.scoring.normalised import NormalisedTexts
from mcsan_jax.scoring.similarity import attribute_agreement
from mcsan_jax.scoring.vectors import TINY

MOST_WIDTH = 1024
"""The most numbers of a stage-1 vector."""

NODE_FACTOR = 0.7
"""By how much a level score grows with the product, below 1 where frames differ (measured: docs/search.md)."""

Bases = Mapping[str, Float[np.ndarray, "d w"]]
"""By component, the directions that are kept; empty where all are."""


def stage_one_videos(
    videos: VideoEmbeddings,
    parameters: ScoringParameters,
    config: SimilarityConfig,
    bases: Bases | None = None,
) -> Float[np.ndarray, "v w"]:
    """Returns the stage-1 vectors of videos.

    Args:
        videos: encoded videos.
        parameters: whether there is a share of the linear branch.
        config: how the model fuses components.
        bases: of the index, as `fit_bases` returns them.
    """
    return _joined(_parts_of_videos(videos, parameters, config), bases)


def stage_one_texts(
    texts: TextCollection, parameters: ScoringParameters, config: SimilarityConfig, bases: Bases | None = None
) -> Float[np.ndarray, "t w"]:
    """Returns the stage-1 vectors of texts.

    Args:
        texts: encoded texts.
        parameters: level weights and the share of the linear branch.
        config: how the model fuses components.
        bases: of the index whose videos are searched.
    """
    shares, parts = _shares(texts, parameters, config), _parts_of_texts(texts, parameters, config)
    factors = {name: NODE_FACTOR if name in texts.nodes else 1.0 for name in parts}
    return _joined({name: factors[name] * shares[name][:, None] * parts[name] for name in parts}, bases)


def fit_bases(
    videos: VideoEmbeddings, parameters: ScoringParameters, config: SimilarityConfig, most: int = MOST_WIDTH
) -> dict[str, np.ndarray]:
    """Returns the directions in which each component of videos is largest, as many as there is room for.

    They are the right singular vectors of the components: of all projections to as few numbers, that on them leaves out
    the least of these videos. Other videos lose more the less they resemble these.

    Args:
        videos: some of an index, best a few thousand.
        parameters: whether there is a share of the linear branch.
        config: how the model fuses components.
        most: width of a stage-1 vector.

    Returns:
        The bases; empty where all components fit as they are.
    """
    parts = _parts_of_videos(videos, parameters, config)
    total = sum(part.shape[1] for part in parts.values())
    if total <= most:
        return {}
    bases = {}
    for name, part in parts.items():
        _, directions = np.linalg.eigh(part.T.astype(np.float64) @ part)
        bases[name] = np.ascontiguousarray(
            directions[:, ::-1][:, : most * part.shape[1] // total], np.float32
        )
    return bases


def _joined(parts: Mapping[str, np.ndarray], bases: Bases | None) -> Float[np.ndarray, "n w"]:
    cut = [part @ bases[name] if bases else part for name, part in parts.items()]
    return np.concatenate(cut, axis=1, dtype=np.float32)


def _parts_of_videos(
    videos: VideoEmbeddings, parameters: ScoringParameters, config: SimilarityConfig
) -> dict[str, np.ndarray]:
    """Returns the vectors of each component, by its name, in an order that texts share."""
    linear = None if parameters.linear_share is None else videos.linear
    parts = {level: _mean_frame(frames) for level, frames in sorted(videos.frames.items())}
    return _in_order(videos.pooled, parts, videos.attributes, linear, config)


def _parts_of_texts(
    texts: TextCollection, parameters: ScoringParameters, config: SimilarityConfig
) -> dict[str, np.ndarray]:
    linear = None if parameters.linear_share is None else texts.linear
    parts = {level: _mean_node(nodes) for level, nodes in sorted(texts.nodes.items())}
    return _in_order(texts.pooled, parts, texts.attributes, linear, config)


def _in_order(
    pooled: np.ndarray | None,
    levels: dict[str, np.ndarray],
    attributes: Mapping[str, np.ndarray],
    linear: np.ndarray | None,
    config: SimilarityConfig,
) -> dict[str, np.ndarray]:
    parts = {} if pooled is None else {GLOBAL: np.asarray(pooled, np.float32)}
    parts |= levels
    if config.attribute_share > 0:
        parts |= {
            _attributes(level): np.asarray(attributes[level], np.float32) for level in sorted(attributes)
        }
    return parts if linear is None else {**parts, LINEAR: np.asarray(linear, np.float32)}


def _attributes(level: str) -> str:
    return f"{ATTRIBUTES}/{level}"


def _mean_frame(frames: FrameVectors) -> Float[np.ndarray, "v d"]:
    """Returns the direction of the mean of each video's frames; zero of videos without frames."""
    lengths = np.asarray(frames.lengths, np.float32)
    mean = np.einsum("vf,vfd->vd", lengths, np.asarray(frames.directions, np.float32))
    return mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), TINY)


def _mean_node(nodes: CaptionNodes) -> Float[np.ndarray, "t d"]:
    """Returns the mean of each text's nodes, denied ones with a minus; zero of texts without a node."""
    sums = np.zeros((len(nodes.counts), nodes.queries.shape[1]), np.float32)
    np.add.at(sums, np.repeat(np.arange(len(nodes.counts)), nodes.counts), nodes.signed)
    return sums / np.maximum(nodes.counts, 1)[:, None].astype(np.float32)


def _shares(
    texts: TextCollection, parameters: ScoringParameters, config: SimilarityConfig
) -> dict[str, Float[np.ndarray, " t"]]:
    """Returns how much the fused score of each text grows with each component."""
    size = 1 << max(len(texts) - 1, 0).bit_length()
    padded = texts.take(slice(0, len(texts)), size, texts.capacity_for(slice(0, len(texts))))
    found = jax.device_get(_compiled_shares(config)(padded, jax.tree.map(jnp.asarray, parameters)))
    return {name: shares[: len(texts)] for name, shares in found.items()}


@functools.cache
def _compiled_shares(config: SimilarityConfig) -> Any:
    fusion = Fusion.as_trained(config)

    def shares(texts: NormalisedTexts, parameters: ScoringParameters) -> dict[str, jax.Array]:
        with_attributes = config.attribute_share > 0 and bool(texts.attributes)
        names = [*texts.levels, *([ATTRIBUTES] if with_attributes else [])]
        names += [LINEAR] if texts.linear is not None else []
        found = component_shares(names, texts, parameters, fusion)
        if with_attributes:
            of_all, levels = found.pop(ATTRIBUTES), sorted(texts.attributes)
            for one in levels:
                alone = {level: jnp.full((1, len(of_all)), float(level == one)) for level in levels}
                found[_attributes(one)] = of_all * attribute_agreement(alone, texts.attributes)[0]
        return found

    return jax.jit(shares)
