"""Peer: HGR's network trained with InfoNCE at 1e-3 in batches of 128, to be fair to it on small data.

The hardest triplet starts in a collapsed state and stays there for long; see `configs/peers/hgr.py` for the rest.
"""

import ml_collections

from configs.peers.hgr import hgr


def get_config(base: str = "msrvtt-small") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    return hgr_info_nce(base, "hgr_info_nce")


def hgr_info_nce(base: str, name: str) -> ml_collections.ConfigDict:
    """HGR's network with InfoNCE under the name of a config in this folder."""
    config = hgr(base, name)
    config.loss.ranking = "info_nce"
    config.optim.learning_rate = 1e-3
    config.train.batch_size = 128
    return config
