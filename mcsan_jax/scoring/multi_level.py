"""This module scores every video and caption by each level alone, by their attributes, and by all of these fused."""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from mcsan_jax.config import Config, SimilarityConfig
from mcsan_jax.encodings import Encoding, ScoringParameters
from mcsan_jax.scoring.normalised import NormalisedTexts, NormalisedVideos, normalise_texts, normalise_videos
from mcsan_jax.scoring.similarity import attribute_agreement, fuse_levels, level_similarities
from mcsan_jax.scoring.vectors import product

ATTRIBUTES = "attributes"
LINEAR = "linear"
FUSED = "fused"

USUAL_ATTRIBUTE_SHARE = 0.3
"""Share of the attribute score that is tried where a model was trained without it."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Scores:
    """They are the matrix of fused scores, and those of the components of which it is made."""

    fused: Float[Array, "v t"]
    components: dict[str, Float[Array, "v t"]]


def score(
    videos: Encoding,
    texts: Encoding,
    parameters: ScoringParameters,
    config: SimilarityConfig,
    product_dtype: jnp.dtype | None = None,
) -> Scores:
    """Returns all similarity matrices of a set of videos and a set of captions, as they come from the encoders."""
    return score_normalised(
        normalise_videos(videos, product_dtype), normalise_texts(texts), parameters, config, product_dtype
    )


def score_normalised(
    videos: NormalisedVideos,
    texts: NormalisedTexts,
    parameters: ScoringParameters,
    config: SimilarityConfig,
    product_dtype: jnp.dtype | None = None,
) -> Scores:
    """Returns all similarity matrices of normalised videos and captions.

    The fused score is ``(1 − μ) Σ_l w_l S_l / Σ_l w_l + μ A`` with A the cosine of the attribute probabilities,
    averaged over the node levels at which a caption states something, and μ ``config.attribute_share``. Where the
    encodings have vectors of the linear branch, it is ``(1 − ν)`` times that plus ν times their product, with ν
    ``parameters.linear_share``.
    """
    components = score_components(videos, texts, config, config.attribute_share > 0, product_dtype)
    fused = fuse_components(components, texts, parameters, Fusion.as_trained(config))
    return Scores(fused, components)


def score_components(
    videos: NormalisedVideos,
    texts: NormalisedTexts,
    config: SimilarityConfig,
    with_attributes: bool,
    product_dtype: jnp.dtype | None = None,
) -> dict[str, Float[Array, "v t"]]:
    """Returns the score of every level, the linear score if there is one, and, if asked for, the attribute score."""
    components = level_similarities(videos, texts, config, product_dtype)
    if with_attributes and texts.attributes:
        agreement = {
            level: product("va,ta->vt", videos.attributes[level], texts.attributes[level], None)
            for level in texts.attributes
        }
        components[ATTRIBUTES] = attribute_agreement(agreement, texts.attributes)
    if videos.linear is not None and texts.linear is not None:
        components[LINEAR] = product("vr,tr->vt", videos.linear, texts.linear, None)
    return components


@dataclasses.dataclass(frozen=True)
class Fusion:
    """A fusion is a way to make one score of the components.

    Attributes:
        name: for tables.
        without: components that are left out.
        missing_levels: what becomes of a level that a caption lacks: renormalize, or zero.
        attribute_share: share of the attribute score.
    """

    name: str
    without: tuple[str, ...]
    missing_levels: str
    attribute_share: float

    @classmethod
    def as_trained(cls, config: SimilarityConfig) -> "Fusion":
        """Returns the way in which the model was trained."""
        return cls(FUSED, (), config.missing_levels, config.attribute_share)


def ablations(config: Config) -> tuple[Fusion, ...]:
    """Returns other ways to fuse a trained model's scores, from which one learns what each level is worth.

    Each level is left out, missing levels count in the other way, the linear branch is off, and the attribute score is
    off (or on).
    """
    as_trained = Fusion.as_trained(config.similarity)
    levels = config.model.levels if len(config.model.levels) > 1 else ()
    fusions = [dataclasses.replace(as_trained, name=f"without {level}", without=(level,)) for level in levels]
    name, other = "missing levels count as zero", "zero"
    if as_trained.missing_levels == other:
        name, other = "renormalized over a caption's levels", "renormalize"
    fusions.append(dataclasses.replace(as_trained, name=name, missing_levels=other))
    if config.similarity.linear_branch:
        fusions.append(dataclasses.replace(as_trained, name="without linear branch", without=(LINEAR,)))
    name, share = "without attributes", 0.0
    if as_trained.attribute_share == 0:
        name, share = f"with attributes ({USUAL_ATTRIBUTE_SHARE:g})", USUAL_ATTRIBUTE_SHARE
    return (*fusions, dataclasses.replace(as_trained, name=name, attribute_share=share))


def fuse_components(
    components: Mapping[str, Float[Array, "v t"]],
    texts: NormalisedTexts,
    parameters: ScoringParameters,
    fusion: Fusion,
) -> Float[Array, "v t"]:
    """Returns the fused score: level scores, mixed with the attribute score and the linear score if there are any."""
    kept = {name: scores for name, scores in components.items() if name not in fusion.without}
    fused = fuse_levels(kept, texts.presence(), parameters.level_weights, fusion.missing_levels)
    share = fusion.attribute_share
    if share > 0 and ATTRIBUTES in kept:
        fused = (1.0 - share) * fused + share * kept[ATTRIBUTES]
    if LINEAR in kept and parameters.linear_share is not None:
        fused = (1.0 - parameters.linear_share) * fused + parameters.linear_share * kept[LINEAR]
    return fused


def component_shares(
    names: Sequence[str], texts: NormalisedTexts, parameters: ScoringParameters, fusion: Fusion
) -> dict[str, Float[Array, " t"]]:
    """Returns how much the fused score of each text, which is linear in the components, grows with each of them.

    Args:
        names: the components, without the fused score.
        texts: which levels they have decides.
        parameters: level weights and the share of the linear branch.
        fusion: how the components are fused.
    """
    present = texts.presence()
    count = next(iter(present.values())).shape[0]
    weights = jax.tree.map(jnp.asarray, parameters)
    # Levels that are not asked for may count as well.
    ones = {
        name: jnp.broadcast_to(jnp.array([float(one == name) for one in names])[:, None], (len(names), count))
        for name in {*names, *present}
    }
    return dict(zip(names, fuse_components(ones, texts, weights, fusion), strict=True))
