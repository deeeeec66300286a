"""Your own videos and captions: JSON lines {"video_id": …, "caption": …, "split": "train" | "val" | "test"}."""

import ml_collections

from configs.sizes import set_size
from mcsan_jax.config import defaults

PREPARE_HINT = """Write your captions as JSON lines {"video_id": ..., "caption": ..., "split": "train" or "val"} and prepare them with
  python -m data_pipeline.prepare --dataset=jsonl --annotations=CAPTIONS.jsonl --features=FILE --out=data/custom"""


def get_config(size: str = "small") -> ml_collections.ConfigDict:
    """Sizes: small (the default, for a CPU), full (the published systems' width), tiny."""
    config = defaults()
    config.name = "custom"
    config.data.dir = "data/custom"
    config.data.prepare_hint = PREPARE_HINT
    config.train.batch_size = 64
    config.train.epochs = 50
    set_size(config, size)
    return config
