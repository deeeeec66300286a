"""Ablation: without the focal binary cross-entropy, so that no label teaches what an attribute is."""

import ml_collections

from configs.derived.bases import base_config


def get_config(base: str = "demo") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    config = base_config(base, "ablations", "no_attribute_loss")
    config.loss.attribute_weight = 0.0
    return config
