"""This module loads TensorFlow quietly, on the host's processors only, and builds its graphs once."""

import contextlib
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any


def load_tensorflow() -> Any:
    """Returns the tensorflow module, which leaves accelerators and their memory to JAX."""
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with contextlib.nullcontext() if level == "0" else _silent_errors():
        import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    return tf


@contextlib.contextmanager
def _silent_errors() -> Iterator[None]:
    """Discards the process's standard error, because TensorFlow heeds no log level while it loads."""
    sys.stderr.flush()
    saved = os.dup(2)
    try:
        with pathlib.Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def built_once(build: Callable[..., Any], *arguments: Any) -> Callable[..., Any]:
    """Returns a function that makes a ``tf.data.Dataset``; it is traced only here, and each later call runs its graph.

    Args:
        build: the function that makes the dataset; its code is not converted by AutoGraph, which would take over a
            second.
        arguments: the ``tf.TensorSpec`` of each of its arguments.
    """
    import tensorflow as tf

    plain = tf.autograph.experimental.do_not_convert(build)
    return tf.function(plain, input_signature=arguments, autograph=False).get_concrete_function()
