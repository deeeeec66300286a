"""This module is the network: a video encoder, a text encoder and an attribute projector that both use."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from data_pipeline.batches.batch import AnyArray, PairBatch, TextBatch, VideoBatch
from data_pipeline.levels import GLOBAL
from mcsan_jax.config import Config
from mcsan_jax.encodings import Encoding, LevelEmbeddings, ScoringParameters
from mcsan_jax.models.layers import Linear, masked_mean
from mcsan_jax.models.linear_branch import LinearBranch
from mcsan_jax.models.text_encoder import EncoderShape, TextEncoder
from mcsan_jax.models.video_encoder import VideoEncoder
from mcsan_jax.models.zero_shot_branch import GLOBAL_WEIGHT, ZeroShotBranch, ZeroShotShape


@dataclasses.dataclass(frozen=True)
class DataShape:
    """These are the sizes that the network takes from the data; the manifest of the prepared data states them.

    Attributes:
        vocabulary_size: the number of tokens.
        role_count: the number of roles.
        modifier_kind_count: the number of kinds of modifiers.
        frame_dim: the size of a frame's features.
        region_dim: the size of a region's features; 0 where there are no regions.
        attributes: pairs of a node level and the number of its attributes.
    """

    vocabulary_size: int
    role_count: int
    modifier_kind_count: int
    frame_dim: int
    region_dim: int
    attributes: tuple[tuple[str, int], ...]


class MCSAN(nn.Module):
    """The network encodes videos and captions on the same four levels; `mcsan_jax.scoring` compares them.

    The collection ``statistics`` holds the mean and standard deviation of the training features, so that a
    checkpoint standardises features by itself, and the constants of the linear branch.

    Attributes:
        config: the experiment; the network reads its groups ``data`` (sizes), ``model``, ``similarity`` and ``loss``.
        shape: the sizes that come from the data.
        pretrained: the sizes of the pretrained text encoder; None where the text encoder learns its own words.
        zero_shot: the sizes of the image-text encoder that made the frames; None where the network does not begin with
            its score.
    """

    config: Config
    shape: DataShape
    pretrained: EncoderShape | None = None
    zero_shot: ZeroShotShape | None = None

    def setup(self) -> None:
        model = self.config.model
        if not model.zero_shot_only:
            self.video_encoder = VideoEncoder(model)
            self.text_encoder = TextEncoder(
                model,
                self.shape.vocabulary_size,
                self.shape.role_count,
                self.shape.modifier_kind_count,
                self.config.data.max_actions,
                self.pretrained,
            )
        if self.zero_shot is not None:
            self.zero_shot_branch = ZeroShotBranch(
                self.zero_shot, model.levels, self.config.data.max_actions, model.compute_dtype
            )
        starts_at_zero = self.zero_shot is not None
        sizes = tuple(
            (level, size) for level, size in self.shape.attributes if level in model.levels and size
        )
        self.attribute_projector = AttributeProjector(sizes, model.compute_dtype, starts_at_zero)
        self.text_attribute_projector = (
            self.attribute_projector
            if model.share_attribute_projection
            else AttributeProjector(sizes, model.compute_dtype, starts_at_zero)
        )
        self.frame_statistics = Standardization(self.shape.frame_dim)
        if self.shape.region_dim:
            self.region_statistics = Standardization(self.shape.region_dim)
        if self.config.similarity.linear_branch:
            sentence_dim = 0
            # An encoder that learns would leave the map of its sentences behind.
            if self.config.encoder_is_frozen and not model.zero_shot_only:
                encoder = self.pretrained or (self.zero_shot and self.zero_shot.text)
                sentence_dim = encoder.width if encoder else 0
            self.linear_branch = LinearBranch(self.shape.frame_dim, self.shape.vocabulary_size, sentence_dim)
        first = 0.0 if self.zero_shot is None else jnp.log(GLOBAL_WEIGHT)
        self.level_weight_logits = self.param(
            "level_weight_logits",
            lambda _: jnp.array([first if level == GLOBAL else 0.0 for level in model.levels], jnp.float32),
        )
        self.log_temperature = self.param(
            "log_temperature", nn.initializers.constant(jnp.log(self.config.loss.temperature)), ()
        )

    def encode_videos(self, videos: VideoBatch, train: bool = False) -> Encoding:
        """Encodes stored features [v, f, d] as levels ([v, width], [v, f, width]) and attribute logits [v, a]."""
        features = jnp.asarray(videos.frames)
        frames = self.frame_statistics(features)
        regions = None
        if self.shape.region_dim and videos.regions is not None:
            regions = self.region_statistics(jnp.asarray(videos.regions))
        mask = jnp.asarray(videos.frame_mask)
        with jax.default_matmul_precision(self.config.model.matmul_precision):
            if self.zero_shot is None:
                embeddings = self.video_encoder(frames, mask, regions, train)
            else:
                alone = self.config.model.zero_shot_only
                learned = None if alone else self.video_encoder(frames, mask, regions, train)
                embeddings = self.zero_shot_branch.encode_videos(features, mask, learned)
            logits = self.attribute_projector(embeddings)
        if train or not self.config.similarity.linear_branch:
            return Encoding(embeddings, logits)
        return Encoding(embeddings, logits, self.linear_branch.encode_videos(frames, mask))

    def encode_texts(self, texts: TextBatch, train: bool = False) -> Encoding:
        """Encodes tokens and graphs as levels ([t, width], [t, n, width]) and attribute logits [t, a]."""
        with jax.default_matmul_precision(self.config.model.matmul_precision):
            embeddings, states = self._read(texts, train)
            logits = self.text_attribute_projector(embeddings)
        if train or not self.config.similarity.linear_branch:
            return Encoding(embeddings, logits)
        return Encoding(embeddings, logits, self.linear_branch.encode_texts(*_tokens(texts), states))

    def _read(self, texts: TextBatch, train: bool) -> tuple[LevelEmbeddings, Float[Array, "t w s"] | None]:
        """Returns the levels of captions, and the states that a published encoder gave to their tokens."""
        if self.zero_shot is None:
            return self.text_encoder(texts, train)
        model = self.config.model
        lends_states = model.context == "pretrained" and self.pretrained is None and not model.zero_shot_only
        spans, states = self.zero_shot_branch.read(texts, lends_states)
        learned = None
        if lends_states:
            texts = dataclasses.replace(texts, token_states=states)
        if not model.zero_shot_only:
            learned, states = self.text_encoder(texts, train)
        return self.zero_shot_branch.encode_texts(texts, spans, learned), states

    def linear_tokens(self, texts: TextBatch) -> tuple[Float[Array, "t w r"], Float[Array, "t w q"]]:
        """What each token adds to its caption's vector of the linear branch; of width 0 without a branch."""
        if not self.config.similarity.linear_branch:
            nothing = jnp.zeros((*texts.token_ids.shape, 0))
            return nothing, nothing
        with jax.default_matmul_precision(self.config.model.matmul_precision):
            _, states = self._read(texts, False)
        return self.linear_branch.encode_tokens(*_tokens(texts), states)

    def scoring_parameters(self) -> ScoringParameters:
        """Returns the level weights, which sum to one, the temperature, and the share of the linear branch.

        Weights and temperature are constants unless they are learned.
        """
        logits, log_temperature = self.level_weight_logits, self.log_temperature
        if not self.config.similarity.learn_level_weights:
            logits = jax.lax.stop_gradient(logits)
        if not self.config.loss.learn_temperature:
            log_temperature = jax.lax.stop_gradient(log_temperature)
        weights = jax.nn.softmax(logits)
        return ScoringParameters(
            {level: weights[i] for i, level in enumerate(self.config.model.levels)},
            # InfoNCE with a vanishing temperature is unstable; 0.01 is the bound of CLIP (Radford et al. 2021).
            jnp.exp(jnp.maximum(log_temperature, jnp.log(0.01))),
            self.linear_branch.share.value if self.config.similarity.linear_branch else None,
        )

    def encode_pairs(
        self, batch: PairBatch, train: bool = False
    ) -> tuple[Encoding, Encoding, Encoding | None]:
        """Returns the encodings of videos, captions and foils, if there are any; a foil is read beside its caption."""
        videos = self.encode_videos(batch.videos, train)
        if batch.foils is None:
            return videos, self.encode_texts(batch.texts, train), None

        # Captions and foils take turns, so that rows that are split over devices stay where they are.
        def in_turn(text: AnyArray, foil: AnyArray) -> Array:
            # No size is left to be inferred, because labels of a level without attributes are empty.
            return jnp.stack([text, foil], axis=1).reshape(2 * len(text), *text.shape[1:])

        both = self.encode_texts(jax.tree.map(in_turn, batch.texts, batch.foils), train)
        texts, foils = (
            jax.tree.map(lambda rows, one=one: rows.reshape(len(rows) // 2, 2, *rows.shape[1:])[:, one], both)
            for one in (0, 1)
        )
        return videos, texts, foils

    def __call__(self, batch: PairBatch, train: bool = False) -> tuple[Encoding, Encoding, ScoringParameters]:
        """Returns the encodings of the videos, those of the texts, and the scoring parameters."""
        return (
            self.encode_videos(batch.videos, train),
            self.encode_texts(batch.texts, train),
            self.scoring_parameters(),
        )


def _tokens(texts: TextBatch) -> tuple[Int[Array, "t w"], Bool[Array, "t w"], Bool[Array, "t w"]]:
    """Returns the ids of tokens, which are real, and which say what their captions deny."""
    return (
        jnp.asarray(texts.token_ids),
        jnp.asarray(texts.token_mask),
        jnp.asarray(texts.denied_tokens()),
    )


class AttributeProjector(nn.Module):
    """The cross-modal parameter-share attribute projection maps the mean of a level's vectors to attribute logits.

    Each level has its own affine map, from vectors [b, n, width] of b items to logits [b, a] over a attributes. What a
    caption denies is left out of the mean, as it is of the labels.

    Attributes:
        sizes: pairs of a node level and the number of its attributes.
        compute_dtype: the type of the inputs of its products, float32 or bfloat16.
        starts_at_zero: whether all logits begin as zero, which tells no video from another.
    """

    sizes: tuple[tuple[str, int], ...]
    compute_dtype: str = "float32"
    starts_at_zero: bool = False

    @nn.compact
    def __call__(self, embeddings: LevelEmbeddings) -> dict[str, Float[Array, "b a"]]:
        logits = {}
        for level, size in self.sizes:
            nodes = embeddings.nodes[level]
            pooled = masked_mean(nodes.vectors, nodes.affirmed)
            logits[level] = Linear(size, self.compute_dtype, self.starts_at_zero, name=level)(pooled)
        return logits


class Standardization(nn.Module):
    """This layer computes ``(x − mean) / standard deviation`` with constants that are stored, not learned.

    Attributes:
        dim: the size of a vector, which is the last axis of input and output.
    """

    dim: int

    @nn.compact
    def __call__(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
        mean = self.variable("statistics", "mean", jnp.zeros, (self.dim,))
        std = self.variable("statistics", "std", jnp.ones, (self.dim,))
        lead = (1,) * (x.ndim - 1)
        return (x.astype(jnp.float32) - mean.value.reshape(*lead, -1)) / std.value.reshape(*lead, -1)
