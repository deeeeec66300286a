"""Ablation: a projection into attributes of its own for each modality, in place of a shared one."""

import ml_collections

from configs.derived.bases import base_config


def get_config(base: str = "demo") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    config = base_config(base, "ablations", "separate_projections")
    config.model.share_attribute_projection = False
    return config
