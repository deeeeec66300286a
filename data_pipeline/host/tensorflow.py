"""TensorFlow on the host's processors only, quiet while it loads, and its graphs built once."""

import contextlib
import os
import pathlib
import sys
from collections.abc import Callable, Iterator
from typing import Any


def load_tensorflow() -> Any:
    """The tensorflow module, told to leave accelerators and their memory to JAX."""
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with contextlib.nullcontext() if level == "0" else _silent_errors():
        import tensorflow as tf

    tf.config.set_visible_devices([], "GPU")
    return tf


@contextlib.contextmanager
def _silent_errors() -> Iterator[None]:
    """Sends the process's standard error nowhere: what TensorFlow says while it loads heeds no log level."""
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
    """A function that makes a ``tf.data.Dataset``, traced here and only here: each later call runs its graph.

    Args:
        build: the function; its code is taken as it is, because AutoGraph takes over a second to read it.
        arguments: a ``tf.TensorSpec`` of each of its arguments.
    """
    import tensorflow as tf

    plain = tf.autograph.experimental.do_not_convert(build)
    return tf.function(plain, input_signature=arguments, autograph=False).get_concrete_function()
