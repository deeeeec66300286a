"""Peer: HGR's network trained with InfoNCE, as long and on as many captions as ours, to be fair to it on small data.

The hardest triplet starts in a collapsed state and stays there for long; see `configs/peers/hgr.py` for the rest.
"""

import ml_collections

from configs.derived.bases import base_config
from configs.peers.hgr import hgr


def get_config(base: str = "msrvtt-small") -> ml_collections.ConfigDict:
    """The base is the name of an experiment, with a size if wanted: demo, demo-tiny, msrvtt-small."""
    return hgr_info_nce(base, "hgr_info_nce")


def hgr_info_nce(base: str, name: str) -> ml_collections.ConfigDict:
    """HGR's network with InfoNCE under the name of a config in this folder."""
    config = hgr(base, name)
    config.loss.ranking = "info_nce"
    ours = base_config(base, "peers", name)
    config.optim, config.train = ours.optim, ours.train
    return config
