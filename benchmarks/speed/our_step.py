"""Our training step on made-up batches, at the dimensions of the published systems."""

import dataclasses
from typing import Annotated

import jax
import numpy as np
import typer

from benchmarks.made_up_data import make_batch
from data_pipeline.levels import ACTION, ENTITY, GLOBAL, RELATIONSHIP
from mcsan_jax.config import Config, LossConfig, ModelConfig, from_config_dict
from mcsan_jax.configs.msrvtt import get_config
from mcsan_jax.models.mcsan import MCSAN, DataShape
from mcsan_jax.sharding import make_mesh, put_batch
from mcsan_jax.training.optimizers import learning_rate_schedule, make_optimizer
from mcsan_jax.training.train_step import make_state_maker, make_train_step

ROLES, MODIFIER_KINDS = 16, 10
ATTRIBUTES = ((ENTITY, 1000), (ACTION, 500), (RELATIONSHIP, 1000))

Width = Annotated[int, typer.Option(min=2, help="Of the vectors of the levels.")]
WordWidth = Annotated[int, typer.Option("--word_width", min=1, help="Of a word's embedding.")]
FrameDim = Annotated[int, typer.Option("--frame_dim", min=1, help="Size of a frame's features.")]
Vocabulary = Annotated[int, typer.Option(min=2, help="Words.")]
MicroBatches = Annotated[
    int, typer.Option("--micro_batches", min=1, help="Parts in which a batch is encoded.")
]


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Dimensions of network and data, and the seed.

    Attributes:
        width: of the vectors of the levels.
        word_width: of a word's embedding.
        frame_dim: of a frame's features.
        vocabulary: words.
        micro_batches: parts in which a batch is encoded.
        seed: of the batch, the parameters and the dropout.
    """

    width: int = 1024
    word_width: int = 300
    frame_dim: int = 2048
    vocabulary: int = 10_000
    micro_batches: int = 1
    seed: int = 0

    def words(self) -> list[str]:
        """The options as they stand, for another process."""
        return [f"--{name}={value}" for name, value in dataclasses.asdict(self).items()]


def four_level_config(batch_size: int, sizes: Sizes) -> Config:
    """The experiment `configs/msrvtt.py`: four levels, InfoNCE, FBCE and KL; words as the peer's."""
    values = get_config()
    values.model.context, values.model.pretrained = "bigru", ""
    values.data.max_tokens, values.train.captions_per_video = 30, 1
    values.model.width, values.model.word_width = sizes.width, sizes.word_width
    values.train.batch_size, values.train.seed = batch_size, sizes.seed
    values.train.micro_batches = sizes.micro_batches
    return from_config_dict(values)


def three_level_config(batch_size: int, sizes: Sizes) -> Config:
    """HGR's model and loss: three levels, a sentence node, the hardest-negative triplet loss."""
    config = four_level_config(batch_size, sizes)
    return dataclasses.replace(
        config,
        model=ModelConfig(
            levels=(GLOBAL, ENTITY, ACTION),
            width=sizes.width,
            word_width=sizes.word_width,
            temporal="none",
            sentence_node=True,
            modifiers=False,
        ),
        similarity=dataclasses.replace(
            config.similarity, learn_level_weights=False, missing_levels="zero", attribute_share=0.0
        ),
        loss=LossConfig(ranking="triplet", margin=0.2, focal_weight=0.0, divergence_weight=0.0),
    )


def data_shape(config: Config, sizes: Sizes) -> DataShape:
    """Data of MSR-VTT's kind; attributes where the loss asks for them."""
    attributes = ATTRIBUTES if config.loss.focal_weight > 0 else ()
    return DataShape(sizes.vocabulary, ROLES, MODIFIER_KINDS, sizes.frame_dim, 0, attributes)


class Training:
    """A fresh network on one device, in training on one batch of the configured size.

    Attributes:
        config: the experiment.
        shape: of the data.
        batch: the batch, on the host.
        state: parameters and what else changes.
    """

    def __init__(self, config: Config, sizes: Sizes) -> None:
        self.config, self.shape = config, data_shape(config, sizes)
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
