"""Puts batches on the devices before the step asks for them."""

import collections
from collections.abc import Iterable, Iterator

from jax.sharding import Mesh

from data_pipeline.batches.batch import PairBatch
from mcsan_jax.sharding import put_batch


def on_devices(batches: Iterable[PairBatch], mesh: Mesh, ahead: int) -> Iterator[PairBatch]:
    """The batches, in the same order, with their rows split over the devices.

    When one is handed out, the next ``ahead`` are on the devices or on their way: neither the copy nor a compiled step
    blocks the caller, so that no thread is needed.

    Args:
        batches: arrays of this process, the rows of its part of each global batch.
        mesh: devices of all processes.
        ahead: batches to hold beside the one handed out; 0 puts each when it is asked for.

    Raises:
        Exception: what ``batches`` raised, after all batches before it were handed out, as without holding any.
    """
    held: collections.deque[PairBatch] = collections.deque()
    try:
        for batch in batches:
            held.append(put_batch(batch, mesh))
            if len(held) > ahead:
                yield held.popleft()
    except Exception:
        yield from held
        raise
    yield from held
