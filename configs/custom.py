"""Your own videos and captions, as JSON lines {"video_id": …, "caption": …, "split": …} or a CSV file."""

import ml_collections

from mcsan_jax.config import defaults
from mcsan_jax.configs.sizes import set_size

PREPARE_HINT = """Write your captions as JSON lines {"video_id": ..., "caption": ..., "split": ...}; the split
is train, val or test (or a CSV file with these columns, and --dataset=csv). FEATURES is an HDF5 file
{video_id: [frames, dim]}, an .npz file of that kind, or a folder of <video_id>.npy. Prepare them with
  python -m data_pipeline.prepare --dataset=jsonl \\
    --annotations=CAPTIONS.jsonl --features=FEATURES --out=data/custom"""


def get_config(size: str = "auto") -> ml_collections.ConfigDict:
    """Sizes: auto (the default, chosen from the numbers of videos and captions), small, full, tiny."""
    config = defaults()
    config.name = "custom"
    config.data.dir = "data/custom"
    config.data.prepare_hint = PREPARE_HINT
    # Few collections have a text for every video of their own, and nothing published is compared with.
    config.evaluation.same_text = "relevant"
    config.similarity.linear_branch = True
    # Derived from the captions.
    config.data.update(max_tokens=0, max_actions=0, max_entities=0, max_relationships=0, max_modifiers=0)
    if size == "auto":
        config.train.recipe = "by_size"
        return config
    config.train.batch_size = 64
    config.train.epochs = 50
    set_size(config, size, ("auto",))
    return config
