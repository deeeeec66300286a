"""This module makes a model into three StableHLO programs: the encoder of videos, that of texts, and the fused score.

Their parameters are in them, and the numbers of videos and of texts are symbolic. Inputs and outputs are arrays in
nested dictionaries; to other languages they are a list, in the order of the sorted names.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from data_pipeline.batches.batch import PairBatch, TextBatch, VideoBatch
from mcsan_jax.encodings import NodeSet
from mcsan_jax.retrieval.embeddings import VideoEmbeddings
from mcsan_jax.scoring.frame_attention import FrameSet
from mcsan_jax.scoring.multi_level import score_normalised
from mcsan_jax.scoring.normalised import (
    NormalisedTexts,
    NormalisedVideos,
    normalise_texts,
    normalise_videos,
    pack_nodes,
)
from mcsan_jax.scoring.vectors import normalize, product_dtype

if TYPE_CHECKING:
    # It imports flax, which the programs do without.
    from mcsan_jax.models.mcsan import MCSAN

Arrays = dict[str, Any]
"""Arrays by their names, nested."""

VIDEOS, TEXTS, SCORE = "videos", "texts", "score"
_UNREAD = ("labels", "caption_group", "token_states", "span_embeddings")
"""Fields of batches that only a training reads."""


def make_programs(network: "MCSAN", variables: Any, example: PairBatch) -> dict[str, jax.export.Exported]:
    """Traces the network and the score for the kind of device that is at hand.

    * ``videos``: `batch_inputs` of a `VideoBatch` to `video_arrays`;
    * ``texts``: `batch_inputs` of a `TextBatch` to unit vectors of the global level ``pooled`` [t, d], of the nodes of
      each other level ``nodes`` (``vectors`` [t, n, d], ``mask`` [t, n], True for real ones, and ``negated`` [t, n],
      True for those that the text denies) and of the attributes ``attributes`` [t, a], and the vectors ``linear``
      [t, r] of the linear branch;
    * ``score``: the results of both to the fused score [t, v].

    Args:
        network: the network, with its configuration.
        variables: its parameters and statistics.
        example: a batch of the sizes to which batches are padded.
    """
    constants = jax.tree.map(jnp.asarray, jax.device_get(variables))
    similarity = network.config.similarity
    dtype = product_dtype(network.config.model.compute_dtype)

    def videos(batch: Arrays) -> Arrays:
        encoded: Any = network.apply(constants, VideoBatch(**batch, labels={}), method=network.encode_videos)
        return video_arrays(normalise_videos(encoded, dtype))

    def texts(batch: Arrays) -> Arrays:
        groups = jnp.zeros(batch["token_ids"].shape[0], jnp.int32)
        encoded: Any = network.apply(
            constants, TextBatch(**batch, labels={}, caption_group=groups), method=network.encode_texts
        )
        normalised = normalise_texts(encoded)
        nodes = {
            level: {
                "vectors": normalize(jnp.where(own.mask[..., None], own.vectors, 0.0)),
                "mask": own.mask,
                "negated": own.negated,
            }
            for level, own in encoded.embeddings.nodes.items()
        }
        return {
            "pooled": normalised.pooled,
            "nodes": nodes,
            "attributes": normalised.attributes,
            "linear": normalised.linear,
        }

    def score(videos: Arrays, texts: Arrays) -> Float[Array, "t v"]:
        frames = {level: FrameSet(**arrays) for level, arrays in videos["frames"].items()}
        of_videos = NormalisedVideos(videos["pooled"], frames, videos["attributes"], videos["linear"])
        parameters: Any = network.apply(constants, method=network.scoring_parameters)

        def of_one_text(text: Arrays) -> Float[Array, " v"]:
            one = jax.tree.map(lambda array: array[None], text)
            nodes = {level: pack_nodes(NodeSet(**own)) for level, own in one["nodes"].items()}
            of_text = NormalisedTexts(one["pooled"], nodes, one["attributes"], one["linear"])
            return score_normalised(of_videos, of_text, parameters, similarity, dtype).fused[:, 0]

        # The frames of all videos meet the nodes of one text at a time, which bounds the memory.
        return jax.lax.map(of_one_text, texts)

    t, v = jax.export.symbolic_shape("t, v")
    of_videos = _exported(videos, _with_rows(batch_inputs(example.videos), v))
    of_texts = _exported(texts, _with_rows(batch_inputs(example.texts), t))
    results = [
        _with_rows(jax.tree.unflatten(program.out_tree, program.out_avals), rows)
        for program, rows in ((of_videos, v), (of_texts, t))
    ]
    return {VIDEOS: of_videos, TEXTS: of_texts, SCORE: _exported(score, *results)}


def batch_inputs(batch: VideoBatch | TextBatch) -> Arrays:
    """Returns what the encoders read of a batch, by the names of its fields."""
    return {name: value for name, value in vars(batch).items() if name not in _UNREAD}


def video_arrays(videos: NormalisedVideos | VideoEmbeddings) -> Arrays:
    """Returns the arrays of encoded videos by the names of their fields, without ids and times."""
    return {
        "pooled": videos.pooled,
        "frames": {level: vars(frames) for level, frames in videos.frames.items()},
        "attributes": videos.attributes,
        "linear": videos.linear,
    }


def _exported(function: Callable[..., Any], *shapes: Arrays) -> jax.export.Exported:
    # Without it, what the function does not read would be no argument of the program.
    return jax.export.export(jax.jit(function, keep_unused=True))(*shapes)


def _with_rows(tree: Arrays, rows: Any) -> Arrays:
    """Returns the shapes of arrays with another number of rows."""
    return jax.tree.map(lambda array: jax.ShapeDtypeStruct((rows, *array.shape[1:]), array.dtype), tree)
