"""Ablation: plain binary cross-entropy of attributes in place of the focal one."""

import ml_collections

from configs.derived.bases import base_config


def get_config(base: str = "demo") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    config = base_config(base, "ablations", "plain_bce")
    config.loss.focal_gamma = 0.0
    config.loss.focal_alpha = 0.5
    # Without focus and with both kinds of label alike, the loss is half the binary cross-entropy.
    config.loss.attribute_weight *= 2.0
    return config
