"""This module lets a command that searches once begin soon: most of its time would go into loading."""

import contextlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

from mcsan_jax.retrieval.model import Mcsan


@contextlib.contextmanager
def parser_loading(model: Mcsan) -> Iterator[None]:
    """Loads what parses texts while the block runs; the block ends when it is loaded.

    It is meant for a command, which has its process for itself: while the parser loads, PyTorch counts as not
    installed. The parser would load it for nothing, in a second and 150 MB, wherever it is installed.

    Raises:
        InputError: the parser of the training is not installed.
    """
    absent = "torch" not in sys.modules
    if absent:
        cast(Any, sys.modules)["torch"] = None
    try:
        with ThreadPoolExecutor(1, "parser") as beside:
            loaded = beside.submit(lambda: model.parser.parse(["a"]))
            yield
            loaded.result()
    finally:
        if absent:
            sys.modules.pop("torch", None)
