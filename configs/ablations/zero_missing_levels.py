"""Ablation: a level that a caption lacks counts as similarity 0, in place of averaging over the levels it has."""

import ml_collections

from configs.derived.bases import base_config


def get_config(base: str = "demo") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    config = base_config(base, "ablations", "zero_missing_levels")
    config.similarity.missing_levels = "zero"
    return config
