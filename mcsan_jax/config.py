"""The typed configuration of an experiment: config files build on `defaults`, and `from_config_dict` checks them."""

import dataclasses
from typing import Annotated, Any, Literal

import ml_collections
from pydantic import Field, StrictBool, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from data_pipeline.host.typed_values import (
    RULES,
    Count,
    NonNegative,
    Positive,
    ProperShare,
    Share,
    Size,
    parse,
)
from mcsan_jax.models.model_config import ModelConfig


@dataclass(frozen=True, config=RULES)
class DataConfig:
    """Prepared data and the sizes of a batch's arrays."""

    dir: str = ""
    """Folder written by `python -m data_pipeline.prepare`."""
    made_from: Literal["", "moving_shapes", "crowded_shapes"] = ""
    """Name of an embedded data set that is made when `dir` does not exist yet; empty for none."""
    prepare_hint: str = ""
    """What to download, and the command that prepares it; shown when `dir` holds no prepared data."""
    train_split: str = "train"
    validation_split: str = "val"
    """Split that chooses the best checkpoint."""
    test_split: str = "test"
    """Split that reports and comparisons show unless another is named; the validation split where the data has none."""
    max_frames: Count = 20
    """Frames of a video in a batch; of longer videos a uniform sample."""
    max_tokens: Size = 30
    """Tokens of a caption in a batch; longer captions are cut. 0 here and below: what 99 of 100 captions need."""
    max_actions: Size = 4
    """Action nodes of a caption in a batch; others are left out."""
    max_entities: Size = 6
    """Entity nodes of a caption in a batch; others are left out."""
    max_relationships: Size = 8
    """Edges of a caption's graph in a batch; others are left out."""
    max_modifiers: Size = 8
    """Modifiers of a caption's nodes in a batch; others are left out."""
    shuffle_buffer: Count = 4096
    """Records held in memory to be shuffled."""
    cache: StrictBool = False
    """Keeps the training records that a process reads in memory, as many bytes as they have on disk; same order."""
    prefetch: Size = 2
    """Batches that are on the devices already while a step runs."""

    @property
    def limits(self) -> dict[str, int]:
        """How much of a caption is read, by `data_pipeline.manifest.CAPTION_PARTS`; 0 leaves it to the data."""
        parts = ("tokens", "actions", "entities", "relationships", "modifiers")
        return {part: getattr(self, f"max_{part}") for part in parts}

    def with_limits(self, limits: dict[str, int]) -> "DataConfig":
        """The same with these limits where they are left to the data."""
        chosen: dict[str, Any] = {f"max_{name}": own or limits[name] for name, own in self.limits.items()}
        return dataclasses.replace(self, **chosen)


@dataclass(frozen=True, config=RULES)
class SimilarityConfig:
    """How the levels become one score."""

    smoothing: NonNegative = 4.0
    """λ of the attention over frames; 0 attends to all alike."""
    learn_level_weights: StrictBool = False
    """Softmax weights learned with the network; False keeps them as they begin: uniform without pretrained_video."""
    missing_levels: Literal["renormalize", "zero"] = "renormalize"
    """Renormalize over the levels that a caption has, or count a missing level as zero."""
    attribute_share: ProperShare = 0.0
    """Share of the attribute agreement in the fused score."""
    linear_branch: StrictBool = False
    """A closed-form map is fitted before training and joins the fused score, with a share that validation chooses."""
    cosine_bytes: Size = 0
    """Bytes of the cosines that are held at a time; 0 takes what suits the device."""


@dataclass(frozen=True, config=RULES)
class LossConfig:
    """Ranking loss, focal binary cross-entropy and divergence of attributes."""

    ranking: Literal["info_nce", "triplet", "none"] = "info_nce"
    positives: Literal["separate", "outside", "inside"] = "separate"
    """InfoNCE with several positives: separate (each against negatives alone), or Khosla et al.'s L_out or L_in."""
    margin: NonNegative = 0.2
    """Amount by which a triplet's positive should score above its negative."""
    hardest_negative: StrictBool = True
    """Only the hardest negative of the batch counts in a triplet; False sums over all negatives."""
    temperature: Annotated[float, Field(strict=True, ge=0.01)] = 0.07
    """InfoNCE divides scores by it; a learned one, too, stays above the bound."""
    learn_temperature: StrictBool = True
    """The temperature is learned with the network, from `temperature` on; False keeps it."""
    focal_weight: NonNegative = 0.1
    """Weight of the focal binary cross-entropy; 0 switches it off."""
    focal_alpha: Share = 0.5
    """Weight of the present attributes in the focal binary cross-entropy; absent ones have the rest."""
    focal_gamma: NonNegative = 2.0
    """Exponent that plays down attributes that are predicted well; 0 plays down none."""
    divergence_weight: NonNegative = 0.1
    """Weight of the KL divergence; 0 switches it off."""
    divergence_direction: Literal["text_to_video", "video_to_text", "symmetric"] = "text_to_video"
    """KL(text ‖ video) for text_to_video, KL(video ‖ text) for video_to_text, and the mean of both for symmetric."""
    divergence_temperature: Positive = 1.0
    """The KL divergence divides attribute logits by it."""
    divergence_stop_gradient: StrictBool = False
    """The target of the KL divergence gets no gradient."""
    foils: NonNegative = 0.0
    """Weight of the loss on foils, captions made false by `prepare --foils`; 0 switches it off."""


@dataclass(frozen=True, config=RULES)
class OptimConfig:
    """AdamW with linear warm-up and cosine decay."""

    learning_rate: Positive = 1e-3
    """Learning rate at its peak."""
    warmup_epochs: NonNegative = 1.0
    """Epochs in which the learning rate rises from 0 to its peak."""
    final_fraction: Share = 0.01
    """Learning rate at the last step, as a share of the peak."""
    weight_decay: NonNegative = 0.01
    """Decoupled weight decay of AdamW; a step takes this share, times the learning rate, away from each matrix."""
    clip_norm: NonNegative = 1.0
    """Largest global norm of the gradient; 0 switches clipping off."""
    pretrained_learning_rate: NonNegative = 0.0
    """Peak learning rate of a pretrained text encoder; 0 leaves it as it was published."""
    pretrained_start: ProperShare = 0.5
    """Share of the training that passes before a pretrained text encoder begins to learn."""
    average_decay: ProperShare = 0.0
    """Share that a step keeps of the moving average of the parameters, which evaluations use; 0 for no average."""


@dataclass(frozen=True, config=RULES)
class TrainConfig:
    """Length and rhythm of training."""

    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 0
    """The 32 bits with which every random stream begins."""
    recipe: Literal["", "by_size"] = ""
    """by_size chooses, from the numbers of videos and captions, what has its default and was not set by hand."""
    epochs: Count = 50
    """Passes over the videos; each takes other captions of every video."""
    batch_size: Count = 128
    """Videos in the global batch, over all devices."""
    captions_per_video: Count = 1
    """Captions of each video in a batch; all of them are relevant to it."""
    token_state_cache: StrictBool = False
    """What a frozen pretrained encoder makes of a caption is kept in the host's memory: 14 kB for 9 tokens of 384."""
    micro_batches: Count = 1
    """Parts of a batch that a device encodes one after the other (GradCache): less memory, encoders that run twice."""
    exchange: Literal["gather", "ring"] = "gather"
    """How devices meet each other's captions: gather (each holds all of the batch), or ring (they go round)."""
    log_every_steps: Count = 20
    """Steps between two lines of metrics."""
    evaluate_every_epochs: Count = 1
    """Epochs between two evaluations of the validation split."""
    patience: Size = 0
    """Evaluations of the validation split without a better one after which training ends; 0 for never."""
    checkpoint_every_steps: Count = 500
    """Steps between two checkpoints; one is also written at every evaluation."""
    compile_cache: str = ""
    """Folder that keeps compiled programs for the next run.

    Empty for that of JAX_COMPILATION_CACHE_DIR, or else the user's cache.
    """


@dataclass(frozen=True, config=RULES)
class EvaluationConfig:
    """How a split is evaluated; the sizes bound memory and change nothing else."""

    encode_batch: Count = 64
    """Videos, and captions, encoded at a time; rounded up to a multiple of the devices."""
    encoded_bytes: Count = 72 * 2**20
    """Bytes of the encoded videos and captions that are compared at a time; captions take two thirds."""
    same_text: Literal["relevant", "wrong"] = "wrong"
    """What a video is to another video's caption that has the text of one of its own; wrong is the published rule."""
    merge_duplicates: StrictBool = False
    """Captions with the same text are one query with several relevant videos (HGR's rule); False keeps each."""
    answers: Count = 50
    """Best answers that are kept of every query."""
    bank_captions: Count = 10_000
    """Training captions, drawn from all of them, that tell the hubs when corrections are studied."""


@dataclass(frozen=True, config=RULES)
class Config:
    """One experiment."""

    name: str = ""
    """Name of the experiment, and of its folder below ``runs``."""
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    similarity: SimilarityConfig = SimilarityConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @field_validator("train")
    @classmethod
    def _a_triplet_has_one_caption(cls, train: TrainConfig, info: ValidationInfo) -> TrainConfig:
        if (loss := info.data.get("loss")) and loss.ranking == "triplet" and train.captions_per_video > 1:
            message = "a triplet has one caption, so use 1, or config.loss.ranking='info_nce'"
            raise ValueError(f"config.train.captions_per_video is {train.captions_per_video}; {message}")
        return train

    @property
    def encoder_is_frozen(self) -> bool:
        """Whether the states of tokens come from a published encoder that stays as it is.

        The image-text encoder of ``model.pretrained_video`` always does.
        """
        own = self.model.pretrained
        return self.model.context == "pretrained" and (not own or self.optim.pretrained_learning_rate == 0)


def defaults() -> ml_collections.ConfigDict:
    """All fields with their default values, to be changed by a config file."""
    return ml_collections.ConfigDict(dataclasses.asdict(Config()))


def from_config_dict(values: ml_collections.ConfigDict) -> Config:
    """The typed configuration; a field that is not there has its default.

    Raises:
        InputError: keys are unknown, or values have the wrong type or are out of range; the message names them all.
    """
    return parse(Config, values.to_dict(), "config.")
