"""MSVD, official split: 1,200 / 100 / 670 clips, about forty captions each."""

import ml_collections

from configs.sizes import set_size
from mcsan_jax.config import defaults

PREPARE_HINT = """MSVD's annotations are train.txt, val.txt and test.txt (plain or .gz), a line for each caption: the clip's id, a space,
the caption. Prepare them with
  python -m data_pipeline.prepare --dataset=msvd --annotations=FOLDER --features=FILE --protocol=full --out=data/msvd"""


def get_config(size: str = "full") -> ml_collections.ConfigDict:
    """Sizes: full (the published systems' width), small (for a CPU), tiny."""
    config = defaults()
    config.name = "msvd"
    config.data.dir = "data/msvd"
    config.data.prepare_hint = PREPARE_HINT
    config.data.test_split = "test"
    config.train.batch_size = 64
    config.train.epochs = 80
    set_size(config, size)
    return config
