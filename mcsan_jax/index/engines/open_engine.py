"""This module opens the engine of an index: the flat one, or Milvus at an address."""

import hashlib
import os
import pathlib

from mcsan_jax.index.engines.engine import Engine
from mcsan_jax.index.engines.flat_engine import FlatEngine
from mcsan_jax.index.engines.milvus_engine import MilvusEngine

TOKEN = "MILVUS_TOKEN"
"""Environment variable with what a cluster asks for, ``user:password`` or a key."""


def open_engine(folder: pathlib.Path, milvus: str = "", collection: str = "") -> Engine:
    """Opens an engine for the stage-1 vectors of an index.

    Args:
        folder: of the index.
        milvus: a file that ends with ``.db``, or the address of a cluster; empty for the flat engine.
        collection: its name in Milvus. By default it is made of the path of the index. A collection belongs to one
            index: what that does not have is removed from it.

    Raises:
        InputError: Milvus is not installed, or nobody answers at the address.
    """
    if not milvus:
        return FlatEngine()
    name = collection or "mcsan_" + hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    return MilvusEngine(milvus, name, os.environ.get(TOKEN, ""))
