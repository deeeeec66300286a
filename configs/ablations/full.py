"""Ablation: none; the whole model, with which the others are compared."""

import ml_collections

from configs.derived.bases import base_config


def get_config(base: str = "demo") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    return base_config(base, "ablations", "full")
