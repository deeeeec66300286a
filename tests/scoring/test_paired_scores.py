"""Scores of captions with their own videos: those of plain loops, and the diagonal of the matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pipeline.levels import ACTION, ENTITY, GLOBAL
from mcsan_jax.config import SimilarityConfig
from mcsan_jax.encodings import Encoding, LevelEmbeddings, NodeSet
from mcsan_jax.scoring.normalised import normalise_texts, normalise_videos
from mcsan_jax.scoring.paired_scores import paired_attribute_scores, paired_level_scores
from mcsan_jax.scoring.similarity import level_similarities
from mcsan_jax.scoring.vectors import product_dtype
from tests.scoring import plain_formulas as plain
from tests.scoring.problem import draw_problem

CONFIG = SimilarityConfig(smoothing=3.0)
CAPTIONS = 3
"""Of each video."""
PROBLEM = draw_problem()
VIDEOS, WIDTH = len(PROBLEM.frames), PROBLEM.frames.shape[2]
DRAWN = np.random.default_rng(1)
POOLED = DRAWN.normal(size=(VIDEOS, WIDTH)), DRAWN.normal(size=(VIDEOS * CAPTIONS, WIDTH))
NODES = DRAWN.normal(size=(VIDEOS * CAPTIONS, 3, WIDTH))
REAL, NEGATED = (np.tile(mask, (VIDEOS, 1)) for mask in (PROBLEM.node_mask, PROBLEM.node_negated))
WEIGHTS = DRAWN.normal(size=(2, VIDEOS * CAPTIONS))
OWN = np.repeat(np.arange(VIDEOS), CAPTIONS), np.arange(VIDEOS * CAPTIONS)


def of_videos(pooled: jax.Array, frames: jax.Array) -> Encoding:
    return Encoding(LevelEmbeddings(pooled, {ENTITY: NodeSet(frames, jnp.asarray(PROBLEM.frame_mask))}), {})


def of_texts(pooled: jax.Array, nodes: jax.Array) -> Encoding:
    level = NodeSet(nodes, jnp.asarray(REAL), jnp.asarray(NEGATED))
    return Encoding(LevelEmbeddings(pooled, {ENTITY: level}), {})


def both(dtype: np.dtype | type) -> tuple[Encoding, Encoding]:
    """Videos of 4, 3, 1 and 0 frames, each with captions of 3, 1 and 0 nodes; padding holds numbers."""
    return (
        of_videos(jnp.asarray(POOLED[0], dtype), jnp.asarray(PROBLEM.frames, dtype)),
        of_texts(jnp.asarray(POOLED[1], dtype), jnp.asarray(NODES, dtype)),
    )


@jax.jit
def paired(videos: Encoding, texts: Encoding) -> dict[str, jax.Array]:
    return paired_level_scores(normalise_videos(videos), texts, CONFIG)


def expected(frames: np.ndarray, nodes: np.ndarray, pooled: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    result = np.zeros((2, VIDEOS * CAPTIONS))
    for video, text in zip(*OWN, strict=True):
        result[0, text] = plain.cosine(pooled[0][video], pooled[1][text])
        own = frames[video][PROBLEM.frame_mask[video]]
        for node in np.flatnonzero(REAL[text]):
            score = plain.attended_node(own, nodes[text, node], CONFIG.smoothing)
            result[1, text] += (-score if NEGATED[text, node] else score) / REAL[text].sum()
    return result


def test_they_are_those_of_plain_loops(precision: tuple[np.dtype, float]) -> None:
    dtype, tolerance = precision
    found = paired(*both(dtype))
    assert set(found) == {GLOBAL, ENTITY}
    result = np.stack([found[GLOBAL], found[ENTITY]])
    assert result.dtype == dtype
    np.testing.assert_allclose(result, expected(PROBLEM.frames, NODES, POOLED), atol=tolerance, rtol=0)


@pytest.mark.usefixtures("x64")
def test_their_gradient_is_that_of_plain_loops() -> None:
    videos, _ = both(np.float64)

    def total(frames: jax.Array, nodes: jax.Array, pooled: jax.Array) -> jax.Array:
        found = paired(of_videos(videos.embeddings.pooled, frames), of_texts(pooled, nodes))
        return jnp.sum(jnp.asarray(WEIGHTS) * jnp.stack([found[GLOBAL], found[ENTITY]]))

    def plain_total(frames: np.ndarray, nodes: np.ndarray, pooled: np.ndarray) -> float:
        return float(np.sum(WEIGHTS * expected(frames, nodes, (POOLED[0], pooled))))

    given = (PROBLEM.frames, NODES, POOLED[1])
    found = jax.jit(jax.grad(total, argnums=(0, 1, 2)))(*map(jnp.asarray, given))
    for place, gradient in enumerate(found):
        numeric = plain.numeric_gradient(
            lambda x, place=place: plain_total(*given[:place], x, *given[place + 1 :]), given[place]
        )
        np.testing.assert_allclose(gradient, numeric, atol=1e-8)
    assert not np.asarray(found[1])[~REAL].any()
    assert not np.asarray(found[0])[~PROBLEM.frame_mask].any()


def with_attributes(encoding: Encoding, nodes: dict[str, NodeSet], logits: dict[str, jax.Array]) -> Encoding:
    return Encoding(LevelEmbeddings(encoding.embeddings.pooled, nodes), logits)


def agreeing(logits: dict[str, jax.Array]) -> jax.Array:
    """Captions with attributes at two levels: at actions only the first states something, and denies one node."""
    videos, texts = both(np.float64)
    own = {
        side: {level: logits[f"{side} {level}"] for level in (ENTITY, ACTION)} for side in ("video", "text")
    }
    frames, nodes = videos.embeddings.nodes[ENTITY], texts.embeddings.nodes[ENTITY]
    actions = NodeSet(nodes.vectors[:, :2], jnp.asarray(ACTIONS), jnp.asarray(DENIED))
    return paired_attribute_scores(
        normalise_videos(with_attributes(videos, {ENTITY: frames, ACTION: frames}, own["video"])),
        with_attributes(texts, {ENTITY: nodes, ACTION: actions}, own["text"]),
    )


ACTIONS, DENIED = np.zeros((2, VIDEOS * CAPTIONS, 2), bool)
ACTIONS[:2], DENIED[0, 1], DENIED[1] = True, True, True


@pytest.mark.usefixtures("x64")
def test_of_attributes_they_are_the_mean_agreement_where_something_is_stated() -> None:
    counts = {"video": VIDEOS, "text": VIDEOS * CAPTIONS}
    logits = {
        f"{side} {level}": DRAWN.normal(size=(count, width))
        for side, count in counts.items()
        for level, width in ((ENTITY, 5), (ACTION, 4))
    }
    stated = {ENTITY: (REAL & ~NEGATED).any(axis=1), ACTION: (ACTIONS & ~DENIED).any(axis=1)}

    def expected_agreement(logits: dict[str, np.ndarray]) -> np.ndarray:
        result = np.zeros(VIDEOS * CAPTIONS)
        for video, text in zip(*OWN, strict=True):
            levels = [level for level in stated if stated[level][text]]
            for level in levels:
                rows = logits[f"video {level}"][[video]], logits[f"text {level}"][[text]]
                result[text] += plain.agreement(*rows)[0, 0] / len(levels)
        return result

    found = jax.jit(agreeing)({name: jnp.asarray(values) for name, values in logits.items()})
    np.testing.assert_allclose(found, expected_agreement(logits), atol=1e-12, rtol=0)
    assert found[0] > 0 and not np.asarray(found)[~(stated[ENTITY] | stated[ACTION])].any()
    gradient = jax.jit(jax.grad(lambda logits: jnp.sum(jnp.asarray(WEIGHTS[0]) * agreeing(logits))))(
        {name: jnp.asarray(values) for name, values in logits.items()}
    )
    for name, values in logits.items():
        numeric = plain.numeric_gradient(
            lambda x, name=name: float(np.sum(WEIGHTS[0] * expected_agreement({**logits, name: x}))), values
        )
        np.testing.assert_allclose(gradient[name], numeric, atol=1e-8)


@pytest.mark.parametrize(("compute", "tolerance"), [("float32", 1e-6), ("bfloat16", 2e-3)])
def test_they_are_the_diagonal_of_the_matrix(compute: str, tolerance: float) -> None:
    """Frames that are not all short of each other, and frames that cancel."""
    videos, texts = both(np.float32)
    opposite = videos.embeddings.nodes[ENTITY].vectors.at[0, 1].set(-PROBLEM.frames[0, 0].astype(np.float32))
    videos = of_videos(videos.embeddings.pooled, opposite)
    dtype = product_dtype(compute)

    @jax.jit
    def of_both_forms(videos: Encoding, texts: Encoding) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        normalised = normalise_videos(videos, dtype)
        matrix = level_similarities(normalised, normalise_texts(texts), CONFIG, dtype)
        return paired_level_scores(normalised, texts, CONFIG, dtype), matrix

    found, matrix = of_both_forms(videos, texts)
    for level, scores in found.items():
        np.testing.assert_allclose(scores, matrix[level][OWN], atol=tolerance, rtol=0)
