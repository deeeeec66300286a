"""Peer: a dual encoder of one level, as systems were before graphs: mean of the frames, BiGRU over learned words.

Captions are read by a BiGRU over word embeddings that are learned with it, because that is what those systems are;
`configs/peers/dual_encoder_pretrained.py` has the text encoder of ours instead. How it is trained (optimizer, batch,
length) is the base's.
"""

import ml_collections

from configs.derived.bases import base_config
from data_pipeline.levels import GLOBAL


def get_config(base: str = "msrvtt-small") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    return dual_encoder(base, "dual_encoder")


def dual_encoder(base: str, name: str) -> ml_collections.ConfigDict:
    """The dual encoder under the name of a config in this folder."""
    config = base_config(base, "peers", name)
    config.model.update(
        levels=(GLOBAL,), context="bigru", pretrained="", frame_pooling="mean", sentence_node=False
    )
    config.similarity.update(learn_level_weights=False, attribute_weight=0.0)
    config.loss.update(ranking="info_nce", attribute_weight=0.0, divergence_weight=0.0)
    return config
