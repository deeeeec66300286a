"""Peer: HGR's recipe (Chen et al., CVPR 2020) on our code: three levels, hardest triplets, 50 passes at 1e-4.

A pass goes over the videos, with one caption of each; a pass of the original goes over all captions, which are 20 times
as many for MSR-VTT.
Frames stand alone, the sentence is a node of its graph, levels weigh the same, a level that a caption lacks scores
zero, and nothing learns attributes. Captions are read by a BiGRU over learned word embeddings, because that is what the
system is; `configs/peers/hgr_pretrained.py` has the text encoder of ours instead. Warm-up, decay of the learning rate,
standardised features and selection are those of the base.
"""

import ml_collections

from configs.derived.bases import base_config
from data_pipeline.levels import ACTION, ENTITY, GLOBAL


def get_config(base: str = "msrvtt-small") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    return hgr(base, "hgr")


def hgr(base: str, name: str) -> ml_collections.ConfigDict:
    """HGR's network and recipe under the name of a config in this folder."""
    config = base_config(base, "peers", name)
    config.model.update(
        levels=(GLOBAL, ENTITY, ACTION),
        context="bigru",
        pretrained="",
        temporal="none",
        sentence_node=True,
        dropout=0.2,
    )
    config.similarity.update(learn_level_weights=False, missing_levels="zero", attribute_weight=0.0)
    config.loss.update(
        ranking="triplet", margin=0.2, hardest_negative=True, attribute_weight=0.0, divergence_weight=0.0
    )
    config.optim.learning_rate = 1e-4
    config.train.update(batch_size=64, captions_per_video=1, epochs=50)
    return config
