"""The embedded data sets, made on the spot; moving shapes train in two minutes on two CPU cores."""

import ml_collections

from mcsan_jax.config import defaults
from mcsan_jax.configs.sizes import set_size

HARD = "hard"


def get_config(size: str = "small") -> ml_collections.ConfigDict:
    """Sizes: small (the default), full, tiny; hard is small on crowded shapes.

    Crowded clips have four shapes and two events, and captions with modifiers, order and negation. They want three
    times the epochs.
    """
    hard = size == HARD
    config = defaults()
    config.name = "demo"
    config.data.dir = "data/moving_shapes"
    config.data.made_from = "moving_shapes"
    config.similarity.linear_branch = True
    config.data.max_frames = 12
    config.data.max_tokens = 24
    config.data.max_actions = 2
    config.data.max_entities = 3
    config.data.max_relationships = 4
    config.data.max_modifiers = 6
    config.train.epochs = 16
    config.train.batch_size = 128
    config.train.evaluate_every_epochs = 8
    config.optim.learning_rate = 5e-3
    config.loss.foils = 1.0
    config.model.spatial = "strongest"
    config.model.region_pairs = True
    config.similarity.learn_level_weights = True
    set_size(config, "small" if hard else size, (HARD,))
    if size == "full":
        config.name = "demo_full"
    if size == "small" or hard:
        # Smaller than elsewhere: the clips are simple, and the demo is to be quick.
        config.name = "demo"
        config.model.width = 128
        config.model.word_width = 64
        config.model.dropout = 0.1
    if hard:
        config.name = "demo_hard"
        config.data.dir = "data/crowded_shapes"
        config.data.made_from = "crowded_shapes"
        config.train.epochs = 48
        config.train.evaluate_every_epochs = 24
        config.data.max_frames = 24
        config.data.max_tokens = 36
        config.data.max_actions = 3
        config.data.max_entities = 5
        config.data.max_relationships = 7
    return config
