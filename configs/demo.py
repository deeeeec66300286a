"""The embedded data set: moving shapes, made on the spot; trains in two minutes on two CPU cores."""

import ml_collections

from mcsan_jax.config import defaults
from mcsan_jax.configs.sizes import set_size


def get_config(size: str = "small") -> ml_collections.ConfigDict:
    """Sizes: small (the default), full, tiny."""
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
    config.similarity.learn_level_weights = True
    set_size(config, size)
    if size == "full":
        config.name = "demo_full"
    if size == "small":
        # Smaller than elsewhere: the clips are simple, and the demo is to be quick.
        config.name = "demo"
        config.model.width = 128
        config.model.word_width = 64
        config.model.dropout = 0.1
    return config
