"""The typed configuration of an experiment.

Config files build an `ml_collections.ConfigDict` on top of `defaults`; `from_config_dict` turns it into frozen
dataclasses once, and refuses unknown keys and wrong values.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any

import ml_collections

from mcsan_jax.errors import InputError
from mcsan_jax.levels import GLOBAL, LEVELS

MAKERS = ("", "moving_shapes")


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Prepared data and the sizes of a batch's arrays."""

    dir: str = ""
    """Folder written by `python -m data_pipeline.prepare`."""
    made_from: str = ""
    """Name of an embedded data set that is made when `dir` does not exist yet; empty for none."""
    prepare_hint: str = ""
    """What to download, and the command that prepares it; shown when `dir` holds no prepared data."""
    train_split: str = "train"
    validation_split: str = "val"
    test_split: str = ""
    """Split evaluated once at the end with the best checkpoint; empty for none."""
    max_frames: int = 20
    max_tokens: int = 30
    max_actions: int = 4
    max_entities: int = 6
    max_relationships: int = 8
    shuffle_buffer: int = 4096
    """Records held in memory to be shuffled."""
    cache: bool = False
    """Keeps the training records that a process reads in memory, as many bytes as they have on disk; same order."""
    prefetch: int = 2
    """Batches that are on the devices already while a step runs."""


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The two encoders and the shared attribute projector."""

    levels: tuple[str, ...] = LEVELS
    width: int = 1024
    word_width: int = 300
    context: str = "bigru"
    """How tokens see each other: bigru, transformer, or pretrained."""
    pretrained: str = ""
    """The pretrained encoder, for ``context = "pretrained"``: minilm (an installable package), or the folder of any
    BERT encoder. The data must have been prepared with its tokenizer."""
    temporal: str = "convolution"
    """Structure of the action level over frames: convolution, bigru, attention, or none (each frame alone)."""
    frame_pooling: str = "attention"
    """How frames become the global vector: attention (learned weights), or mean."""
    sentence_node: bool = False
    """The sentence joins its graph as a node: actions attend to it, and it becomes the global vector."""
    share_attribute_projection: bool = True
    """One projection for both modalities (the paper's); False gives each its own."""
    dropout: float = 0.2
    compute_dtype: str = "float32"
    """Type of the inputs of large products: float32 or bfloat16. Parameters and sums are float32."""
    remat: bool = False
    """What the layers of transformers and the levels of videos computed is not kept for the gradient but computed
    again: less memory, more time."""


@dataclasses.dataclass(frozen=True)
class SimilarityConfig:
    """How the levels become one score."""

    smoothing: float = 4.0
    """λ of the attention over frames."""
    learn_level_weights: bool = False
    """Softmax weights learned with the network; False keeps them uniform."""
    missing_levels: str = "renormalize"
    """renormalize over the levels that a caption has, or count a missing level as zero."""
    attribute_weight: float = 0.0
    """Share of the attribute agreement in the fused score, in [0, 1)."""
    kernel: str = "xla"
    """Form of the score of frames and nodes: xla (any device), or pallas (one fused kernel; NVIDIA GPUs)."""
    block_bytes: int = 0
    """Bytes of the cosines that are held at a time; 0 takes what suits the device."""


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Ranking loss, focal binary cross-entropy and divergence of attributes."""

    ranking: str = "info_nce"
    """info_nce, triplet, or none."""
    margin: float = 0.2
    hardest_negative: bool = True
    temperature: float = 0.07
    learn_temperature: bool = True
    attribute_weight: float = 0.1
    """Weight of the focal binary cross-entropy; 0 switches it off."""
    focal_alpha: float = 0.5
    focal_gamma: float = 2.0
    divergence_weight: float = 0.1
    """Weight of the KL divergence; 0 switches it off."""
    divergence_direction: str = "text_to_video"
    divergence_temperature: float = 1.0
    divergence_stop_gradient: bool = False


@dataclasses.dataclass(frozen=True)
class OptimConfig:
    """AdamW with linear warm-up and cosine decay."""

    learning_rate: float = 1e-3
    warmup_epochs: float = 1.0
    final_fraction: float = 0.01
    """Learning rate at the last step, as a share of the peak."""
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    """Largest global norm of the gradient; 0 switches clipping off."""
    pretrained_learning_rate: float = 0.0
    """Peak learning rate of a pretrained text encoder; 0 leaves it as it was published."""
    pretrained_start: float = 0.5
    """Share of the training that passes before a pretrained text encoder begins to learn."""
    average_decay: float = 0.0
    """Evaluations and searches use an exponential moving average of the parameters, of which each step keeps this share
    (less in the first steps); 0 uses the parameters themselves."""


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Length and rhythm of training."""

    seed: int = 0
    epochs: int = 50
    """Passes over the videos; each takes other captions of every video."""
    batch_size: int = 128
    """Videos in the global batch, over all devices."""
    captions_per_video: int = 1
    """Captions of each video in a batch; all of them are right answers for it."""
    keep_states: bool = False
    """What a frozen pretrained encoder makes of a caption is computed once and kept in the memory of the host: four
    bytes for each number, 14 kB for a caption of 9 tokens and 384 numbers. Of no effect on an encoder that learns."""
    micro_batches: int = 1
    """Parts in which each device encodes its rows of a batch, one after the other; the loss is that of the whole batch
    (GradCache). Memory of the encoders falls, and they run twice."""
    exchange: str = "gather"
    """How devices meet each other's captions: gather (each holds all of the batch), or ring (they go round)."""
    log_every_steps: int = 20
    evaluate_every_epochs: int = 1
    checkpoint_every_steps: int = 500
    """A checkpoint is also written at every evaluation."""
    compile_cache: str = ""
    """Folder in which compiled programs are kept for the next run; empty for none, or that of the environment variable
    JAX_COMPILATION_CACHE_DIR."""


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """How a split is evaluated; the sizes bound memory and change nothing else."""

    encode_batch: int = 64
    """Videos, and captions, encoded at a time."""
    block_bytes: int = 72 * 2**20
    """Bytes of the encoded videos and captions that are compared at a time; captions take two thirds."""
    merge_duplicates: bool = False
    """Captions with the same text are one query with several right videos (HGR's rule); False keeps each."""
    answers: int = 50
    """Best answers that are kept of every query."""
    bank_captions: int = 10_000
    """Training captions, drawn from all of them, that tell the hubs when corrections are studied."""


@dataclasses.dataclass(frozen=True)
class Config:
    """One experiment."""

    name: str = ""
    data: DataConfig = DataConfig()
    model: ModelConfig = ModelConfig()
    similarity: SimilarityConfig = SimilarityConfig()
    loss: LossConfig = LossConfig()
    optim: OptimConfig = OptimConfig()
    train: TrainConfig = TrainConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @property
    def encoder_is_frozen(self) -> bool:
        """Whether captions are read by a pretrained encoder that stays as it was published."""
        return bool(self.model.pretrained) and self.optim.pretrained_learning_rate == 0


_CHOICES = {
    "data.made_from": MAKERS,
    "model.context": ("bigru", "transformer", "pretrained"),
    "model.frame_pooling": ("attention", "mean"),
    "model.temporal": ("convolution", "bigru", "attention", "none"),
    "model.compute_dtype": ("float32", "bfloat16"),
    "similarity.missing_levels": ("renormalize", "zero"),
    "similarity.kernel": ("xla", "pallas"),
    "train.exchange": ("gather", "ring"),
    "loss.ranking": ("info_nce", "triplet", "none"),
    "loss.divergence_direction": ("text_to_video", "video_to_text", "symmetric"),
}

_LEAST = {
    **dict.fromkeys(("model.width", "model.word_width", "train.epochs", "train.batch_size"), 1),
    **dict.fromkeys(("train.captions_per_video", "train.micro_batches"), 1),
    **dict.fromkeys(
        ("train.log_every_steps", "train.evaluate_every_epochs", "train.checkpoint_every_steps"), 1
    ),
    **dict.fromkeys(("data.max_frames", "data.max_tokens", "data.max_actions", "data.max_entities"), 1),
    **dict.fromkeys(("data.max_relationships", "data.shuffle_buffer"), 1),
    **dict.fromkeys(("train.seed", "data.prefetch", "similarity.block_bytes"), 0),
    **dict.fromkeys(("evaluation.encode_batch", "evaluation.block_bytes", "evaluation.answers"), 1),
    "evaluation.bank_captions": 1,
    **dict.fromkeys(("model.dropout", "similarity.attribute_weight", "loss.attribute_weight"), 0.0),
    **dict.fromkeys(
        ("loss.divergence_weight", "loss.focal_gamma", "loss.focal_alpha", "optim.clip_norm"), 0.0
    ),
    **dict.fromkeys(("optim.pretrained_learning_rate", "optim.pretrained_start", "optim.average_decay"), 0.0),
    # InfoNCE is unstable below, and the learned temperature is kept above.
    "loss.temperature": 0.01,
}
"""Smallest value of a field."""

_BELOW = {
    **dict.fromkeys(("model.dropout", "similarity.attribute_weight", "optim.pretrained_start"), 1),
    "optim.average_decay": 1,
    # Random streams begin with 32 bits.
    "train.seed": 2**32,
}
"""What a field must stay below."""


def defaults() -> ml_collections.ConfigDict:
    """All fields with their default values, to be changed by a config file."""
    return ml_collections.ConfigDict(dataclasses.asdict(Config()))


def from_config_dict(values: ml_collections.ConfigDict) -> Config:
    """The typed configuration.

    Raises:
        InputError: an unknown or missing key, a value of the wrong type, or one outside its choices.
    """
    return _from_values(values.to_dict())


def from_flat(flat: Mapping[str, Any]) -> Config:
    """The configuration that `flatten` gave, as a run's folder keeps it; fields that are newer have their defaults.

    Raises:
        InputError: as of `from_config_dict`.
    """
    values = dataclasses.asdict(Config())
    for key, value in flat.items():
        group, dot, name = key.partition(".")
        if dot and isinstance(values.get(group), dict):
            values[group][name] = value
        else:
            values[key] = value
    return _from_values(values)


def _from_values(values: dict[str, Any]) -> Config:
    config = _build(Config, values, "config")
    flat = flatten(config)
    for key, choices in _CHOICES.items():
        if flat[key] not in choices:
            raise InputError(
                f"config.{key} is {flat[key]!r}; expected one of {', '.join(map(repr, choices))}"
            )
    for key, least in _LEAST.items():
        if flat[key] < least:
            raise InputError(f"config.{key} is {flat[key]}; expected {least} or more")
    for key, limit in _BELOW.items():
        if flat[key] >= limit:
            raise InputError(f"config.{key} is {flat[key]}; expected less than {limit}")
    unknown = [level for level in config.model.levels if level not in LEVELS]
    if unknown or not config.model.levels or len(set(config.model.levels)) != len(config.model.levels):
        raise InputError(
            f"config.model.levels is {config.model.levels!r}; expected some of {', '.join(LEVELS)}, each once"
        )
    if config.model.sentence_node and GLOBAL not in config.model.levels:
        raise InputError(
            f"config.model.levels is {config.model.levels!r} without {GLOBAL}, which config.model.sentence_node "
            "needs; add the level, or set config.model.sentence_node to False"
        )
    if (config.model.context == "pretrained") != bool(config.model.pretrained):
        raise InputError(
            f"config.model.context is {config.model.context!r} and config.model.pretrained is "
            f"{config.model.pretrained!r}; the context 'pretrained' needs the name or folder of an encoder, and no "
            "other context has one"
        )
    if config.loss.ranking == "triplet" and config.train.captions_per_video > 1:
        raise InputError(
            f"config.train.captions_per_video is {config.train.captions_per_video}; a triplet has one caption, so use "
            "1, or config.loss.ranking='info_nce'"
        )
    has_heads = config.model.context == "transformer" or config.model.temporal == "attention"
    divisor = 4 if has_heads else 2
    if config.model.width % divisor:
        raise InputError(f"config.model.width is {config.model.width}; expected a multiple of {divisor}")
    return config


def flatten(config: Config) -> dict[str, Any]:
    """Every field by its dotted name, such as ``optim.learning_rate``."""
    flat: dict[str, Any] = {}
    for key, value in dataclasses.asdict(config).items():
        if isinstance(value, dict):
            flat.update({f"{key}.{name}": inner for name, inner in value.items()})
        else:
            flat[key] = value
    return flat


def _build(kind: type, values: Any, path: str) -> Any:
    """Turns plain values into `kind`; a dataclass field by field, anything else by a check of its type."""
    if not dataclasses.is_dataclass(kind):
        return _checked(kind, values, path)
    if not isinstance(values, dict):
        raise InputError(f"{path} is {values!r}; expected a group of fields")
    hints = typing.get_type_hints(kind)
    for key in values:
        if key not in hints:
            raise InputError(
                f"unknown config key {path}.{key}; known keys of {path}: {', '.join(sorted(hints))}"
            )
    missing = sorted(set(hints) - set(values))
    if missing:
        raise InputError(
            f"config key {path}.{missing[0]} is missing; start the file from mcsan_jax.config.defaults()"
        )
    return kind(**{key: _build(hints[key], value, f"{path}.{key}") for key, value in values.items()})


def _checked(kind: Any, value: Any, path: str) -> Any:
    if isinstance(kind, types.GenericAlias):
        if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise InputError(f"{path} is {value!r}; expected a tuple of strings")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise InputError(f"{path} is {value!r}; expected {kind.__name__}")
    return value
