"""VATEX, the split of HGR: 25,991 / 1,500 / 1,500 videos, ten English captions each."""

import ml_collections

from configs.sizes import set_size
from mcsan_jax.config import defaults

PREPARE_HINT = """VATEX's annotations are vatex_training_v1.0.json and vatex_validation_v1.0.json, with HGR's lists train_list.txt,
val_list.txt and test_list.txt beside them. Prepare them with
  python -m data_pipeline.prepare --dataset=vatex --annotations=FOLDER --features=FILE --protocol=full --out=data/vatex"""


def get_config(size: str = "full") -> ml_collections.ConfigDict:
    """Sizes: full (the published systems' width), small (for a CPU), tiny."""
    config = defaults()
    config.name = "vatex"
    config.data.dir = "data/vatex"
    config.data.prepare_hint = PREPARE_HINT
    config.data.test_split = "test"
    config.data.max_frames = 32
    config.data.max_tokens = 40
    config.train.batch_size = 128
    config.train.epochs = 40
    set_size(config, size)
    return config
