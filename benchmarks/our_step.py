"""Our training step on made-up batches, at the dimensions of the published systems."""

import dataclasses

import jax
import numpy as np
from absl import flags

from benchmarks.made_up_batch import make_batch
from configs.msrvtt import get_config
from mcsan_jax.config import Config, LossConfig, ModelConfig, from_config_dict
from mcsan_jax.levels import ACTION, ENTITY, GLOBAL, RELATIONSHIP
from mcsan_jax.models.mcsan import MCSAN, DataShape
from mcsan_jax.training.optimizers import learning_rate_schedule, make_optimizer
from mcsan_jax.training.sharding import make_mesh, put_batch
from mcsan_jax.training.train_step import make_state_maker, make_train_step

_WIDTH = flags.DEFINE_integer("width", 1024, "Size of the vectors of the levels.", lower_bound=2)
_WORD_WIDTH = flags.DEFINE_integer("word_width", 300, "Size of a word's embedding.", lower_bound=1)
_FRAME_DIM = flags.DEFINE_integer("frame_dim", 2048, "Size of a frame's features.", lower_bound=1)
_VOCABULARY = flags.DEFINE_integer("vocabulary", 10_000, "Words.", lower_bound=2)
_MICRO_BATCHES = flags.DEFINE_integer("micro_batches", 1, "Parts in which a batch is encoded.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of the batch, the parameters and the dropout.")

ROLES = 16
ATTRIBUTES = ((ENTITY, 1000), (ACTION, 500), (RELATIONSHIP, 1000))


def size_flags() -> list[str]:
    """The flags of this module as they stand, for another process."""
    chosen = (_WIDTH, _WORD_WIDTH, _FRAME_DIM, _VOCABULARY, _MICRO_BATCHES, _SEED)
    return [f"--{flag.name}={flag.value}" for flag in chosen]


def four_level_config(batch_size: int) -> Config:
    """The experiment `configs/msrvtt.py`: four levels, InfoNCE, FBCE and KL; words as the peer's."""
    values = get_config()
    values.model.context, values.model.pretrained = "bigru", ""
    values.data.max_tokens, values.train.captions_per_video = 30, 1
    values.model.width, values.model.word_width = _WIDTH.value, _WORD_WIDTH.value
    values.train.batch_size, values.train.seed = batch_size, _SEED.value
    values.train.micro_batches = _MICRO_BATCHES.value
    return from_config_dict(values)


def three_level_config(batch_size: int) -> Config:
    """HGR's model and loss: three levels, a sentence node, the hardest-negative triplet loss."""
    config = four_level_config(batch_size)
    return dataclasses.replace(
        config,
        model=ModelConfig(
            levels=(GLOBAL, ENTITY, ACTION),
            width=_WIDTH.value,
            word_width=_WORD_WIDTH.value,
            temporal="none",
            sentence_node=True,
        ),
        similarity=dataclasses.replace(
            config.similarity, learn_level_weights=False, missing_levels="zero", attribute_weight=0.0
        ),
        loss=LossConfig(ranking="triplet", margin=0.2, attribute_weight=0.0, divergence_weight=0.0),
    )


def data_shape(config: Config) -> DataShape:
    """Data of MSR-VTT's kind; attributes where the loss asks for them."""
    attributes = ATTRIBUTES if config.loss.attribute_weight > 0 else ()
    return DataShape(_VOCABULARY.value, ROLES, _FRAME_DIM.value, 0, attributes)


class Training:
    """A fresh network on one device, in training on one batch of the configured size.

    Attributes:
        config: the experiment.
        shape: of the data.
        batch: the batch, on the host.
        state: parameters and what else changes.
    """

    def __init__(self, config: Config) -> None:
        self.config, self.shape = config, data_shape(config)
        self.batch = make_batch(config.train.batch_size, config.data, self.shape, config.train.seed)
        mesh = make_mesh(jax.devices()[:1])
        model = MCSAN(config, self.shape)
        optimizer = make_optimizer(config.optim, learning_rate_schedule(config.optim, 100, 10_000), 10_000)
        dim = self.shape.frame_dim
        statistics = {"frame_statistics": {"mean": np.zeros(dim), "std": np.ones(dim)}}
        example = jax.tree.map(lambda rows: rows[:1], self.batch)
        self.state = make_state_maker(model, example, statistics, optimizer, mesh).create()
        self._train_step = make_train_step(model, optimizer, config, mesh)
        self._on_device = put_batch(self.batch, mesh)

    def step(self) -> None:
        """Takes one step and waits for it."""
        self.state, _ = self._train_step(self.state, self._on_device)
        jax.block_until_ready(self.state)
