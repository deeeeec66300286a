"""Ablation: without the relationship level."""

import ml_collections

from configs.derived.bases import base_config
from data_pipeline.levels import RELATIONSHIP


def get_config(base: str = "demo") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    config = base_config(base, "ablations", "no_relationships")
    config.model.levels = tuple(level for level in config.model.levels if level != RELATIONSHIP)
    return config
