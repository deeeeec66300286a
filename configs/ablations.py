"""Ablations: the whole model without one of its parts, on any experiment.

`configs/ablations.py:no_divergence:msrvtt-small` is the ablation ``no_divergence`` of `configs/msrvtt.py:small`;
without an experiment it is that of the demo.
"""

import ml_collections

from mcsan_jax.configs.derived import Changes, derived_config


def ablations_of(config: ml_collections.ConfigDict) -> Changes:
    """The fields that each ablation changes in the config of an experiment."""
    return {
        # The whole model, with which the others are compared.
        "full": {},
        "no_relationships": {
            "model.levels": tuple(level for level in config.model.levels if level != "relationship")
        },
        # Nothing draws the attributes of videos and of captions together.
        "no_divergence": {"loss.divergence_weight": 0.0},
        # Without focus and with both kinds of label alike, the focal loss is half the binary cross-entropy.
        "plain_bce": {
            "loss.focal_gamma": 0.0,
            "loss.focal_alpha": 0.5,
            "loss.focal_weight": 2 * config.loss.focal_weight,
        },
        # No label teaches what an attribute is.
        "no_attribute_loss": {"loss.focal_weight": 0.0},
        # Each modality has its own projection into attributes.
        "separate_projections": {"model.share_attribute_projection": False},
        # A level that a caption lacks counts as similarity 0, in place of averaging over the levels it has.
        "zero_missing_levels": {"similarity.missing_levels": "zero"},
        # No linear map joins the fused score.
        "no_linear_branch": {"similarity.linear_branch": False},
        # One vector for each clip and caption, trained alone.
        "only_global": {"model.levels": ("global",)},
    }


def get_config(which: str = "") -> ml_collections.ConfigDict:
    """`ABLATION`, or `ABLATION:EXPERIMENT` with a size if wanted: ``no_divergence:demo-tiny``."""
    return derived_config("ablations", which, "demo", ablations_of)
