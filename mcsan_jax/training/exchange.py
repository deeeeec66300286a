"""Inside `jax.shard_map`, this module lets the videos of one device meet the captions of all devices.

Captions travel, because they are small: a caption has some ten vectors, against twenty frames on three levels of a
video. Frames never leave their device, in either form:

* gather: every device receives all captions, packs their nodes together and scores its videos once;
* ring: captions go round from device to device, and each scores its videos with those that it holds at the time. No
  device ever holds the captions of more than two; the backward pass sends them round once more, together with
  their gradient, which comes home complete.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mcsan_jax.encodings import Encoding, ScoringParameters
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos, normalise_texts

PairScorer = Callable[[NormalisedVideos, NormalisedTexts, ScoringParameters], Float[Array, "v t"]]
"""Scores all given videos and captions with each other."""

Leaves = list[Array]

LeafScorer = Callable[[Leaves, Leaves, Leaves, ScoringParameters], Float[Array, "v t"]]
"""Does the same with arrays: those of the videos, and those of the captions with a gradient and without one."""


def gathered_scores(
    score: PairScorer, axis: str, videos: NormalisedVideos, texts: Encoding, parameters: ScoringParameters
) -> Float[Array, "own_v t"]:
    """Scores this device's videos with the captions of all devices, which it gathers.

    Args:
        score: the function that scores videos and captions.
        axis: the axis of the mesh, over which both are split.
        videos: the videos of this device [own_v].
        texts: the captions of this device.
        parameters: the level weights and the temperature.

    Returns:
        The scores of this device's videos and all captions, in the order of the devices.
    """
    everyone = jax.lax.all_gather(texts, axis, tiled=True)
    return score(videos, normalise_texts(everyone), parameters)


def ring_scores(
    score: PairScorer, axis: str, videos: NormalisedVideos, texts: Encoding, parameters: ScoringParameters
) -> Float[Array, "own_v t"]:
    """Returns what `gathered_scores` does, while the captions go round from device to device."""
    of_videos, video_kind = jax.tree.flatten(videos)
    of_texts, text_kind = jax.tree.flatten(normalise_texts(texts))
    # The others are indices and masks.
    has_gradient = [bool(jnp.issubdtype(leaf.dtype, jnp.floating)) for leaf in of_texts]
    vectors, rest = (
        [leaf for leaf, has in zip(of_texts, has_gradient, strict=True) if has == wanted]
        for wanted in (True, False)
    )

    def score_leaves(videos: Leaves, vectors: Leaves, rest: Leaves, parameters: ScoringParameters) -> Array:
        halves = {True: iter(vectors), False: iter(rest)}
        joined = [next(halves[has]) for has in has_gradient]
        return score(
            jax.tree.unflatten(video_kind, videos), jax.tree.unflatten(text_kind, joined), parameters
        )

    varying = jax.tree.map(lambda leaf: jax.lax.pcast(leaf, axis, to="varying"), parameters)
    return _ring(score_leaves, axis, of_videos, vectors, rest, varying)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _ring(
    score: LeafScorer,
    axis: str,
    videos: Leaves,
    vectors: Leaves,
    rest: Leaves,
    parameters: ScoringParameters,
) -> Float[Array, "own_v t"]:
    def hop(texts: Any, _: None) -> tuple[Any, Array]:
        vectors, rest = texts
        return _pass_on(texts, axis), score(videos, vectors, rest, parameters)

    _, blocks = jax.lax.scan(hop, (vectors, rest), None, length=jax.lax.axis_size(axis))
    by_owner = blocks[_hops(axis)]
    return by_owner.transpose(1, 0, 2).reshape(by_owner.shape[1], -1)


def _ring_forward(score: LeafScorer, axis: str, *arguments: Any) -> tuple[Array, Any]:
    return _ring(score, axis, *arguments), arguments


def _ring_backward(
    score: LeafScorer, axis: str, arguments: Any, cotangent: Array
) -> tuple[Any, Any, None, Any]:
    videos, vectors, rest, parameters = arguments
    devices = jax.lax.axis_size(axis)
    of_owners = cotangent.reshape(cotangent.shape[0], devices, -1).transpose(1, 0, 2)

    def hop(carry: Any, of_block: Array) -> tuple[Any, None]:
        own, (vectors, rest, gradient) = carry
        _, pull = jax.vjp(lambda v, t, p: score(v, t, rest, p), videos, vectors, parameters)
        of_videos, of_vectors, of_parameters = pull(of_block)
        own = jax.tree.map(jnp.add, own, (of_videos, of_parameters))
        gradient = jax.tree.map(jnp.add, gradient, of_vectors)
        return (own, _pass_on((vectors, rest, gradient), axis)), None

    start = (_zeros((videos, parameters)), (vectors, rest, _zeros(vectors)))
    (own, (_, _, gradient)), _ = jax.lax.scan(hop, start, of_owners[_hops(axis)])
    return own[0], gradient, None, own[1]


_ring.defvjp(_ring_forward, _ring_backward)


def _zeros(tree: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, tree)


def _pass_on(texts: Any, axis: str) -> Any:
    """Sends captions to the next device and returns those of the device before."""
    devices = jax.lax.axis_size(axis)
    return jax.lax.ppermute(texts, axis, [(here, (here + 1) % devices) for here in range(devices)])


def _hops(axis: str) -> Array:
    """Returns after how many hops the captions of each device arrive here, int32 [devices].

    Read the other way, the same numbers say whose captions are here after each hop.
    """
    devices = jax.lax.axis_size(axis)
    return (jax.lax.axis_index(axis) - jnp.arange(devices, dtype=jnp.int32)) % devices
