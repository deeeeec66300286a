"""MSVD, official split: 1,200 / 100 / 670 clips, about forty captions each."""

import ml_collections

from mcsan_jax.config import defaults
from mcsan_jax.configs.sizes import set_size

PREPARE_HINT = """Put MSVD's annotations train.txt, val.txt and test.txt (plain or .gz) into a folder; a line
holds a clip's id, a space and a caption. FEATURES is an HDF5 file {clip id: [frames, dim]} or a folder
of <clip id>.npy. Prepare them with
  python -m data_pipeline.prepare --dataset=msvd --protocol=official \\
    --tokenizer=unigram --annotations=FOLDER --features=FEATURES --out=data/msvd"""


def get_config(size: str = "full") -> ml_collections.ConfigDict:
    """Sizes: full (the published systems' width), small (for a CPU), tiny."""
    config = defaults()
    config.name = "msvd"
    config.data.dir = "data/msvd"
    config.data.prepare_hint = PREPARE_HINT
    config.similarity.linear_branch = True
    config.train.batch_size = 64
    config.train.epochs = 80
    set_size(config, size)
    return config
