"""Ablation: without the KL divergence between the attributes of videos and of captions."""

import ml_collections

from configs.derived.bases import base_config


def get_config(base: str = "demo") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    config = base_config(base, "ablations", "no_divergence")
    config.loss.divergence_weight = 0.0
    return config
